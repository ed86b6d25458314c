/** How a webhook's callback is called: its address, and what an event is posted with (WEB-1, WEB-2). */
import { createHmac } from 'node:crypto';

/** A callback's address with the Hub's fields after its own query (WEB-1). */
export function callbackUrl(callback: string, fields: Readonly<Record<string, string>>): string {
  const [address = '', fragment] = callback.split('#', 2);
  const query = new URLSearchParams(fields).toString();
  const url = `${address}${address.includes('?') ? '&' : '?'}${query}`;
  return fragment === undefined ? url : `${url}#${fragment}`;
}

/**
 * The headers of an event.
 * @param secret what its bytes are signed with; undefined where the subscription gave none
 */
export function eventHeaders(bytes: Uint8Array, link: string, secret: string | undefined): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/json', link };
  if (secret !== undefined) {
    headers['x-hub-signature'] = `sha256=${createHmac('sha256', secret).update(bytes).digest('hex')}`;
  }
  return headers;
}
