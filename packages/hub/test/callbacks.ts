/** A webhook subscriber's side for the engine's tests: remembers every call, answers what the test wants. */
import type { CallbackAnswer, Callbacks, Cursors } from '../src/ports.ts';
import type { Json } from './rig.ts';

export interface Called {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly failures: number;
}

export class FakeCallbacks implements Callbacks {
  readonly calls: Called[] = [];
  /** Why addresses are refused, if they are. */
  reason: string | undefined;
  /** What is answered to deliveries: a status, 0 for nobody there; may wait. */
  answer: (call: Called) => number | Promise<number> = () => 200;
  /** What is answered to verifications and denials. */
  confirm: (call: Called) => CallbackAnswer | Promise<CallbackAnswer> = ({ url }) => ({
    status: 200,
    body: url.searchParams.get('hub.challenge') ?? '',
  });
  /** Whether verifications wait for the test's word. */
  held = false;
  #wake: (() => void)[] = [];

  /** Lets verifications wait. @returns lets them through, confirmed */
  hold(): () => void {
    const waiting: (() => void)[] = [];
    this.held = true;
    this.confirm = ({ url }) =>
      new Promise((resolve) => {
        const body = url.searchParams.get('hub.challenge') ?? '';
        waiting.push(() => resolve({ status: 200, body }));
      });
    return () => {
      for (const confirm of waiting) confirm();
    };
  }

  async refusal(): Promise<string | undefined> {
    return this.reason;
  }

  async get(url: string, failures: number): Promise<CallbackAnswer> {
    return this.confirm(this.#called('GET', url, new Uint8Array(), {}, failures));
  }

  async post(
    url: string,
    body: Uint8Array,
    headers: Readonly<Record<string, string>>,
    failures: number,
  ): Promise<CallbackAnswer> {
    return { status: await this.answer(this.#called('POST', url, body, headers, failures)), body: '' };
  }

  #called(
    method: Called['method'],
    url: string,
    bytes: Uint8Array,
    headers: Readonly<Record<string, string>>,
    failures: number,
  ): Called {
    const call = { method, url: new URL(url), text: Buffer.from(bytes).toString('utf8'), bytes, headers, failures };
    this.calls.push(call);
    for (const wake of this.#wake.splice(0)) wake();
    return call;
  }

  get gets(): readonly Called[] {
    return this.calls.filter(({ method }) => method === 'GET');
  }

  get posts(): readonly Called[] {
    return this.calls.filter(({ method }) => method === 'POST');
  }

  /** Ids of the events that were posted, attempts included. */
  get ids(): readonly string[] {
    return this.posts.map(({ text }) => (JSON.parse(text) as Json).id);
  }

  modes(mode: string): readonly Called[] {
    return this.gets.filter(({ url }) => url.searchParams.get('hub.mode') === mode);
  }

  /** Waits until the condition holds; a call may make it hold. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }
}

/** Cursors that outlive a Hub, as those in a store do. */
export class FakeCursors implements Cursors {
  readonly held = new Map<string, number>();

  async load(topic: string, subscription: string): Promise<number | undefined> {
    return this.held.get(`${topic} ${subscription}`);
  }

  save(topic: string, subscription: string, number: number): void {
    this.held.set(`${topic} ${subscription}`, number);
  }

  forget(topic: string, subscription: string): void {
    this.held.delete(`${topic} ${subscription}`);
  }
}

/** Waits until the condition holds, turn by turn: for what a store's worker has to answer first. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  // A bound for what never happens; a busy machine may need most of it for what does.
  const until = performance.now() + 120_000;
  while (performance.now() < until) {
    if (await holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`did not happen: ${what}`);
}

/** Lets everything happen that waits for nothing but its turn. */
export async function turns(): Promise<void> {
  for (let round = 0; round < 5; round++) await new Promise((resolve) => setImmediate(resolve));
}
