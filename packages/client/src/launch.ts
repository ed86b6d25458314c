/** The connection of an application that was launched without SMART (LAU-1). */
import { isObject, parseArguments, parseTicketUrl, parseWebLaunch } from '@lockstep/fhircast';
import { type Connection, fromSmart } from './connection.ts';
import { parseJson } from './hub-api.ts';
import { HubError } from './options.ts';
import type { Ports } from './ports.ts';

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
