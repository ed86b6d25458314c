/** How an app is launched from wherever one is, as lines to copy. */
import type { App, AppMetadata, LaunchKind } from '../api.ts';
import { t } from '../language/language.ts';
import { type Line, quoted } from './commands.ts';

/** What another EHR needs to know of the app: its registration, without what is Lockstep's own. */
const ELSEWHERE = [
  'client_name',
  'description',
  'client_uri',
  'logo_uri',
  'launch_url',
  'redirect_uris',
  'grant_types',
  'token_endpoint_auth_method',
  'jwks',
  'jwks_uri',
  'scope',
] as const;

/** @param server the public URL of Lockstep, without a slash at its end */
export function howToLaunch(app: Pick<App, 'id' | 'launchUrl' | 'launchKinds'>, metadata: AppMetadata, server: string) {
  const { id, launchUrl, launchKinds } = app;
  const is = (...kinds: readonly LaunchKind[]): boolean => kinds.some((kind) => launchKinds.includes(kind));
  const fhir = `${server}/fhir`;
  const lines: Line[] = [];
  const say = (title: string, text: string): void => void lines.push({ title, text });

  if (is('ehr') && launchUrl !== undefined) {
    const link = new URL(`${server}/launch`);
    link.searchParams.set('kind', 'ehr');
    link.searchParams.set('app', id);
    say(t('apps.from.link'), link.href);
    const elsewhere = new URL(launchUrl);
    elsewhere.searchParams.set('iss', 'https://ehr.example.org/fhir');
    elsewhere.searchParams.set('launch', 'LAUNCH_ID');
    say(t('apps.from.otherEhr'), elsewhere.href);
    const told = Object.fromEntries(ELSEWHERE.flatMap((name) => (name in metadata ? [[name, metadata[name]]] : [])));
    say(t('apps.from.registration'), JSON.stringify(told, null, 2));
  }
  if (is('standalone') && launchUrl !== undefined) {
    const alone = new URL(launchUrl);
    alone.searchParams.set('iss', fhir);
    say(t('apps.from.itself'), alone.href);
  }
  if (is('backend'))
    say(t('apps.from.backend'), `npx lockstep token --hub ${server}/hub --client-id ${quoted(id)} --key app.json`);
  if (is('command-line', 'web', 'file')) {
    say(t('apps.from.terminal'), `npx lockstep apps launch ${quoted(id)} --user USER`);
    const body = quoted(JSON.stringify({ client_id: id, user: 'Practitioner/ID' }));
    say(
      t('apps.from.program'),
      `curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' ${server}/hub/ticket -d ${body}`,
    );
  }
  return lines as readonly Line[];
}
