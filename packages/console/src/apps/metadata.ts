/** What a person enters about an app, checked as it is typed, and the registration that is made of it. */
import type { AppMetadata, LaunchKind } from '../api.ts';
import { LAUNCH_KINDS } from '../api.ts';
import { t } from '../language/language.ts';

export const CLIENT_TYPES = ['public', 'secret', 'keys'] as const;
export type ClientType = (typeof CLIENT_TYPES)[number];

/** The form as it is typed: lists are one entry a line. */
export interface AppForm {
  readonly name: string;
  readonly description: string;
  readonly category: string;
  readonly logo: string;
  readonly launchUrl: string;
  readonly redirectUris: string;
  readonly type: ClientType;
  readonly post: boolean;
  /** The address of a JWKS, or the JWKS itself. */
  readonly keys: string;
  readonly kinds: readonly LaunchKind[];
  readonly scopes: readonly string[];
  readonly origins: string;
  readonly sessionUsers: string;
  readonly sessionWorkstations: string;
  readonly trusted: boolean;
  readonly launcher: boolean;
  readonly acknowledgements: string;
  readonly legacy: boolean;
  readonly stu2: boolean;
  /** What the registration says besides: the form does not show it, and keeps it. */
  readonly kept: AppMetadata;
}

export type Field = keyof AppForm;
export type MetadataProblems = Partial<Record<Field, string>>;

export const EMPTY_FORM: AppForm = {
  name: '',
  description: '',
  category: '',
  logo: '',
  launchUrl: '',
  redirectUris: '',
  type: 'public',
  post: false,
  keys: '',
  kinds: ['ehr'],
  scopes: ['openid', 'fhirUser', 'launch', 'user/*.rs', 'fhircast/*.read'],
  origins: '',
  sessionUsers: '',
  sessionWorkstations: '',
  trusted: false,
  launcher: false,
  acknowledgements: '',
  legacy: false,
  stu2: false,
  kept: {},
};

export function linesOf(text: string): readonly string[] {
  return [
    ...new Set(
      text
        .split(/[\n,]/)
        .map((line) => line.trim())
        .filter(Boolean),
    ),
  ];
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
const DANGEROUS = new Set(['javascript:', 'vbscript:', 'data:', 'blob:', 'file:', 'about:', 'ws:', 'wss:', 'ftp:']);

/** What is wrong with an address of a web page; undefined when nothing is. */
export function webAddressProblem(text: string, insecureAllowed: boolean): string | undefined {
  const url = URL.parse(text);
  if (!url) return t('apps.notAWholeAddressItBegins');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return t('apps.anAddressBeginsWithHttpsOr');
  if (url.username || url.password) return t('apps.anAddressMustNotHoldA');
  if (url.protocol === 'http:' && !insecureAllowed && !LOOPBACK.has(url.hostname)) return t('apps.useHttpsHere');
  return undefined;
}

/** What is wrong with a redirect address (REG-1). */
export function redirectProblem(text: string, insecureAllowed: boolean): string | undefined {
  const url = URL.parse(text);
  if (!url) return t('apps.notAWholeAddress', { text });
  if (text.includes('#')) return t('apps.thePartFromOnNeverReaches', { text });
  if (DANGEROUS.has(url.protocol)) return t('apps.isNotAllowed', { text, protocol: url.protocol });
  if (/^https?:$/.test(url.protocol)) {
    const problem = webAddressProblem(text, insecureAllowed);
    return problem && t('apps.fieldProblem', { field: text, problem });
  }
  return undefined;
}

function keysProblem(text: string, insecureAllowed: boolean): string | undefined {
  if (text.trim() === '') return t('apps.giveTheAddressOfTheJwks');
  if (!text.trim().startsWith('{')) return webAddressProblem(text.trim(), insecureAllowed);
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown };
    if (!Array.isArray(keys) || keys.length === 0) return t('apps.aJwksHasAListOf');
    if (keys.some((key) => typeof key === 'object' && key !== null && 'd' in key))
      return t('apps.thisIsAPrivateKeyPaste');
    return undefined;
  } catch {
    return t('apps.notValidJson');
  }
}

export function isBackend({ kinds }: Pick<AppForm, 'kinds'>): boolean {
  return kinds.includes('backend');
}

/** Whether its registration lets a backend service authenticate with a secret: connectors that know no assertions. */
function mayUseSecret({ kept, type }: AppForm): boolean {
  const { secretCredentials } = (kept.switches ?? {}) as { secretCredentials?: unknown };
  return type === 'secret' && secretCredentials === true;
}

/** Whether people are sent to the app's pages with a code. */
export function usesCodes({ kinds }: Pick<AppForm, 'kinds'>): boolean {
  return kinds.includes('ehr') || kinds.includes('standalone');
}

/** Everything that is wrong with the form, next to the field it is about. */
export function problemsOf(form: AppForm, insecureAllowed: boolean): MetadataProblems {
  const problems: { -readonly [K in Field]?: string } = {};
  const { launchUrl, logo } = form;
  if (form.name.trim() === '') problems.name = t('apps.giveTheAppAName');
  if (form.kinds.length === 0) problems.kinds = t('apps.chooseHowTheAppIsStarted');
  if (launchUrl.trim() !== '') {
    const problem = webAddressProblem(launchUrl.trim(), insecureAllowed);
    if (problem) problems.launchUrl = problem;
  } else if (form.kinds.includes('ehr') || form.kinds.includes('web')) {
    problems.launchUrl = t('apps.theEhrMustKnowWhichAddress');
  }
  if (logo.trim() !== '' && !logo.startsWith('data:image/')) {
    const problem = webAddressProblem(logo.trim(), true);
    if (problem) problems.logo = problem;
  }
  const redirects = linesOf(form.redirectUris);
  const wrong = redirects.map((uri) => redirectProblem(uri, insecureAllowed)).find(Boolean);
  if (wrong) problems.redirectUris = wrong;
  else if (usesCodes(form) && redirects.length === 0) problems.redirectUris = t('apps.whereDoesTheAppTakeThe');
  if (isBackend(form) && form.type !== 'keys' && !mayUseSecret(form))
    problems.type = t('apps.aBackendServiceSignsWithIts');
  if (form.type === 'keys') {
    const problem = keysProblem(form.keys, insecureAllowed);
    if (problem) problems.keys = problem;
  }
  if (form.scopes.length === 0) problems.scopes = t('apps.chooseWhatTheAppMayAsk');
  const origin = linesOf(form.origins).find((one) => URL.parse(one)?.origin !== one);
  if (origin) problems.origins = t('apps.anOriginIsSchemeHostAnd', { origin });
  return problems;
}

/** What only the server decides, or what the form makes of its fields. */
const NOT_KEPT = [
  'client_id',
  'client_id_issued_at',
  'status',
  'client_name',
  'description',
  'category',
  'logo_uri',
  'launch_url',
  'redirect_uris',
  'token_endpoint_auth_method',
  'jwks',
  'jwks_uri',
  'response_types',
  'launch_kinds',
  'scope',
  'origins',
  'session_users',
  'session_workstations',
  'trusted',
  'launcher',
  'acknowledgements',
  'legacy',
  'stu2',
];

/** The grant types of the registration while they fit the form, else those that the form needs. */
function grantTypes(form: AppForm, codes: boolean): readonly string[] {
  const given = strings(form.kept.grant_types);
  const fits =
    given.length > 0 &&
    given.includes('authorization_code') === codes &&
    given.includes('client_credentials') === isBackend(form);
  if (fits) return given;
  return [
    ...(codes ? ['authorization_code', 'refresh_token'] : []),
    ...(isBackend(form) ? ['client_credentials'] : []),
  ];
}

/** RFC 7591 metadata of the form. */
export function toMetadata(form: AppForm): AppMetadata {
  const text = (value: string): string | undefined => value.trim() || undefined;
  const list = (value: string): readonly string[] | undefined => {
    const lines = linesOf(value);
    return lines.length > 0 ? lines : undefined;
  };
  const keys = form.keys.trim();
  const method = {
    public: 'none',
    keys: 'private_key_jwt',
    secret: form.post ? 'client_secret_post' : 'client_secret_basic',
  };
  const redirects = linesOf(form.redirectUris);
  const fields: AppMetadata = {
    ...form.kept,
    client_name: form.name.trim(),
    description: text(form.description),
    category: text(form.category),
    logo_uri: text(form.logo),
    launch_url: text(form.launchUrl),
    redirect_uris: redirects,
    token_endpoint_auth_method: method[form.type],
    ...(form.type === 'keys' && (keys.startsWith('{') ? { jwks: JSON.parse(keys) as unknown } : { jwks_uri: keys })),
    grant_types: grantTypes(form, redirects.length > 0),
    launch_kinds: form.kinds,
    scope: form.scopes.join(' '),
    origins: list(form.origins),
    session_users: list(form.sessionUsers),
    session_workstations: list(form.sessionWorkstations),
    trusted: form.trusted,
    launcher: form.launcher || undefined,
    acknowledgements: text(form.acknowledgements),
    legacy: form.legacy || undefined,
    stu2: form.stu2 || undefined,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

function typeOf(method: string): ClientType {
  if (method === '' || method === 'none') return 'public';
  return method === 'private_key_jwt' ? 'keys' : 'secret';
}

/** A manifest that is refused for something else may name no kinds: they follow from its addresses. */
function kindsOf({ launch_kinds: kinds, launch_url: launchUrl, redirect_uris: redirects }: AppMetadata): LaunchKind[] {
  if (kinds !== undefined) return LAUNCH_KINDS.filter((kind) => strings(kinds).includes(kind));
  return [
    ...(launchUrl ? (['ehr'] as const) : []),
    ...(strings(redirects).length > 0 ? (['standalone'] as const) : []),
  ];
}

/** The form that a registration fills, or a manifest as the server reads it. */
export function fromMetadata(given: AppMetadata): AppForm {
  const text = (name: string): string => {
    const value = given[name];
    return typeof value === 'string' ? value : '';
  };
  const lines = (name: string): string => strings(given[name]).join('\n');
  const method = text('token_endpoint_auth_method');
  return {
    name: text('client_name'),
    description: text('description'),
    category: text('category'),
    logo: text('logo_uri'),
    launchUrl: text('launch_url'),
    redirectUris: lines('redirect_uris'),
    type: typeOf(method),
    post: method === 'client_secret_post',
    keys: text('jwks_uri') || (given.jwks === undefined ? '' : JSON.stringify(given.jwks, null, 2)),
    kinds: kindsOf(given),
    scopes: text('scope').split(/\s+/).filter(Boolean),
    origins: lines('origins'),
    sessionUsers: lines('session_users'),
    sessionWorkstations: lines('session_workstations'),
    trusted: given.trusted === true,
    launcher: given.launcher === true,
    acknowledgements: text('acknowledgements'),
    legacy: given.legacy === true,
    stu2: given.stu2 === true,
    kept: Object.fromEntries(Object.entries(given).filter(([name]) => !NOT_KEPT.includes(name))),
  };
}

/** The field that a server's refusal is about: it names the metadata field first. */
export function fieldOf(message: string): Field | undefined {
  const names: Readonly<Record<string, Field>> = {
    client_name: 'name',
    description: 'description',
    category: 'category',
    logo_uri: 'logo',
    launch_url: 'launchUrl',
    redirect_uris: 'redirectUris',
    token_endpoint_auth_method: 'type',
    client_credentials: 'type',
    private_key_jwt: 'keys',
    jwks: 'keys',
    jwks_uri: 'keys',
    launch_kinds: 'kinds',
    scope: 'scopes',
    origins: 'origins',
    session_users: 'sessionUsers',
    session_workstations: 'sessionWorkstations',
    acknowledgements: 'acknowledgements',
  };
  return names[/^([a-z_]+)/.exec(message)?.[1] ?? ''];
}
