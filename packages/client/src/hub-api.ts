import {
  anchorOf,
  type ContextElement,
  type EventMessage,
  isObject,
  type JsonObject,
  objectsIn,
} from '@lockstep/fhircast';
import type { Settings, TokenSource } from './options.ts';
import type { Ports } from './ports.ts';

/** Why a request did not do what it was for. */
export interface Failure {
  readonly ok: false;
  /**
   * `refused` the Hub said no and would again; `unauthorized` it does not take the token; `unavailable` no answer, an
   * answer that makes no sense, or one that asks to come back later.
   */
  readonly kind: 'refused' | 'unauthorized' | 'unavailable';
  /** HTTP status; 0 without an answer. */
  readonly status: number;
  readonly reason: string;
  /** ms to wait; 0 where the Hub does not say so. */
  readonly retryAfter: number;
}

export function failure(kind: Failure['kind'], status: number, reason: string, retryAfter = 0): Failure {
  return { ok: false, kind, status, reason, retryAfter };
}

/** The Hub's current context, as far as it makes sense. */
export interface Reading {
  readonly ok: true;
  /** '' when no context is established. */
  readonly type: string;
  /** '' where the Hub gives none. */
  readonly versionId: string;
  /** The elements of the opening event. */
  readonly context: readonly ContextElement[];
  /** The shared content; undefined where the Hub shares none. */
  readonly content: readonly JsonObject[] | undefined;
}

export interface SubscriptionParameters {
  readonly topic: string;
  readonly events: readonly string[];
  readonly name: string | undefined;
  /** Seconds. */
  readonly lease: number;
  readonly endpoint: string | undefined;
}

interface Answer {
  readonly ok: true;
  readonly status: number;
  readonly text: string;
}

/** A hub's word for the developer, without the pages that proxies send. */
function sentence(text: string, status: number): string {
  const line = text.trim();
  return line === '' || line.startsWith('<') ? `HTTP ${status}` : `HTTP ${status}: ${line.slice(0, 300)}`;
}

/** @returns ms; 0 for a header that says nothing */
function retryAfter(header: string, now: number): number {
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now;
  return ms > 0 ? Math.min(ms, 60_000) : 0;
}

/** Node says "fetch failed", and in the cause why. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message ? error.cause.message : error.message;
}

/** Levels of nesting: more than any resource has, fewer than overflow the stack when it is written again. */
const MAX_DEPTH = 500;

function tooDeep(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return left === 0 || Object.values(value).some((one) => tooDeep(one, left - 1));
}

/** What the text says; undefined when it is not JSON, or JSON that cannot be worked with. */
export function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return text.length > 2 * MAX_DEPTH && tooDeep(value, MAX_DEPTH) ? undefined : value;
  } catch {
    return undefined;
  }
}

/** The value, where it is a text that is not empty. */
export function nonEmptyText(value: unknown): string | undefined {
  return typeof value === 'string' && value ? value : undefined;
}

/** For any text: half of a surrogate pair, which JSON can spell, has no place in an address. */
export function uriComponent(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

function isElement(one: unknown): one is ContextElement {
  if (!isObject(one) || typeof one.key !== 'string') return false;
  const { resource, reference } = one;
  return (
    (resource === undefined || (isObject(resource) && typeof resource.resourceType === 'string')) &&
    (reference === undefined || (typeof reference === 'object' && reference !== null))
  );
}

/** Context elements that make sense; others are left out. */
export function contextElements(value: unknown): readonly ContextElement[] {
  return Array.isArray(value) ? value.filter(isElement) : [];
}

/** The Hub answered well, and with what is of no use. */
function nonsense({ status }: Answer, reason: string): Failure {
  return failure('unavailable', status, `HTTP ${status}, but ${reason}`);
}

/** The Hub over HTTP. No method throws or rejects, whatever the Hub answers. */
export class HubApi {
  readonly url: string;
  readonly #ports: Ports;
  readonly #token: TokenSource | undefined;
  readonly #timeout: number;
  readonly #limit: number;
  #held: string | undefined;
  #renewing: Promise<string | undefined> | undefined;

  constructor({ hubUrl, token, requestTimeout, maxMessage }: Settings, ports: Ports) {
    this.url = hubUrl.replace(/\/+$/, '');
    this.#token = token;
    this.#ports = ports;
    this.#timeout = requestTimeout;
    this.#limit = maxMessage;
    this.#held = typeof token === 'string' ? token : undefined;
  }

  /**
   * Asks the token source for a new token; the old one is kept where there is none to be had. A source that takes long, as a
   * sign-in may, is not asked again meanwhile.
   * @returns why there is none
   */
  renewToken(): Promise<string | undefined> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    const renewing = this.#renewing;
    return new Promise((resolve) => {
      const cancel = this.#ports.clock.after(this.#timeout, () => resolve('the token source is silent'));
      void renewing.then((failed) => {
        cancel();
        resolve(failed);
      });
    });
  }

  async #renew(): Promise<string | undefined> {
    try {
      const token = typeof this.#token === 'function' && nonEmptyText(await this.#token(this.#held !== undefined));
      if (!token) return 'there is no new token';
      this.#held = token;
      return undefined;
    } catch (error) {
      return `there is no new token: ${errorText(error)}`;
    }
  }

  async subscribe(subscription: SubscriptionParameters): Promise<Failure | { ok: true; endpoint: string }> {
    const { topic, events, name, lease, endpoint } = subscription;
    const answer = await this.#change('subscribe', topic, endpoint, false, {
      'hub.events': events.join(','),
      'hub.lease_seconds': String(lease),
      ...(name !== undefined && { 'subscriber.name': name }),
    });
    if (!answer.ok) return answer;
    const body = parseJson(answer.text);
    const given = isObject(body) ? body['hub.channel.endpoint'] : undefined;
    const socket = typeof given === 'string' ? this.#socketUrl(given) : undefined;
    return socket ? { ok: true, endpoint: socket } : nonsense(answer, 'it has no hub.channel.endpoint');
  }

  /** @param leaving the page is being closed: the request must outlive it */
  unsubscribe(topic: string, endpoint: string, leaving: boolean): Promise<Failure | { ok: true }> {
    return this.#change('unsubscribe', topic, endpoint, leaving);
  }

  /** Begins, renews or ends a subscription (2.4). */
  #change(
    mode: 'subscribe' | 'unsubscribe',
    topic: string,
    endpoint: string | undefined,
    keepalive: boolean,
    more: Readonly<Record<string, string>> = {},
  ): Promise<Failure | Answer> {
    const body = new URLSearchParams({
      'hub.channel.type': 'websocket',
      'hub.mode': mode,
      'hub.topic': topic,
      ...(endpoint !== undefined && { 'hub.channel.endpoint': endpoint }),
      ...more,
    });
    return this.#call('', { method: 'POST', body, keepalive });
  }

  async publish(event: EventMessage): Promise<Failure | { ok: true }> {
    const headers = { 'Content-Type': 'application/json' };
    return this.#call('', { method: 'POST', body: JSON.stringify(event), headers });
  }

  async read(topic: string): Promise<Failure | Reading> {
    const answer = await this.#call(`/${uriComponent(topic)}`, { method: 'GET' });
    if (!answer.ok) return answer;
    const body = parseJson(answer.text);
    // The second draft answers with the bare array.
    const said = Array.isArray(body) ? { context: body } : isObject(body) ? body : {};
    const elements = contextElements(said.context);
    const bundle = elements.find((one) => one.key === 'content')?.resource;
    const context = elements.filter((one) => one.key !== 'content');
    const given = said['context.type'];
    const type = typeof given === 'string' ? given : (context[0]?.resource?.resourceType ?? '');
    const isContext = Array.isArray(said.context) && (type === '' || anchorOf(type, context));
    if (!isContext) return nonsense(answer, 'it is no context');
    const versionId = nonEmptyText(said['context.versionId']) ?? '';
    return { ok: true, type, versionId, context, content: bundle && objectsIn(bundle.entry) };
  }

  #socketUrl(endpoint: string): string | undefined {
    // Kept as it was written: it is sent back as the subscription's name.
    if (/^wss?:\/\/[^/\s]/i.test(endpoint)) return endpoint;
    const url = URL.canParse(endpoint, this.url) ? new URL(endpoint, this.url) : undefined;
    return url && /^https?:$/.test(url.protocol) ? url.href.replace(/^http/, 'ws') : undefined;
  }

  async #call(path: string, init: RequestInit): Promise<Failure | Answer> {
    if (this.#held === undefined && this.#token !== undefined) {
      const failed = await this.renewToken();
      if (failed) return failure('unavailable', 0, failed);
    }
    const used = this.#held;
    const first = await this.#request(path, init);
    if (first.ok || first.kind !== 'unauthorized') return first;
    if (this.#held === used) {
      if (typeof this.#token !== 'function') return first;
      const failed = await this.renewToken();
      if (failed) return failure('unavailable', 401, failed);
    }
    return this.#request(path, init);
  }

  async #request(path: string, init: RequestInit): Promise<Failure | Answer> {
    const aborted = new AbortController();
    let cancel = () => {};
    // A fetch that ignores the signal must not hold the client up either.
    const late = new Promise<never>((_, reject) => {
      cancel = this.#ports.clock.after(this.#timeout, () => {
        reject(new Error('the Hub did not answer'));
        aborted.abort();
      });
    });
    try {
      return await Promise.race([this.#exchange(path, { ...init, signal: aborted.signal }), late]);
    } catch (error) {
      return failure('unavailable', 0, errorText(error));
    } finally {
      cancel();
    }
  }

  async #exchange(path: string, init: RequestInit): Promise<Failure | Answer> {
    const { clock, fetch } = this.#ports;
    const headers = new Headers(init.headers);
    headers.set('Accept', 'application/json');
    if (this.#held !== undefined) headers.set('Authorization', `Bearer ${this.#held}`);
    // redirect: a token must not follow the Hub's address to somebody else's.
    const response = await fetch(`${this.url}${path}`, { ...init, headers, redirect: 'error', cache: 'no-store' });
    const text = await this.#body(response);
    const { status } = response;
    if (status >= 200 && status < 300) return { ok: true, status, text };
    const later = status < 400 || (status >= 500 && status !== 501) || [408, 421, 425, 429].includes(status);
    const kind = status === 401 ? 'unauthorized' : later ? 'unavailable' : 'refused';
    const wait = retryAfter(response.headers.get('Retry-After') ?? '', clock.now());
    return failure(kind, status, sentence(text, status), wait);
  }

  async #body(response: Response): Promise<string> {
    const reader = response.body?.getReader();
    if (!reader) return '';
    const decoder = new TextDecoder();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      text += decoder.decode(value, { stream: true });
      if (text.length > this.#limit) {
        await reader.cancel();
        throw new Error('the answer is too large');
      }
    }
  }
}
