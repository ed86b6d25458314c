/** Starting an app with what the EHR has open. */
import { type App, post } from '../api.ts';
import type { EhrSession } from '../ehr/session.ts';

interface LaunchAnswer {
  readonly launch_url: string;
  readonly launch: string;
}

export interface LaunchContext {
  readonly patient?: string;
  readonly encounter?: string;
  readonly imaging_study?: string;
}

/** What an app that is started now is told: the patient in front, and what of theirs is current. */
export function launchContext(session: EhrSession): LaunchContext {
  const { active } = session.book.charts.get();
  if (active === undefined) return {};
  const { context } = session.subscriber;
  const patient = context?.type === 'Patient' ? context.id : context?.resources.patient?.id;
  if (!context || patient !== active) return { patient: active };
  const encounter = context.resources.encounter?.id;
  const study = context.resources.study?.id;
  return { patient: active, ...(encounter && { encounter }), ...(study && { imaging_study: study }) };
}

/** Makes an EHR launch. @returns the address to open @throws ApiError with what does not fit */
export async function makeLaunch(
  session: EhrSession,
  app: Pick<App, 'id'>,
  options: LaunchContext & { readonly embedded?: boolean } = launchContext(session),
): Promise<string> {
  const { launch_url: url } = await post<LaunchAnswer>('/launch', {
    client_id: app.id,
    topic: session.topic,
    ...options,
  });
  return url;
}

/**
 * Opens a window at an address that is yet to be made.
 * @throws what `address` throws, or Error when the browser forbids the window
 */
export async function openWindow(address: () => Promise<string>): Promise<void> {
  // Opened before anything is awaited: browsers allow windows only in answer to a click.
  const opened = window.open('about:blank', '_blank');
  if (!opened)
    throw new Error('The browser did not allow a new window. Allow windows for this site, or run the app here.');
  try {
    const url = await address();
    opened.opener = null;
    opened.location.href = url;
  } catch (error) {
    opened.close();
    throw error;
  }
}

/** Runs the app in a window of its own. @throws ApiError, or Error when the browser forbids the window */
export function runInWindow(session: EhrSession, app: App): Promise<void> {
  return openWindow(() => makeLaunch(session, app));
}
