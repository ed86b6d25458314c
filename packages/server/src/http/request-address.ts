import type { IncomingMessage } from 'node:http';
import proxyAddress from '@fastify/proxy-addr';

/** A request's path, and its query without the question mark. Never throws, whatever was sent. */
export function splitAddress(url: string): readonly [path: string, query: string | undefined] {
  const mark = url.indexOf('?');
  return mark < 0 ? [url, undefined] : [url.slice(0, mark), url.slice(mark + 1)];
}

/** What an address has that may have to be cleaned: most have nothing of it. */
const UNCLEAN = /^\/api\/|\/(?:\/|\?|$)/;

/**
 * `/api/hub` is `/hub`; at the Hub and at the FHIR endpoint (DIS-1) doubled and trailing slashes make no difference. Other
 * addresses stay as they are.
 */
export function cleanAddress(url: string): string {
  if (!UNCLEAN.test(url)) return url;
  const [path, query] = splitAddress(url);
  const clean = path.replace(/\/{2,}/g, '/').replace(/(.)\/$/, '$1');
  if (!/^((\/api)?\/hub|\/fhir)(\/|$)/.test(clean)) return url;
  const short = clean.replace(/^\/api/, '');
  return query === undefined ? short : `${short}?${query}`;
}

/**
 * Finds the sender's address of a request, as the framework does.
 * @param trustedProxies addresses whose `X-Forwarded-For` counts: anybody can write that header
 */
export function senderAddress(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
  if (trustedProxies.length === 0) return ({ socket }) => socket.remoteAddress ?? '';
  const trusted = proxyAddress.compile([...trustedProxies]);
  return (request) => proxyAddress(request, trusted);
}
