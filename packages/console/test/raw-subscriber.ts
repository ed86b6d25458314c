/** An application as small as can be, in the session of somebody at a browser: it says what it is told to say. */
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';

interface Access {
  readonly token: string;
  readonly topic: string;
}

/** A token for the session of the person at the page. */
async function accessOf(page: Page): Promise<Access> {
  return page.evaluate(async () => {
    const { csrf, session_topic } = (await (await fetch('/auth/session')).json()) as Record<string, string>;
    const headers = { 'x-csrf-token': csrf ?? '', 'content-type': 'application/json' };
    const answer = await fetch('/api/console/token', { method: 'POST', headers, body: '{}' });
    return { token: ((await answer.json()) as { access_token: string }).access_token, topic: session_topic ?? '' };
  });
}

export interface Current {
  readonly 'context.versionId': string;
  readonly context: readonly { readonly key: string; readonly resource?: { readonly id: string } }[];
}

/** Publishes, and reads what is open. */
export class OtherApp {
  readonly #hub: string;
  readonly #access: Access;

  constructor(origin: string, access: Access) {
    this.#hub = `${origin}/hub`;
    this.#access = access;
  }

  static async of(page: Page): Promise<OtherApp> {
    return new OtherApp(new URL(page.url()).origin, await accessOf(page));
  }

  get topic(): string {
    return this.#access.topic;
  }

  /** @param contentType of the body */
  async request(body: string | undefined, contentType: string, path = ''): Promise<Response> {
    const headers = { authorization: `Bearer ${this.#access.token}`, 'content-type': contentType };
    return fetch(`${this.#hub}${path}`, { method: body === undefined ? 'GET' : 'POST', headers, body: body ?? null });
  }

  async current(): Promise<Current> {
    return (await (await this.request(undefined, 'application/json', `/${this.topic}`)).json()) as Current;
  }

  async publish(event: string, context: readonly object[], more: object = {}): Promise<void> {
    const { status, reason } = await this.attempt(event, context, more);
    assert.equal(status, 202, reason);
  }

  /** Publishes what the Hub may refuse. @param id of the event */
  async attempt(
    event: string,
    context: readonly object[],
    more: object = {},
    id: string = crypto.randomUUID(),
  ): Promise<{ readonly status: number; readonly reason: string }> {
    const body = {
      timestamp: new Date().toISOString(),
      id,
      event: { 'hub.topic': this.topic, 'hub.event': event, context, ...more },
    };
    const response = await this.request(JSON.stringify(body), 'application/json');
    return { status: response.status, reason: await response.text() };
  }
}

/** What a subscriber answers to an event; undefined for nothing. */
export type Answering = (event: { readonly id: string; readonly name: string }) => number | undefined;

/** A subscriber on a socket of its own. */
export class RawSubscriber {
  readonly #endpoint: string;
  #socket: WebSocket | undefined;
  readonly #events: { readonly id: string; readonly name: string }[] = [];
  /** What it answers from now on. */
  answering: Answering;

  private constructor(endpoint: string, answering: Answering) {
    this.#endpoint = endpoint;
    this.answering = answering;
  }

  /** Subscribes and connects. */
  static async join(page: Page, name: string, events: readonly string[], answering: Answering): Promise<RawSubscriber> {
    const app = await OtherApp.of(page);
    const form = new URLSearchParams({
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': app.topic,
      'hub.events': events.join(','),
      'subscriber.name': name,
    });
    const answer = await app.request(form.toString(), 'application/x-www-form-urlencoded');
    assert.equal(answer.status, 202);
    const { 'hub.channel.endpoint': endpoint } = (await answer.json()) as Record<string, string>;
    const subscriber = new RawSubscriber(endpoint ?? '', answering);
    await subscriber.reconnect();
    return subscriber;
  }

  /** Connects to its endpoint, once more where it was connected before, and waits for the confirmation. */
  async reconnect(): Promise<void> {
    const socket = new WebSocket(this.#endpoint);
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#receive(String(data)));
    await new Promise((resolve) => socket.addEventListener('message', resolve, { once: true }));
  }

  #receive(text: string): void {
    const { id, event } = JSON.parse(text) as { id?: string; event?: { 'hub.event': string } };
    if (id === undefined || event === undefined) return;
    const received = { id, name: event['hub.event'] };
    this.#events.push(received);
    const status = this.answering(received);
    if (status !== undefined) this.answer(id, status);
  }

  answer(id: string, status: number): void {
    this.#socket?.send(JSON.stringify({ id, status }));
  }

  /** Answers the latest event. */
  answerLatest(status: number): void {
    const latest = this.#events.at(-1);
    assert.ok(latest, 'nothing was received');
    this.answer(latest.id, status);
  }

  /** @param code of the close; 1000 is a normal one */
  close(code: number): void {
    this.#socket?.close(code);
  }
}
