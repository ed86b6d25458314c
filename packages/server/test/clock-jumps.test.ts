/**
 * Everything that lasts, while the wall clock of its machine is set by hours, drifts, or the machine is suspended: what the server has
 * made ends by what has passed, and what others have made is judged by the wall clock.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { newProofKey, proofSource } from '@lockstep/client/dpop';
import { type Lockstep, startLockstep } from '@lockstep/server';
import type { RecordStore } from '@lockstep/store';
import { decodeJwt, importJWK, SignJWT } from 'jose';
import { ServerTime } from '../src/server-time.ts';
import { openStore } from '../src/store.ts';
import { ConsolePerson } from './console-person.ts';
import { Backend, EVERYTHING, HubClient, type Json, json, patient, Subscriber, testConfig } from './harness.ts';
import { sharedIssuer } from './issuer.ts';
import { App, ASSERTION_TYPE, Person, post, returned } from './person.ts';
import { LockstepProcess } from './process.ts';

const HOUR = 3_600_000;
const SCOPE =
  'launch openid fhirUser offline_access patient/Patient.rs fhircast/*.* hub/session.read hub/session.write';
/** Real time, whatever `Date.now` goes by. */
const realTime = Date.now.bind(Date);

/** A machine whose wall clock can be set and drifts, and that can be suspended. */
class Machine {
  /** ms that its wall clock was set ahead. */
  set = 0;
  suspended = 0;
  readonly #start = performance.now();
  readonly #epoch = realTime();

  get passed(): number {
    return performance.now() - this.#start + this.suspended;
  }

  wall(): number {
    return Math.floor(this.#epoch + this.passed + this.set);
  }
}

const machine = new Machine();
const issuer = await sharedIssuer();
let lockstep!: Lockstep;
let records!: RecordStore;
let time!: ServerTime;
const config = testConfig({ trustedIssuers: issuer.file });

before(async () => {
  lockstep = await startLockstep(config, async (opened) => {
    const store = await openStore(opened);
    records = store.records;
    time = new ServerTime(machine, () => machine.wall());
    return { ...store, time: { now: () => time.now(), wall: () => machine.wall(), skew: () => time.skew() } };
  });
});
after(async () => {
  await lockstep.close();
  await rm(config.data, { recursive: true, force: true });
});

/** Whether something of before is good later. */
type Later = () => Promise<boolean>;

/** What lasts, by what it is: each begins something, and says how it is seen whether that is good later. */
const LASTING: Readonly<Record<string, { readonly outlastsHours: boolean; begin(): Promise<Later> }>> = {
  'a subscription, and the access token and session of who publishes': {
    outlastsHours: false,
    async begin() {
      const { hub, topic } = await launched();
      const subscriber = await hub.subscribe(topic, 'Patient-open');
      return async () => {
        const id = crypto.randomUUID();
        const { status } = await hub.publish(topic, 'Patient-open', [patient(id)], { id });
        const isGood = status === 202 && (await isSent(subscriber, id));
        assert.ok(subscriber.received.every((message) => message['hub.mode'] !== 'denied'));
        await subscriber.close();
        return isGood;
      };
    },
  },
  'the grace time of a subscriber whose connection was lost': {
    outlastsHours: false,
    async begin() {
      const { hub, topic } = await launched();
      const lost = await hub.subscribe(topic, 'Patient-open');
      lost.socket.terminate();
      await lost.closed;
      return async () => {
        const id = crypto.randomUUID();
        const { status } = await hub.publish(topic, 'Patient-open', [patient(id)], { id });
        if (status !== 202) return false;
        const back = await Subscriber.connect(lost.endpoint);
        const isGood = await isSent(back, id);
        await back.close();
        return isGood;
      };
    },
  },
  'a refresh token for offline use, and its id token': {
    outlastsHours: true,
    async begin() {
      const { app, tokens } = await launched();
      return async () => {
        const { status, body } = await app.refresh(tokens.refresh_token);
        if (status !== 200) return false;
        // Apps have a clock of their own, as it was or as it is set.
        for (const clock of [time.now(), machine.wall()]) {
          const { iat = 0, exp = 0 } = decodeJwt(body.id_token);
          assert.ok(iat * 1000 <= clock + 1000 && exp * 1000 > clock, `${iat} to ${exp} at ${clock}`);
        }
        return true;
      };
    },
  },
  'a sign-in at a browser': {
    outlastsHours: false,
    async begin() {
      const { app, person } = await launched();
      return async () => !(await app.code(person, 'openid fhirUser')).titles.includes('Sign in');
    },
  },
  'an authorization code': {
    outlastsHours: false,
    async begin() {
      const { app, person } = await launched();
      const { code, verifier } = await app.code(person, 'openid fhirUser');
      return async () => (await app.redeem(code, verifier)).status === 200;
    },
  },
  'a launch': {
    outlastsHours: false,
    async begin() {
      const { app, person } = await launched();
      const { body } = await person.launch({ client_id: app.clientId, patient: 'amara-diallo' });
      return async () => {
        const { url } = app.begin(SCOPE, { launch: body.launch });
        const page = await person.go(url);
        // What is wrong is said on a page, or to the app.
        if (page.status !== 200 && page.status !== 303) return false;
        return returned(await person.through(page)).has('code');
      };
    },
  },
  'a ticket': {
    outlastsHours: false,
    async begin() {
      const { origin } = lockstep;
      const ehr = await launched();
      const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
      const { metadata } = await json(admin.call('GET', `apps/${ehr.app.clientId}`));
      const allowed = await admin.call('PUT', `apps/${ehr.app.clientId}`, { ...metadata, launcher: true });
      assert.equal(allowed.status, 200);
      const started = { client_name: 'PACS', launch_kinds: ['command-line'], grant_types: [], scope: 'fhircast/*.*' };
      const body = JSON.stringify({ token_endpoint_auth_method: 'none', ...started });
      const headers = { 'content-type': 'application/json' };
      const app = await json(fetch(`${origin}/auth/register`, { method: 'POST', headers, body }));
      const asked = { client_id: app.client_id, user: 'dr-lena-okafor', topic: ehr.topic };
      const ticket = await json(ehr.hub.json('/ticket', asked));
      return async () => (await fetch(ticket.ticket_url, { method: 'POST' })).status === 200;
    },
  },
  'an invitation': {
    outlastsHours: false,
    async begin() {
      const [host, guest] = [await launched(), await launched('dr-mei-tanaka')];
      const made = await json(host.hub.json(`/session/${host.topic}/invitation`, { expires_in: 900 }));
      const path = made.invitation_url.slice(`${lockstep.origin}/hub`.length);
      return async () => {
        const { access_token: token } = (await guest.app.refresh(guest.tokens.refresh_token)).body;
        const later = new HubClient(`${lockstep.origin}/hub`, token);
        return (await later.request(path, { method: 'POST' })).status === 200;
      };
    },
  },
  'a guest': {
    outlastsHours: true,
    async begin() {
      const [host, guest] = [await launched(), await launched('dr-mei-tanaka')];
      const made = await json(host.hub.json(`/session/${host.topic}/invitation`, {}));
      const path = made.invitation_url.slice(`${lockstep.origin}/hub`.length);
      assert.equal((await guest.hub.request(path, { method: 'POST' })).status, 200);
      return async () => {
        const { access_token: token } = (await guest.app.refresh(guest.tokens.refresh_token)).body;
        return (await new HubClient(`${lockstep.origin}/hub`, token).request(`/${host.topic}`)).status === 200;
      };
    },
  },
};

/** Reads until an event arrives. @returns false where the socket was closed instead */
function isSent(subscriber: Subscriber, id: string): Promise<boolean> {
  const read = async (): Promise<boolean> => (await subscriber.event()).id === id || read();
  return Promise.race([read(), subscriber.closed.then(() => false)]);
}

/** A person who is signed in, and an app with tokens of a launch by them. */
async function launched(user = 'dr-lena-okafor') {
  const { origin } = lockstep;
  const app = await App.register(origin, 'public', { scope: SCOPE });
  const person = new Person(origin);
  await person.signIn(user);
  const tokens = await app.launched(person, SCOPE, { patient: 'amara-diallo' });
  const topic: string = tokens['hub.topic'];
  return { app, person, tokens, topic, hub: new HubClient(`${origin}/hub`, tokens.access_token) };
}

/** A client that proves who it is by what it signs. */
async function prover() {
  const { origin } = lockstep;
  const app = await App.register(origin, 'asymmetric');
  const key = await importJWK(app.privateJwk ?? {}, 'ES384');
  const aud = `${origin}/auth/token`;
  /** @param at ms since the epoch, by the client's clock */
  const assertion = (at: number): Promise<string> =>
    new SignJWT({ iss: app.clientId, sub: app.clientId, aud, jti: crypto.randomUUID() })
      .setIssuedAt(Math.floor(at / 1000))
      .setExpirationTime(Math.floor(at / 1000) + 120)
      .setProtectedHeader({ alg: 'ES384', kid: 'app' })
      .sign(key);
  const shows = async (client_assertion: string): Promise<boolean> => {
    const fields = { token: 'x', client_assertion_type: ASSERTION_TYPE, client_assertion };
    return (await post(`${origin}/auth/introspect`, fields)).status === 200;
  };
  return { assertion, shows };
}

/** A client whose token is bound to a key. */
async function bound() {
  const { origin } = lockstep;
  const key = await newProofKey();
  const clock = { now: () => realTime() };
  const proof = await proofSource(key, clock);
  const backend = await Backend.register(origin, { dpop_bound_access_tokens: true });
  const token = await backend.token(EVERYTHING, async (url, init) => {
    const headers = new Headers(init?.headers);
    headers.set('DPoP', await proof({ method: 'POST', url: String(url) }));
    return fetch(url, { ...init, headers });
  });
  const request = { method: 'GET', url: `${origin}/hub/session`, token };
  const shows = async (dpop: string): Promise<number> =>
    (await fetch(request.url, { headers: { authorization: `DPoP ${token}`, dpop } })).status;
  /** @param at ms since the epoch, by the client's clock */
  const made = async (at: number): Promise<string> => {
    clock.now = () => at;
    return proof(request);
  };
  return { made, shows };
}

const JUMPS: Readonly<Record<string, () => void>> = {
  'is set 13 hours ahead': () => {
    machine.set += 13 * HOUR;
  },
  'is set 26 hours back': () => {
    machine.set -= 26 * HOUR;
  },
  'is set right again': () => {
    machine.set += 13 * HOUR;
  },
  'drifts by a second': () => {
    machine.set += 1000;
  },
};

describe('TOK-6, SUB-5, SUB-11, SES-5, AUT-3, LAU-1 where the wall clock', () => {
  for (const [what, jump] of Object.entries(JUMPS)) {
    it(`${what}, everything of before is good, and what was used is not good again`, async () => {
      const began = new Map<string, Later>();
      for (const [name, { begin }] of Object.entries(LASTING)) began.set(name, await begin());
      const { assertion, shows } = await prover();
      const dpop = await bound();
      const [used, proof] = [await assertion(machine.wall()), await dpop.made(machine.wall())];
      assert.ok(await shows(used));
      assert.equal(await dpop.shows(proof), 200);
      const clockBefore = time.now() - machine.passed;

      jump();
      await records.sweep(time.now());

      const ended: string[] = [];
      for (const [name, later] of began) if (!(await later())) ended.push(name);
      assert.deepEqual(ended, []);
      assert.equal(await shows(used), false, 'an assertion counts once');
      assert.equal(await dpop.shows(proof), 401, 'a proof counts once');
      // Clients may have the clock of before, or the one that is set.
      for (const clock of [clockBefore + machine.passed, machine.wall()]) {
        assert.ok(await shows(await assertion(clock)), 'an assertion that was made just now');
        assert.equal(await dpop.shows(await dpop.made(clock)), 200, 'a proof that was made just now');
      }
      const iat = Math.floor(machine.wall() / 1000);
      const foreign = await issuer.token({
        sub: 'dr-lena-okafor',
        preferred_username: 'dr-lena-okafor',
        scope: EVERYTHING,
        iat,
        exp: iat + 300,
      });
      const asked = await fetch(`${lockstep.origin}/hub/session`, { headers: { authorization: `Bearer ${foreign}` } });
      assert.equal(asked.status, 200, 'a token of another issuer, by the wall clock');
    });
  }

  it('agrees with the server, which stood still with its machine for 12 hours, what has ended has ended', async () => {
    const began = new Map<string, Later>();
    for (const [name, { begin }] of Object.entries(LASTING)) began.set(name, await begin());
    machine.suspended += 12 * HOUR;
    await records.sweep(time.now());
    for (const [name, { outlastsHours }] of Object.entries(LASTING)) {
      assert.equal(await began.get(name)?.(), outlastsHours, name);
    }
    assert.ok(Math.abs(time.skew()) < 2000, 'no clock is called wrong');
    // What begins now is good, by the clock as it is now.
    for (const [name, { begin }] of Object.entries(LASTING)) assert.ok(await (await begin())(), name);
    const { assertion, shows } = await prover();
    assert.ok(await shows(await assertion(machine.wall())));
    const answered: Json = await json(fetch(`${lockstep.origin}/health/ready`));
    assert.equal(answered.status, 'ready');
  });
});

it('TOK-6 a clock that is behind what the store was last changed at is named in readiness and log', async (t) => {
  const shift = `--import=${new URL('cluster/shifted-clock.mjs', import.meta.url).href}`;
  const ahead = await LockstepProcess.start(t, { NODE_OPTIONS: shift, TEST_CLOCK_HOURS: '13' });
  assert.deepEqual(await json(fetch(`${ahead.origin}/health/ready`)), { status: 'ready' });
  await ahead.kill('SIGTERM');
  const right = await LockstepProcess.start(t, { LOCKSTEP_DATA: ahead.data });
  const { warnings } = await json(fetch(`${right.origin}/health/ready`));
  assert.match(warnings.join(), /^the clock of this machine is 46\d{3} s behind the last change of the store/);
  assert.ok(right.output.some((line) => line.includes('behind the last change of the store')));
});
