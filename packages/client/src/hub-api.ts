import { type ContextElement, type EventMessage, isObject, type JsonObject } from '@lockstep/fhircast';
import type { Ports } from './ports.ts';

/**
 * Gives the access token. `renew` is true when the last one was refused or is about to end: the token must then be a new
 * one if that can be had.
 */
export type TokenSource = string | ((renew: boolean) => string | Promise<string>);

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
  /** ms to wait, where the Hub says so. */
  readonly retryAfter?: number;
}

/** The Hub's current context, as far as it makes sense. */
export interface Reading {
  readonly ok: true;
  /** '' when no context is established. */
  readonly type: string;
  readonly versionId?: string;
  /** The elements of the opening event. */
  readonly context: readonly ContextElement[];
  /** The shared content; undefined where the Hub shares none. */
  readonly content?: readonly JsonObject[];
}

export interface SubscriptionParameters {
  readonly topic: string;
  readonly events: readonly string[];
  readonly name?: string;
  /** Seconds. */
  readonly lease?: number;
  readonly endpoint?: string;
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

function retryAfter(header: string | null, now: number): number | undefined {
  if (!header) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now;
  return ms > 0 ? Math.min(ms, 60_000) : undefined;
}

/** Node says "fetch failed", and in the cause why. */
function message(error: unknown): string {
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

/** The Hub over HTTP. No method throws or rejects, whatever the Hub answers. */
export class HubApi {
  readonly url: string;
  readonly #ports: Ports;
  readonly #token: TokenSource | undefined;
  readonly #timeout: number;
  readonly #limit: number;
  #held: string | undefined;
  #renewing: Promise<string | undefined> | undefined;

  constructor(url: string, token: TokenSource | undefined, ports: Ports, timeout: number, limit: number) {
    this.url = url.replace(/\/+$/, '');
    this.#token = token;
    this.#ports = ports;
    this.#timeout = timeout;
    this.#limit = limit;
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
      const cancel = this.#ports.clock.after(this.#timeout, () => resolve('the token source has not answered yet'));
      void renewing.then((failed) => {
        cancel();
        resolve(failed);
      });
    });
  }

  async #renew(): Promise<string | undefined> {
    if (typeof this.#token !== 'function') return 'there is no way to renew the token';
    try {
      const token = await this.#token(this.#held !== undefined);
      if (typeof token !== 'string' || token === '') return 'the token source gave no token';
      this.#held = token;
      return undefined;
    } catch (error) {
      return `the token could not be renewed: ${message(error)}`;
    }
  }

  async subscribe(subscription: SubscriptionParameters): Promise<Failure | { ok: true; endpoint: string }> {
    const { topic, events, name, lease, endpoint } = subscription;
    const form = new URLSearchParams({
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': topic,
      'hub.events': events.join(','),
    });
    if (lease !== undefined) form.set('hub.lease_seconds', String(lease));
    if (endpoint !== undefined) form.set('hub.channel.endpoint', endpoint);
    if (name !== undefined) form.set('subscriber.name', name);
    const answer = await this.#call('', { method: 'POST', body: form });
    if (!answer.ok) return answer;
    const body = parseJson(answer.text);
    const given = isObject(body) ? body['hub.channel.endpoint'] : undefined;
    const socket = typeof given === 'string' ? this.#socketUrl(given) : undefined;
    return socket ? { ok: true, endpoint: socket } : this.#nonsense(answer, 'the answer has no hub.channel.endpoint');
  }

  /** @param leaving the page is being closed: the request must outlive it */
  async unsubscribe(topic: string, endpoint: string, leaving: boolean): Promise<Failure | { ok: true }> {
    const form = new URLSearchParams({
      'hub.channel.type': 'websocket',
      'hub.mode': 'unsubscribe',
      'hub.topic': topic,
      'hub.channel.endpoint': endpoint,
    });
    return this.#call('', { method: 'POST', body: form, keepalive: leaving });
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
    const elements = Array.isArray(body) ? body : isObject(body) ? body.context : undefined;
    if (!Array.isArray(elements)) return this.#nonsense(answer, 'the answer is no current context');
    const context = contextElements(elements);
    const bundle = context.find((one) => one.key === 'content')?.resource;
    const entries = isObject(bundle) && Array.isArray(bundle.entry) ? bundle.entry.filter(isObject) : [];
    const opened = context.filter((one) => one.key !== 'content');
    const type = isObject(body) && typeof body['context.type'] === 'string' ? body['context.type'] : undefined;
    const versionId = isObject(body) ? body['context.versionId'] : undefined;
    return {
      ok: true,
      type: type ?? opened[0]?.resource?.resourceType ?? '',
      context: opened,
      ...(typeof versionId === 'string' && versionId !== '' ? { versionId } : {}),
      ...(isObject(bundle) ? { content: entries } : {}),
    };
  }

  #nonsense(answer: Answer, reason: string): Failure {
    return { ok: false, kind: 'unavailable', status: answer.status, reason: `HTTP ${answer.status}, but ${reason}` };
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
      if (failed) return { ok: false, kind: 'unavailable', status: 0, reason: failed };
    }
    const used = this.#held;
    const first = await this.#request(path, init);
    if (first.ok || first.kind !== 'unauthorized') return first;
    if (this.#held === used) {
      if (typeof this.#token !== 'function') return first;
      const failed = await this.renewToken();
      if (failed) return { ok: false, kind: 'unavailable', status: 401, reason: failed };
    }
    return this.#request(path, init);
  }

  async #request(path: string, init: RequestInit): Promise<Failure | Answer> {
    const { clock, fetch } = this.#ports;
    const aborted = new AbortController();
    const cancel = clock.after(this.#timeout, () => aborted.abort());
    // A fetch that heeds no signal must not hold the client up either.
    const late = new Promise<never>((_, reject) => {
      aborted.signal.addEventListener('abort', () => reject(new Error('no answer in time')));
    });
    try {
      return await Promise.race([this.#exchange(fetch, path, { ...init, signal: aborted.signal }), late]);
    } catch (error) {
      return { ok: false, kind: 'unavailable', status: 0, reason: message(error) };
    } finally {
      cancel();
    }
  }

  async #exchange(fetch: Ports['fetch'], path: string, init: RequestInit): Promise<Failure | Answer> {
    const headers = new Headers(init.headers);
    headers.set('Accept', 'application/json');
    if (this.#held !== undefined) headers.set('Authorization', `Bearer ${this.#held}`);
    // redirect: a token must not follow the Hub's address to somebody else's.
    const response = await fetch(`${this.url}${path}`, { ...init, headers, redirect: 'error', cache: 'no-store' });
    const text = await this.#body(response);
    const { status } = response;
    if (status >= 200 && status < 300) return { ok: true, status, text };
    const reason = sentence(text, status);
    if (status === 401) return { ok: false, kind: 'unauthorized', status, reason };
    const later = status < 400 || status >= 500 || [408, 421, 425, 429].includes(status);
    const wait = retryAfter(response.headers.get('Retry-After'), this.#ports.clock.now());
    return {
      ok: false,
      kind: later && status !== 501 ? 'unavailable' : 'refused',
      status,
      reason,
      ...(wait === undefined ? {} : { retryAfter: wait }),
    };
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
