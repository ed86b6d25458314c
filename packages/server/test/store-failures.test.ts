/**
 * What every route answers while the store fails: never 500, and never a word about what has happened to a change that nobody knows.
 * A write whose answer was lost may have been made.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type RecordStore, type SessionStore, StoreUnavailable } from '@lockstep/store';
import { type Asked, ask, rowOf, served, started } from './every-route.ts';
import { EVERYTHING, HubClient } from './harness.ts';
import { App, Person, returned } from './person.ts';

const WRITES = ['commit', 'erase', 'put', 'putAll', 'consume', 'delete', 'deleteBy'];
/** What is told, not asked: it fails in no request. */
const NO_REQUEST = ['watch', 'watchChanges', 'listen', 'announce'];

type Mode = 'works' | 'cannot be reached' | 'loses the answers to writes' | 'is full';

/** The call that fails from now on, 1 is the next, and whether it does before or after it has done what it is for. */
interface Failure {
  readonly step: number;
  readonly when: 'before' | 'after';
}

/** A store that fails as it is told to. */
class FailingStore {
  mode: Mode = 'works';
  /** Calls that failed. */
  failed = 0;
  /** Names of the calls since `watch`. */
  #calls: string[] = [];
  #failure: Failure | undefined;

  /** @param failure fails once, at this call */
  watch(failure?: Failure): void {
    this.mode = 'works';
    this.failed = 0;
    this.#calls = [];
    this.#failure = failure;
  }

  get calls(): readonly string[] {
    return this.#calls;
  }

  of<T extends RecordStore | SessionStore>(store: T): T {
    return new Proxy(store, {
      get: (target, name) => {
        const method = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        return (...args: unknown[]) =>
          NO_REQUEST.includes(String(name))
            ? method.apply(target, args)
            : this.#call(String(name), () => method.apply(target, args));
      },
    });
  }

  async #call(name: string, call: () => Promise<unknown>): Promise<unknown> {
    this.#calls.push(name);
    if (this.#calls.length === this.#failure?.step) {
      this.failed += 1;
      if (this.#failure.when === 'after') await call();
      throw new StoreUnavailable('it failed at this step', 7);
    }
    const isWrite = WRITES.includes(name);
    const { mode } = this;
    if (mode === 'works' || (mode !== 'cannot be reached' && !isWrite)) return call();
    this.failed += 1;
    if (mode === 'loses the answers to writes') await call();
    throw new StoreUnavailable('database or disk is full', 7);
  }
}

/** What browsers ask for when a person goes somewhere. */
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
/** The authorization server's addresses that are pages. */
const PAGES = /^\/auth\/(authorize|interaction|manage|outside|second-factor|sign-in|sign-out)(\/|$)/;

/** Says that a change was not made. */
const CLAIM =
  /nothing (was|is|has been|of it)|(was|were|is|are|has been|have been) not \w+ed|not (stored|saved|sent|changed|done)/i;

/** Where a request may fail once something may have been changed: at each write after it was made, and at what follows before that. */
function failuresAfterWrites(calls: readonly string[]): readonly Failure[] {
  const first = calls.findIndex((name) => WRITES.includes(name));
  if (first < 0) return [];
  return calls.slice(first).flatMap((name, index): readonly Failure[] => {
    const step = first + index + 1;
    const before: readonly Failure[] = index > 0 ? [{ step, when: 'before' }] : [];
    return WRITES.includes(name) ? [...before, { step, when: 'after' }] : before;
  });
}

/** ms after which the keys of tokens are read once more. */
const KEYS_READ_AGAIN = 6000;
/** ms after which a request counts as one that is never answered: a busy machine takes a part of it. */
const NEVER = 60_000;

class Unanswered extends Error {}

/** @throws Unanswered where the answer does not come, with what was asked for */
async function answered<T>(what: string, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const never = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Unanswered(`${what} is not answered`)), NEVER);
  });
  try {
    return await Promise.race([answer, never]);
  } finally {
    clearTimeout(timer);
  }
}

/** A person whose browser asks once more where it is told "not now"; every answer is looked at. */
class Watched extends Person {
  readonly #look: (what: string, status: number, text: string) => void;
  readonly #begin: () => void;

  /** @param begin called before each request, but for those that are asked once more */
  constructor(origin: string, begin: () => void, look: (what: string, status: number, text: string) => void) {
    super(origin);
    this.#begin = begin;
    this.#look = look;
  }

  override async request(url: string, init: RequestInit = {}): Promise<Response> {
    const ask = async (): Promise<Response> => {
      const what = `${init.method ?? 'GET'} ${new URL(url, this.origin).pathname}`;
      const response = await answered(what, super.request(url, init));
      const text = await response.clone().text();
      this.#look(what, response.status, text);
      return response;
    };
    this.#begin();
    const response = await ask();
    return response.status === 503 ? ask() : response;
  }
}

describe('PUB-4 a request whose store fails', () => {
  const store = new FailingStore();
  /** ms that the server's time is ahead: what is read again from time to time is read at once. */
  let ahead = 0;
  let asked: Asked;
  before(async () => {
    asked = await started(10, (opened) => ({
      ...opened,
      records: store.of(opened.records),
      sessions: store.of(opened.sessions),
      time: { ...opened.time, now: () => opened.time.now() + ahead },
    }));
  });
  after(async () => {
    store.mode = 'works';
    await asked?.close();
  });

  for (const mode of ['cannot be reached', 'is full', 'loses the answers to writes'] as const) {
    it(`is 503 with the time to wait at every route where the store ${mode}, and says nothing of the change`, async () => {
      const wrong: string[] = [];
      let met = 0;
      for (const route of served(asked.lockstep.routes)) {
        const row = rowOf(route);
        assert.ok(row, route);
        store.failed = 0;
        store.mode = mode;
        const answer = await ask(asked, route, row);
        store.mode = 'works';
        const text = await answer.text();
        // What did not need the store is none of this.
        if (answer.status < 500 || (store.failed === 0 && answer.status !== 500)) continue;
        const isRight = answer.status === 503 && Number(answer.headers.get('retry-after')) > 0 && !CLAIM.test(text);
        // Readiness is asked again by itself.
        if (isRight || route === 'GET /health/ready') met += 1;
        else wrong.push(`${route}: ${answer.status} ${text.slice(0, 200)}`);
      }
      assert.deepEqual(wrong, []);
      assert.ok(met >= 10, `${met} routes met the failure`);
    });
  }

  it('says at no route and no step that nothing was changed, once something may have been', async () => {
    const wrong: string[] = [];
    let met = 0;
    for (const route of served(asked.lockstep.routes)) {
      const row = rowOf(route);
      assert.ok(row, route);
      store.watch();
      await (await ask(asked, route, row)).arrayBuffer();
      for (const failure of failuresAfterWrites(store.calls)) {
        store.watch(failure);
        const answer = await ask(asked, route, row);
        const text = await answer.text();
        // What the request before has changed may spare it this step.
        if (store.failed === 0 || answer.status < 400) continue;
        met += 1;
        if (answer.status !== 503 || CLAIM.test(text))
          wrong.push(`${route}, ${failure.when} call ${failure.step}: ${answer.status} ${text.slice(0, 200)}`);
      }
    }
    store.watch();
    assert.deepEqual(wrong, []);
    assert.ok(met >= 40, `${met} steps met the failure`);
  });

  it('AUT-4 is a page for a browser and JSON for other clients, at every page', async () => {
    const { origin } = asked.lockstep;
    const query = new URL((await App.register(origin)).begin('openid fhirUser').url).search;
    const person = new Person(origin);
    await person.signIn();
    const told: string[] = [];
    for (const route of served(asked.lockstep.routes)) {
      const [method = '', path = ''] = route.split(' ');
      if (!PAGES.test(path) || !['GET', 'POST'].includes(method)) continue;
      for (const [accept, type] of [
        [BROWSER, 'text/html; charset=utf-8'],
        ['*/*', 'application/json; charset=utf-8'],
      ] as const) {
        store.failed = 0;
        store.mode = 'cannot be reached';
        const isGet = method === 'GET';
        const asks = `${path.replaceAll(/:\w+/g, 'x'.repeat(21))}${isGet ? query : ''}`;
        const sent = isGet ? {} : { body: new URLSearchParams(query.slice(1)) };
        const answer = await person.request(asks, { method, headers: { accept }, ...sent });
        store.mode = 'works';
        const text = await answer.text();
        if (store.failed === 0) continue;
        told.push(`${route} for ${accept}`);
        assert.equal(answer.headers.get('content-type'), type, `${route}: ${answer.status} ${text.slice(0, 200)}`);
        assert.equal(answer.status, 503, `${route}: ${text.slice(0, 200)}`);
        assert.ok(Number(answer.headers.get('retry-after')) > 0, route);
        assert.match(
          text,
          accept === BROWSER ? /<h1[\s\S]*Try again in a moment/ : /^\{"error":"temporarily_unavailable"/,
        );
        assert.doesNotMatch(text, CLAIM);
      }
    }
    assert.ok(told.length >= 20, told.join());
  });

  it('AUT-4, TOK-1 an authorization and a code that meet an absent store are 503, and go on once it is back', async () => {
    const { origin } = asked.lockstep;
    const app = await App.register(origin);
    const person = new Person(origin);
    const { url, verifier } = app.begin('openid fhirUser');
    const notNow = (status: number, text: string): void => {
      assert.equal(status, 503);
      assert.match(text, /temporarily_unavailable/);
      assert.doesNotMatch(text, CLAIM);
    };
    const first = await person.through(await person.go(url));
    const code = returned(first).get('code') ?? '';
    store.mode = 'cannot be reached';
    const page = await person.go(app.begin('openid fhirUser').url);
    const redeemed = await app.redeem(code, verifier);
    store.mode = 'works';
    notNow(page.status, page.text);
    assert.ok(Number(page.headers.get('retry-after')) > 0);
    notNow(redeemed.status, JSON.stringify(redeemed.body));
    assert.equal((await app.redeem(code, verifier)).status, 200);
    assert.ok(returned(await person.through(await person.go(app.begin('openid fhirUser').url))).has('code'));
  });

  it('AUT-4 answers at every step of an authorization, and never that nothing was changed; it goes on, or can be begun once more', async () => {
    const { origin } = asked.lockstep;
    const app = await App.register(origin);
    const wrong: string[] = [];
    let last = 0;
    const look = (what: string, status: number, text: string): void => {
      last = status;
      const isRight = status < 500 || (status === 503 && store.failed > 0);
      if (!isRight || (status >= 400 && CLAIM.test(text))) wrong.push(`${what}: ${status} ${text.slice(0, 300)}`);
    };
    const scope = 'launch/patient openid fhirUser offline_access patient/Patient.rs fhircast/Patient-open.*';
    /** @returns whether it comes to a token */
    const authorizes = async (begin: () => void = () => undefined): Promise<boolean> => {
      ahead += KEYS_READ_AGAIN;
      const person = new Watched(origin, begin, look);
      const { url, verifier } = app.begin(scope);
      const end = await person.go(url).then((page) => (page.status === 200 ? person.through(page) : page));
      const code = returned(end).get('code');
      if (code === null) return false;
      begin();
      const { status, body } = await answered('POST /auth/token', app.redeem(code, verifier));
      look('POST /auth/token', status, JSON.stringify(body));
      return status === 200;
    };
    /** A page that says what is wrong may end it, or one that asks the same again and again. */
    const endsWell = async (begin?: () => void): Promise<void> => {
      await authorizes(begin).catch((error: unknown) => {
        if (error instanceof Unanswered) throw error;
        assert.ok(last < 500, `it ends with ${last}`);
      });
    };
    store.watch();
    assert.ok(await authorizes());
    let met = 0;
    for (const failure of failuresAfterWrites(store.calls).filter(({ when }) => when === 'after')) {
      store.watch(failure);
      await endsWell();
      met += store.failed;
    }
    assert.ok(met >= 10, `${met} answers to writes were lost`);
    // One call of every request, until none has as many.
    for (let step = 1, failed = 1; failed > 0; step++) {
      failed = 0;
      await endsWell(() => {
        failed += store.failed;
        store.watch({ step, when: 'before' });
      });
      met += failed;
    }
    store.watch();
    assert.deepEqual(wrong, []);
    assert.ok(met >= 40, `${met} steps met the failure`);
    assert.ok(await authorizes());
  });

  it('PUB-7 an event whose answer was lost is accepted when it is sent again, and is one event', async () => {
    const event = (): Promise<Response> =>
      asked.hub.publish(
        asked.topic,
        'Patient-open',
        [{ key: 'patient', resource: { resourceType: 'Patient', id: 'p9' } }],
        {
          id: 'again',
          timestamp: '2026-11-30T08:00:00Z',
        },
      );
    // The token that the server gave at the start may have ended: the tests before put its time forward.
    const hub = new HubClient(`${asked.lockstep.origin}/hub`, await asked.backend.token(EVERYTHING));
    const topic = await hub.session('Practitioner/again');
    Object.assign(asked, { topic, hub });
    store.mode = 'loses the answers to writes';
    assert.equal((await event()).status, 503);
    store.mode = 'works';
    assert.equal((await event()).status, 202);
    const subscriber = await asked.hub.subscribe(topic, 'Patient-open');
    assert.equal((await subscriber.event()).id, 'again');
    await subscriber.close();
  });
});
