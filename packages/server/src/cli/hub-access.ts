/** How a command reaches a Hub: the local server's, or any maker's. */
import { createPrivateKey, type KeyObject, randomUUID, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fromTicket } from '@lockstep/client/launch';
import { LaunchError } from '@lockstep/fhircast';
import { type Call, CliError, EXIT, type Option } from './command.ts';
import { readLaunch } from './launch-text.ts';
import { DATA_OPTION, requireServer } from './local-server.ts';
import { trustAlso } from './trust.ts';

export const HUB_OPTIONS: Readonly<Record<string, Option>> = {
  hub: { type: 'string', value: 'URL', help: 'hub.url of any Hub; FHIRCAST_HUB_URL. Without it, the local server' },
  topic: { type: 'string', short: 't', value: 'TOPIC', help: 'hub.topic; FHIRCAST_TOPIC' },
  user: { type: 'string', short: 'u', value: 'USER', help: 'instead of a topic: the user whose session it is' },
  launch: { type: 'string', value: 'TEXT', help: 'hub and topic from a launch: switches, a web address or a file' },
  ticket: { type: 'string', value: 'URL', help: 'hub, topic and token for a one-time ticket' },
  token: { type: 'string', value: 'TOKEN', help: 'access token; better in the environment: FHIRCAST_TOKEN' },
  'client-id': { type: 'string', value: 'ID', help: 'get tokens as this backend client, with --key' },
  key: { type: 'string', value: 'FILE', file: true, help: 'its private key: JWK or PEM, RSA or P-384' },
  smart: { type: 'string', value: 'URL', help: 'FHIR base URL whose smart-configuration names the token endpoint' },
  'token-url': { type: 'string', value: 'URL', help: 'the token endpoint' },
  scope: { type: 'string', value: 'SCOPES', help: 'scopes to ask for' },
  ca: { type: 'string', value: 'FILE', file: true, help: 'certificates that are trusted as well (PEM); FHIRCAST_CA' },
  ...DATA_OPTION,
};

/** Options of commands that say which sessions are meant. */
export const SESSION_OPTIONS: Readonly<Record<string, Option>> = {
  ...HUB_OPTIONS,
  user: { type: 'string', short: 'u', value: 'USER', help: "this user's only" },
  workstation: { type: 'string', value: 'NAME', help: 'at this workstation only' },
};

/** What `--user` and `--workstation` say, as the Hub is asked for it (SES-3). */
export function sessionFilter({ values }: Call): Readonly<Record<string, string>> {
  const given = ['user', 'workstation'].flatMap((name) => {
    const value = values.text(name);
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(given);
}

export interface HubAccess {
  readonly hubUrl: string;
  /** Whether it is the server on this machine. */
  readonly local: boolean;
  readonly topic?: string;
  /** Gives a token; `renew` asks for a new one. Absent where the Hub wants none. */
  readonly token?: (renew: boolean) => Promise<string>;
}

interface Place {
  readonly hubUrl?: string;
  readonly topic?: string;
  readonly token?: (renew: boolean) => Promise<string>;
}

async function place({ values, env }: Call): Promise<Place> {
  const ticket = values.text('ticket');
  const launch = values.text('launch');
  try {
    if (ticket !== undefined) {
      const { hubUrl, topic, token } = await fromTicket(ticket);
      if (token === undefined) return { hubUrl, topic };
      return { hubUrl, topic, token: async (renew) => (typeof token === 'string' ? token : token(renew)) };
    }
    if (launch !== undefined) {
      const { hubUrl, topic } = (await readLaunch(launch)).launch;
      return { hubUrl, topic };
    }
  } catch (error) {
    if (error instanceof LaunchError) throw new CliError(EXIT.usage, error.message);
    const status = (error as { status?: unknown }).status;
    throw new CliError(status === 0 ? EXIT.unreachable : EXIT.refused, (error as Error).message);
  }
  const hubUrl = values.text('hub') ?? env.FHIRCAST_HUB_URL;
  const topic = values.text('topic') ?? (values.text('user') === undefined ? env.FHIRCAST_TOPIC : undefined);
  return { ...(hubUrl !== undefined && { hubUrl }), ...(topic !== undefined && { topic }) };
}

/** Where a command is to go and how it gets in. @throws CliError */
export async function reachHub(call: Call): Promise<HubAccess> {
  const { values, env } = call;
  const ca = values.text('ca') ?? env.FHIRCAST_CA;
  if (ca !== undefined) trustAlso('--ca', ca);
  const given = await place(call);
  if (given.hubUrl !== undefined && !/^https?:\/\/[^/]/i.test(given.hubUrl)) {
    throw new CliError(EXIT.usage, '--hub must be an http or https URL');
  }
  const text = values.text('token') ?? env.FHIRCAST_TOKEN;
  const own = given.token ?? (text === undefined ? undefined : async () => text);
  const topic = given.topic === undefined ? {} : { topic: given.topic };
  if (given.hubUrl !== undefined) {
    const hubUrl = given.hubUrl.replace(/(?<!\/)\/+$/, '');
    const token = own ?? backendToken(call, hubUrl);
    return { hubUrl, local: false, ...topic, ...(token && { token }) };
  }
  const server = await requireServer(call);
  const { hubUrl, running } = server;
  if (running.certificateFile !== undefined) trustAlso("the server's certificate", running.certificateFile);
  const token = own ?? backendToken(call, hubUrl) ?? localToken(() => server.token(values.text('scope')));
  return { hubUrl, local: true, ...topic, token };
}

function localToken(mint: () => Promise<{ access_token: string }>): (renew: boolean) => Promise<string> {
  let held: Promise<string> | undefined;
  return (renew) => {
    if (!held || renew) held = mint().then(({ access_token }) => access_token);
    return held;
  };
}

const DEFAULT_SCOPE = 'fhircast/*.* hub/session.read hub/session.write';
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

interface Key {
  readonly key: KeyObject;
  readonly alg: 'RS384' | 'ES384';
  readonly kid?: string;
}

/** Reads a private key. @throws CliError */
export async function readKey(path: string): Promise<Key> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new CliError(EXIT.usage, `--key: ${error.message}`);
  });
  try {
    const jwk = text.trimStart().startsWith('{') ? (JSON.parse(text) as { kid?: string }) : undefined;
    const key = createPrivateKey(jwk ? { key: jwk, format: 'jwk' } : text);
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
    const fits = type === 'rsa' || (type === 'ec' && details?.namedCurve === 'secp384r1');
    if (!fits) throw new Error('it is neither RSA nor P-384');
    return { key, alg: type === 'rsa' ? 'RS384' : 'ES384', ...(jwk?.kid && { kid: jwk.kid }) };
  } catch (error) {
    throw new CliError(EXIT.usage, `--key: ${path} holds no usable private key: ${(error as Error).message}`);
  }
}

/** A client assertion (RFC 7523), five minutes at most. */
function assertion({ key, alg, kid }: Key, clientId: string, tokenUrl: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 120;
  const claims = { iss: clientId, sub: clientId, aud: tokenUrl, jti: randomUUID(), exp };
  const input = `${part({ alg, typ: 'JWT', ...(kid && { kid }) })}.${part(claims)}`;
  const signature = sign('sha384', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

/** Tokens by `client_credentials` (TOK-5); undefined when no client was named. */
function backendToken(call: Call, hubUrl: string): ((renew: boolean) => Promise<string>) | undefined {
  const { values } = call;
  const clientId = values.text('client-id');
  if (clientId === undefined) return undefined;
  const path = values.required('key');
  return localToken(async () => {
    const key = await readKey(path);
    const tokenUrl = values.text('token-url') ?? (await tokenEndpoint(values.text('smart') ?? guessFhirBase(hubUrl)));
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      scope: values.text('scope') ?? DEFAULT_SCOPE,
      client_assertion_type: ASSERTION,
      client_assertion: assertion(key, clientId, tokenUrl),
    });
    const answer = await request(tokenUrl, { method: 'POST', body });
    const token = (answer as { access_token?: unknown } | undefined)?.access_token;
    if (typeof token !== 'string') throw new CliError(EXIT.failed, `${tokenUrl} answered without an access_token`);
    return { access_token: token };
  });
}

/** Where Lockstep has its FHIR endpoint; Hubs of other makers need --smart or --token-url. */
function guessFhirBase(hubUrl: string): string {
  const { origin, pathname } = new URL(hubUrl);
  const [, below = ''] = /^(.*?)(?:\/api)?\/hub\/*$/.exec(pathname) ?? [];
  return `${origin}${below}/fhir`;
}

async function tokenEndpoint(fhirBase: string): Promise<string> {
  const url = `${fhirBase.replace(/(?<!\/)\/+$/, '')}/.well-known/smart-configuration`;
  const configuration = (await request(url, {})) as { token_endpoint?: unknown } | undefined;
  if (typeof configuration?.token_endpoint === 'string') return configuration.token_endpoint;
  throw new CliError(EXIT.failed, `${url} names no token_endpoint`, 'Give --smart or --token-url.');
}

/** One request, its answer as JSON; undefined for an empty one. @throws CliError with the other side's own words */
export async function request(url: string, init: RequestInit): Promise<unknown> {
  return (await exchange(url, init)).body;
}

/** The same, with the headers of the answer. */
async function exchange(
  url: string,
  init: RequestInit,
): Promise<{ readonly body: unknown; readonly headers: Headers }> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(30_000) });
    text = await response.text();
  } catch (error) {
    const cause = (error as { cause?: { message?: string } }).cause?.message ?? (error as Error).message;
    throw new CliError(EXIT.unreachable, `${new URL(url).origin} cannot be reached: ${cause}`);
  }
  if (!response.ok) {
    const words = text.trim().startsWith('<') ? '' : `: ${text.trim().slice(0, 500)}`;
    throw new CliError(EXIT.refused, `${new URL(url).pathname} answered ${response.status}${words}`);
  }
  const { headers } = response;
  if (text === '') return { body: undefined, headers };
  try {
    return { body: JSON.parse(text), headers };
  } catch {
    throw new CliError(EXIT.failed, `${url} did not answer with JSON`);
  }
}

/** One request to the Hub, with the token. */
export async function askHub(access: HubAccess, path: string, init: RequestInit = {}): Promise<unknown> {
  return (await askWithHeaders(access, path, init)).body;
}

async function askWithHeaders(access: HubAccess, path: string, init: RequestInit = {}) {
  const headers = new Headers(init.headers);
  headers.set('accept', 'application/json');
  if (access.token) headers.set('authorization', `Bearer ${await access.token(false)}`);
  return exchange(`${access.hubUrl}${path}`, { ...init, headers });
}

export interface ListedSession {
  readonly 'hub.topic': string;
  readonly user?: string;
  readonly workstation?: string;
  readonly label?: string;
  readonly started?: string;
  readonly subscribers?: readonly string[];
  readonly context?: { readonly 'context.type'?: string };
}

/** The sessions that the token may see (SES-3), page by page. */
export async function listSessions(
  access: HubAccess,
  filter: Readonly<Record<string, string>> = {},
): Promise<readonly ListedSession[]> {
  const list: ListedSession[] = [];
  let query: string | undefined = new URLSearchParams(filter).toString();
  while (query !== undefined) {
    const { body, headers } = await askWithHeaders(access, `/session${query === '' ? '' : `?${query}`}`);
    if (!Array.isArray(body)) throw new CliError(EXIT.failed, 'the Hub has no list of sessions', 'Give --topic.');
    list.push(...(body as ListedSession[]));
    query = /<[^<>?]*\?([^<>]*)>; *rel="?next/.exec(headers.get('link') ?? '')?.[1];
  }
  return list;
}

/** The session that was started last; undefined where there is none. */
export function newestOf(sessions: readonly ListedSession[]): ListedSession | undefined {
  return sessions.reduce<ListedSession | undefined>(
    (newest, one) => ((one.started ?? '') >= (newest?.started ?? '') ? one : newest),
    undefined,
  );
}

/** The topic that is meant: given, the user's latest session, or the only one there is. @throws CliError */
export async function findTopic({ values }: Call, access: HubAccess): Promise<string> {
  if (access.topic !== undefined) return access.topic;
  const user = values.text('user');
  const sessions = await listSessions(access, user === undefined ? {} : { user });
  const [only] = sessions;
  if (user !== undefined) {
    const topic = newestOf(sessions)?.['hub.topic'];
    if (topic !== undefined) return topic;
    throw new CliError(EXIT.refused, `${user} has no session`, `lockstep sessions open --user ${user} makes one.`);
  }
  if (only && sessions.length === 1) return only['hub.topic'];
  throw new CliError(
    EXIT.usage,
    sessions.length === 0 ? 'there is no session' : `there are ${sessions.length} sessions: say which`,
    sessions.length === 0
      ? 'lockstep sessions open --user USER makes one.'
      : 'Give --topic or --user. lockstep sessions lists them; --topic $(lockstep sessions newest) takes the newest.',
  );
}
