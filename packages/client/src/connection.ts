import { isObject, parseArguments, parseTicketUrl, parseWebLaunch } from '@lockstep/fhircast';
import { nonEmptyText, parseJson } from './hub-api.ts';
import { HubError, type SubscriberOptions } from './options.ts';
import type { Ports } from './ports.ts';

/** The part of the options that a launch gives. */
export type Connection = Pick<SubscriberOptions, 'hubUrl' | 'topic' | 'token'>;

function first(value: unknown): string | undefined {
  return nonEmptyText(Array.isArray(value) ? value[0] : value);
}

/**
 * The connection from a SMART token response: `hub.url`, `hub.topic` and the token; `cast-hub` and `cast-session` of the
 * first draft too, the first of several sessions.
 * @param refresh gets a new token response, by the refresh token for instance; called when the Hub refuses the token and
 *   before a lease is renewed
 * @throws TypeError when the response names no Hub or no topic: the app was granted no FHIRcast scope
 */
export function fromSmart(tokenResponse: object, refresh?: () => Promise<object>): Connection {
  const response = tokenResponse as Readonly<Record<string, unknown>>;
  const hubUrl = first(response['hub.url']) ?? first(response['cast-hub']);
  const topic = first(response['hub.topic']) ?? first(response['cast-session']);
  const token = first(response.access_token);
  if (!hubUrl || !topic) throw new TypeError('the token response has no hub.url or no hub.topic');
  if (token === undefined) return { hubUrl, topic };
  if (!refresh) return { hubUrl, topic, token };
  const renew = async () => {
    const renewed = first(((await refresh()) as Readonly<Record<string, unknown>>).access_token);
    if (renewed === undefined) throw new TypeError('the new token response has no access_token');
    return renewed;
  };
  return { hubUrl, topic, token: (again) => (again ? renew() : token) };
}

/** The connection from the page's address: `?hub.url=…&hub.topic=…` (LAU-1). @throws LaunchError */
export function fromUrl(location: string | { readonly search: string }): Connection {
  const { hubUrl, topic } = parseWebLaunch(location);
  return { hubUrl, topic };
}

/**
 * The connection from a program's arguments: `/hub.url:… /hub.topic:…` or `--hub.url=… --hub.topic=…` (LAU-1).
 * @param argv the arguments alone: `process.argv.slice(2)`
 * @throws LaunchError
 */
export function fromArgs(argv: readonly string[]): Connection {
  const { hubUrl, topic } = parseArguments(argv);
  return { hubUrl, topic };
}

/**
 * Redeems a one-time launch ticket for the connection and its token (LAU-1).
 * @param ticketUrl the address that the launcher passed on
 * @throws LaunchError when it is no such address, HubError when the ticket is spent or the Hub cannot be reached
 */
export async function fromTicket(
  ticketUrl: string,
  fetch: Ports['fetch'] = (url, init) => globalThis.fetch(url, init),
): Promise<Connection> {
  parseTicketUrl(ticketUrl);
  let response: Response;
  let text: string;
  try {
    response = await fetch(ticketUrl.trim(), { method: 'POST', redirect: 'error', cache: 'no-store' });
    text = await response.text();
  } catch {
    throw new HubError(0, 'the ticket could not be redeemed: the Hub cannot be reached');
  }
  const body = parseJson(text);
  if (!response.ok || !isObject(body)) throw new HubError(response.status, 'the ticket was not redeemed');
  return fromSmart(body);
}
