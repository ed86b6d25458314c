/** The address that starts an app as planned. */
import { type App, post } from '../api.ts';
import { makeLaunch, type RunContext } from '../apps/run.ts';
import { serverUrl } from '../base.ts';
import type { EhrSession } from '../ehr/session.ts';
import { isEhrLaunch, type Plan, planServer, userOf } from './plan.ts';

/**
 * @param app undefined where the plan names an address instead
 * @throws ApiError with what does not fit
 */
export async function addressOf(session: EhrSession, plan: Plan, app: App | undefined): Promise<string> {
  const fhir = `${planServer(serverUrl(), plan)}/fhir`;
  if (!isEhrLaunch(plan)) {
    const url = new URL(app?.launchUrl ?? plan.address);
    url.searchParams.set('fhirServiceUrl', fhir);
    return url.href;
  }
  const { patient, encounter, study } = plan;
  const context: RunContext = {
    ...(patient && { patient }),
    ...(encounter && { encounter }),
    ...(study && { imaging_study: study }),
  };
  const url = new URL(await launchUrl(session, plan, app, context));
  url.searchParams.set('iss', fhir);
  return url.href;
}

async function launchUrl(session: EhrSession, plan: Plan, app: App | undefined, context: RunContext): Promise<string> {
  const { checks, address, skipConsent, skipPickers } = plan;
  const user = userOf(plan);
  if (app && checks && user === undefined && !skipConsent && !skipPickers) return makeLaunch(session, app, context);
  const { launch_url: made } = await post<{ readonly launch_url: string }>('/api/console/simulation/launch', {
    ...(app ? { app: app.id } : { address }),
    ...(user !== undefined && { user }),
    unchecked: !checks,
    skip_consent: skipConsent,
    skip_pickers: skipPickers,
    ...context,
  });
  return made;
}
