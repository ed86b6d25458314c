import { nonEmptyText } from './hub-api.ts';
import type { SubscriberOptions } from './options.ts';

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
  if (!hubUrl || !topic) throw new TypeError('the token response has no hub.url or hub.topic');
  const connection = { hubUrl, topic };
  if (token === undefined) return connection;
  if (!refresh) return { ...connection, token };
  const renew = async () => {
    const renewed = first(((await refresh()) as Readonly<Record<string, unknown>>).access_token);
    if (renewed === undefined) throw new TypeError('the token response has no access_token');
    return renewed;
  };
  return { ...connection, token: (again) => (again ? renew() : token) };
}
