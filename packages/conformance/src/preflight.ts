import { CheckFailure, CheckSkip } from './expecting.ts';
import { pause } from './pause.ts';
import { patient, patientElements } from './samples.ts';
import type { Assumable } from './steps.ts';
import { send } from './target/http.ts';
import { endpointOf, type HubUnderTest, Scenario, succeeded } from './target/scenario.ts';
import { isConfirmation } from './target/subscriber.ts';
import { Transcript } from './transcript.ts';

/** The steps that everything else needs, in their order. */
export const STAGES = ['address', 'token', 'session', 'subscription', 'connection', 'confirmation', 'event'] as const;
export type Stage = (typeof STAGES)[number];

/** What a step of the preflight came to where it did not go well. */
export interface Diagnosis {
  readonly stage: Stage;
  /** One sentence: what was seen, and what to do. */
  readonly sentence: string;
  /** Nothing can be judged. */
  readonly stops?: boolean;
  /** What the run takes for granted, so that the rest is judged. */
  readonly assumes?: Assumable;
}

const NOBODY = /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH/;
const NO_NAME = /ENOTFOUND|EAI_AGAIN/;
const NO_TLS = /ERR_SSL|EPROTO|WRONG_VERSION|PACKET_LENGTH/;
const NO_HTTP = /HPE_|Parse Error|socket hang up|ECONNRESET/;

/** Why there is no answer from an address, in one sentence that says what to do. */
export function unreachable(url: string, seen: string): string {
  const { host, hostname, protocol } = new URL(url);
  if (NOBODY.test(seen)) return `Nobody answers at ${host} (${seen}): is the Hub running, and are host and port right?`;
  if (NO_NAME.test(seen)) return `The name ${hostname} is not known (${seen}): is it spelt right?`;
  if (/certificate is not trusted/.test(seen)) return `At ${host} ${seen}.`;
  if (NO_TLS.test(seen)) return `What answers at ${host} speaks no TLS there (${seen}): try ${swapped(url)}.`;
  if (NO_HTTP.test(seen)) {
    const hint = protocol === 'http:' ? `: if it speaks TLS there, try ${swapped(url)}` : '';
    return `What answers at ${host} breaks the connection off or speaks no HTTP (${seen})${hint}.`;
  }
  return `There is no answer from ${host} (${seen}): is it the address of the Hub? --slow 3 waits three times as long.`;
}

const swapped = (url: string): string =>
  url.startsWith('https:') ? url.replace(/^https:/, 'http:') : url.replace(/^http:/, 'https:');

const seenOf = (error: unknown): string => (error instanceof CheckFailure ? error.seen : String(error));

const plain = (status: number, body: string): string => `HTTP ${status} ${body.slice(0, 200)}`.trimEnd();

/** What may be done about some statuses. */
const REFUSED: readonly (readonly [statuses: RegExp, hint: string])[] = [
  [/^3/, '; is this its hub.url, or the one that it redirects to?'],
  [/^405|^404/, '; is this its hub.url?'],
  [/^429|^503/, '; it may take it later, or with --concurrency 1'],
];

/** Why a subscription is refused, where that is known. */
function refused(hub: HubUnderTest, topic: string, status: number, body: string): Diagnosis {
  const seen = plain(status, body);
  if (status === 401 || status === 403) {
    const sentence = hub.tokens.protects
      ? `The Hub does not accept the access token for a subscription (${seen}): is it for this Hub, still good, and of scopes such as fhircast/*.read fhircast/*.write?`
      : `The Hub asks for an access token (${seen}): give one by --token, --client-id or --register.`;
    return { stage: 'subscription', sentence, stops: true };
  }
  if (status === 404 && hub.topics.invents) {
    const sentence = `The Hub knows no session "${topic}" or no such address (${seen}): is this its hub.url? If it takes only sessions of its own, give them by --topic, --topic-command or --session-user.`;
    return { stage: 'subscription', sentence, stops: true };
  }
  const hint = REFUSED.find(([statuses]) => statuses.test(String(status)))?.[1] ?? '';
  const sentence = `A plain subscription is refused (${seen})${hint}: checks that need one are skipped.`;
  return { stage: 'subscription', sentence };
}

async function reach(hub: HubUnderTest): Promise<Diagnosis | undefined> {
  try {
    await send({ method: 'GET', url: `${hub.url}/.well-known/fhircast-configuration` }, hub.limits, new Transcript());
    return undefined;
  } catch (error) {
    const seen = seenOf(error);
    // A Hub that leaves one address unanswered may answer at another.
    const stops = !/none within|broke off/.test(seen);
    return { stage: 'address', sentence: unreachable(hub.url, seen), ...(stops && { stops }) };
  }
}

/** What goes wrong between subscribing and the first event. */
async function through(hub: HubUnderTest, s: Scenario, silent: boolean): Promise<readonly Diagnosis[]> {
  const found: Diagnosis[] = [];
  const events = ['Patient-open', 'Patient-close'];
  let endpoint: string;
  try {
    const response = await s.post(s.fields(events, 'Preflight'));
    if (!succeeded(response)) return [refused(hub, s.topic, response.status, response.body)];
    if (response.body === '') {
      const sentence = `A subscription is answered HTTP ${response.status} without a body, which has to name hub.channel.endpoint: checks that need one are skipped.`;
      return [{ stage: 'subscription', sentence }];
    }
    endpoint = endpointOf(response);
    if (response.status !== 202) {
      const sentence = `A subscription is answered HTTP ${response.status} for 202: the other checks go on as if it were 202.`;
      found.push({ stage: 'subscription', sentence, assumes: 'subscribe-accepted' });
    }
  } catch (error) {
    if (error instanceof CheckSkip) return found;
    const seen = seenOf(error);
    if (silent) return [{ stage: 'address', sentence: unreachable(hub.url, seen), stops: true }];
    return [{ stage: 'subscription', sentence: `A subscription brings no usable answer: ${seen}` }];
  }
  try {
    const one = await s.connect(endpoint, 'Preflight');
    const confirmed = await one.message('the confirmation', isConfirmation).catch(() => undefined);
    if (!confirmed) {
      const sentence =
        'No confirmation comes on the socket: the other checks go on without one (--assume confirmation-sent).';
      found.push({ stage: 'confirmation', sentence, assumes: 'confirmation-sent' });
    }
    const open = s.event('Patient-open', patientElements(patient()));
    const started = performance.now();
    const answer = await s.publish(open);
    const came = await one.event(open.id).catch(() => undefined);
    if (came) hub.limits.onRoundTrip?.(performance.now() - started);
    else
      found.push({
        stage: 'event',
        sentence: `A Patient-open is answered ${plain(answer.status, answer.body)}, and is not broadcast.`,
      });
    if (came && !succeeded(answer)) {
      const sentence = `A Patient-open is answered ${plain(answer.status, answer.body)} and broadcast: the other checks take it for accepted.`;
      found.push({ stage: 'event', sentence, assumes: 'publish-accepted' });
    }
  } catch (error) {
    if (error instanceof CheckSkip) return found;
    const seen = seenOf(error);
    const tls = endpoint.startsWith('wss:') && (NO_TLS.test(seen) || NO_HTTP.test(seen));
    const hint = tls ? ': that port speaks no TLS; the Hub has to hand out ws: there, or to be put behind TLS' : '';
    const expected = error instanceof CheckFailure ? error.expected : 'a connection';
    found.push({ stage: 'connection', sentence: `There is no ${expected.replace(/^an? /, '')} (${seen})${hint}.` });
  }
  return found;
}

/**
 * Walks once through what everything else needs: address, TLS, token, session, subscription, connection, confirmation, event.
 * @returns what did not go well, each in one sentence
 */
export async function preflight(hub: HubUnderTest): Promise<readonly Diagnosis[]> {
  const reached = await reach(hub);
  if (reached?.stops) return [reached];
  const transcript = new Transcript();
  try {
    await hub.tokens.full(transcript);
  } catch (error) {
    const expected = error instanceof CheckFailure ? error.expected : 'an access token';
    const sentence = `There is no ${expected.replace(/^an? /, '')} (${seenOf(error)}): are the token endpoint and the client right?`;
    return [{ stage: 'token', sentence, stops: true }];
  }
  let scenario: Scenario;
  try {
    scenario = await Scenario.begin(hub, transcript, 'preflight');
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const open = /HTTP 40[13]/.test(said) && !hub.tokens.protects;
    const hint = open ? ' The Hub asks for an access token: give one by --token, --client-id or --register.' : '';
    return [{ stage: 'session', sentence: `${said}.${hint}`, stops: true }];
  }
  try {
    const found = await through(hub, scenario, reached !== undefined);
    return [...(reached ? [reached] : []), ...found];
  } finally {
    await Promise.race([scenario.end(), pause(hub.waits.timeoutMs)]);
  }
}
