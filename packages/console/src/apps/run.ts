/** Starting an app with what the EHR has open. */
import { type App, get, post } from '../api.ts';
import type { EhrSession } from '../ehr/session.ts';
import { t } from '../language/language.ts';

interface LaunchAnswer {
  readonly launch_url: string;
  readonly launch: string;
}

export interface RunContext {
  readonly patient?: string;
  readonly encounter?: string;
  readonly imaging_study?: string;
}

/** What an app that is started now gets: the patient in front, and what of theirs is current. */
export function launchContext(session: EhrSession): RunContext {
  const { shown } = session.book.desk.get();
  if (shown.kind !== 'chart') return {};
  const active = shown.patientId;
  const { context } = session.subscriber;
  if (!context || context.type !== shown.of.type || context.id !== shown.of.id) return { patient: active };
  const encounter = context.resources.encounter?.id;
  const study = context.resources.study?.id;
  return { patient: active, ...(encounter && { encounter }), ...(study && { imaging_study: study }) };
}

/** Makes an EHR launch. @returns the address to open @throws ApiError with what does not fit */
export async function makeLaunch(
  session: EhrSession,
  app: Pick<App, 'id'>,
  options: RunContext & { readonly embedded?: boolean } = launchContext(session),
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
  if (!opened) throw new Error(t('apps.noWindow'));
  try {
    const url = await address();
    opened.opener = null;
    opened.location.href = url;
  } catch (error) {
    opened.close();
    throw error;
  }
}

/**
 * Runs the app in a window of its own.
 * @returns the address that it was opened at
 * @throws ApiError, or Error when the browser forbids the window
 */
export async function runInWindow(session: EhrSession, app: App): Promise<string> {
  let address = '';
  await openWindow(async () => {
    address = await makeLaunch(session, app);
    return address;
  });
  return address;
}

/** Whether the app's pages are another server's: the EHR does not learn how it fares there. */
export function isForeign({ launchUrl }: Pick<App, 'launchUrl'>): boolean {
  return URL.parse(launchUrl ?? '')?.origin !== location.origin;
}

/** When a launched app is looked for, ms after its launch: again while it has not come. */
const LOOKS = [8_000, 20_000, 60_000] as const;

/**
 * Watches whether an app that was launched comes for its authorization.
 * @param tell called after some time that it has not, and that it has
 * @returns ends the watch
 */
export function watchLaunch(address: string, tell: (silent: boolean) => void): () => void {
  const launch = URL.parse(address)?.searchParams.get('launch');
  if (!launch) return () => undefined;
  const timers = LOOKS.map((after, index) =>
    setTimeout(() => {
      get<{ readonly asked: boolean }>(`/api/console/launches/${encodeURIComponent(launch)}`).then(
        ({ asked }) => {
          if (asked) for (const timer of timers.slice(index)) clearTimeout(timer);
          tell(!asked);
        },
        () => undefined,
      );
    }, after),
  );
  return () => {
    for (const timer of timers) clearTimeout(timer);
  };
}
