/** Every kind of act has its record: who, what, from where, how it ended. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Lockstep, startLockstep } from '@lockstep/server';
import { WebSocket } from 'ws';
import { OWN_ACT } from '../src/audit/audit-event.ts';
import { verifyAudit } from '../src/audit/verify.ts';
import { findDoor } from '../src/http/doors/door.ts';
import { DOORS } from '../src/http/doors/doors.ts';
import { Authenticator } from './authenticator.ts';
import { lockstep as command } from './command-line.ts';
import { ConsolePerson } from './console-person.ts';
import { Backend, HubClient, type Json, patient, testConfig, withLockstep } from './harness.ts';
import { App, Person } from './person.ts';

const SCOPE = 'openid fhirUser launch offline_access user/*.cruds fhircast/*.*';

/** The code that names an act: IHE's, FHIR's or our own. */
function codeOf({ subtype }: Json): string {
  return (subtype.find(({ system }: Json) => system === OWN_ACT) ?? subtype[0]).code;
}

/** ms after which a record that is not there is missing. */
const LONGEST = 120_000;

/** The records that an act leaves behind. */
class Records {
  readonly path: string;
  readonly #lockstep: Lockstep;
  #seen = 0;

  constructor(path: string, lockstep: Lockstep) {
    this.path = path;
    this.#lockstep = lockstep;
  }

  /** Those since the last time, once `count` of them are there. */
  async next(count = 1, missing = () => 'any'): Promise<readonly Json[]> {
    for (const until = performance.now() + LONGEST; ; ) {
      assert.ok(performance.now() < until, `no record of ${missing()}`);
      await this.#lockstep.audit?.written();
      const all = readFileSync(this.path, 'utf8').trimEnd().split('\n');
      if (all.length >= this.#seen + count) {
        const found = all.slice(this.#seen).map((line) => JSON.parse(line));
        this.#seen = all.length;
        return found;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Does something, and takes the records of these acts, in order; others between them do not count. */
  async of(codes: readonly string[], work: () => Promise<unknown>): Promise<readonly Json[]> {
    await work();
    const found: Json[] = [];
    const rest = [...codes];
    const others: string[] = [];
    while (rest.length > 0) {
      for (const record of await this.next(1, () => `${codes.join()} after ${others.join()}`)) {
        others.push(codeOf(record));
        const at = rest.indexOf(codeOf(record));
        if (at < 0) continue;
        rest.splice(at, 1);
        found.push(record);
      }
    }
    return found;
  }
}

async function audited(run: (records: Records, lockstep: Lockstep) => Promise<void>, more: object = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-audit-'));
  const path = join(folder, 'audit.jsonl');
  try {
    await withLockstep((lockstep) => run(new Records(path, lockstep), lockstep), { audit: path, ...more });
    const { problems, records } = await verifyAudit([path]);
    assert.deepEqual(problems, []);
    assert.ok(records > 0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const clientOf = ({ agent }: Json): string | undefined => agent[0].who?.identifier?.value;
const userOf = ({ agent }: Json): string | undefined => {
  const who = agent.find(({ type }: Json) => type.coding[0].code === 'IRCP')?.who;
  return who?.reference ?? who?.identifier?.value;
};

describe('the audit trail', () => {
  it('has a record for a refused request at every door whose acts are recorded, with the address it came from', () =>
    audited(
      async (records, { routes, port }) => {
        for (const route of new Set(routes)) {
          const [method = '', path = ''] = route.split(' ');
          if (method === 'HEAD') continue;
          const door = findDoor(DOORS, method, path);
          if (typeof door?.audit !== 'string') continue;
          await records.next(0);
          const address = path.replace(':type', 'Patient').replace(/:[A-Za-z]+/g, 'x');
          const { status } = await fetch(`http://127.0.0.1:${port}${address}`, { method, redirect: 'manual' });
          const [record] = await records.next();
          assert.equal(record?.outcomeDesc, `HTTP ${status}`, route);
          assert.equal(record?.agent[0].network.address, '127.0.0.1', route);
          assert.ok(record?.outcome === '4' || status < 400, route);
        }
      },
      { oidcIssuer: 'https://sign-in.example', oidcClientId: 'lockstep' },
    ));

  it('says who watched which session live, from when to when, and who was refused', () =>
    audited(async (records, { origin, port }) => {
      const signIn = (sample: string) => ConsolePerson.signIn(origin, { sample });
      const [lena, tomas, admin] = await Promise.all([
        signIn('dr-lena-okafor'),
        signIn('dr-tomas-lindqvist'),
        signIn('admin'),
      ]);
      const topic = lena.session.session_topic as string;
      const open = (person: ConsolePerson, path: string): WebSocket => {
        const headers = { cookie: person.cookie, origin };
        return new WebSocket(`ws://127.0.0.1:${port}/api/console/live${path}`, { headers });
      };
      await records.next(0);
      for (const [person, reference] of [
        [lena, 'Practitioner/dr-lena-okafor'],
        [admin, 'Practitioner/admin'],
      ] as const) {
        const socket = open(person, `/${topic}`);
        const [watched] = await records.of(['session-watch'], () => once(socket, 'open'));
        assert.ok(watched);
        assert.deepEqual([userOf(watched), watched.outcomeDesc], [reference, 'HTTP 101']);
        assert.equal(watched.entity[0].what.identifier.value, topic);
        assert.equal(watched.agent[0].network.address, '127.0.0.1');
        assert.equal(watched.period, undefined);
        const [ended] = await records.of(['session-watch-ended'], async () => socket.terminate());
        assert.ok(ended);
        assert.equal(userOf(ended), reference);
        assert.equal(ended.agent[0].network.address, '127.0.0.1');
        assert.equal(ended.entity[0].what.identifier.value, topic);
        assert.ok(Date.parse(ended.period.start) <= Date.parse(watched.recorded));
        assert.equal(ended.period.end, ended.recorded);
      }
      const [refused] = await records.of(['session-watch'], () => once(open(tomas, `/${topic}`), 'error'));
      assert.ok(refused);
      assert.deepEqual([userOf(refused), refused.outcomeDesc], ['Practitioner/dr-tomas-lindqvist', 'HTTP 403']);
      // The list of all sessions is read at a door of its own, and so recorded there.
      const list = open(admin, '');
      await once(list, 'open');
      const signedOut = open(lena, `/${topic}`);
      await records.of(['session-watch'], () => once(signedOut, 'open'));
      const headers = { cookie: lena.cookie, 'x-csrf-token': lena.session.csrf as string };
      await records.of(['sign-out', 'session-watch-ended'], () =>
        fetch(`${origin}/auth/session`, { method: 'DELETE', headers }),
      );
      list.terminate();
    }));

  it('says who did what, for every kind of act', () =>
    audited(async (records, { origin, hub }) => {
      const lena = new Person(origin);
      const signedIn = await records.of(['session-started', 'sign-in'], () => lena.signIn());
      assert.ok(signedIn.some((one) => userOf(one) === 'dr-lena-okafor'));
      const [refused] = await records.of(['sign-in'], () =>
        fetch(`${origin}/auth/session`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ user: 'lena', password: 'wrong' }),
        }),
      );
      assert.equal(refused?.outcome, '4');
      assert.equal(refused?.agent[0].network.address, '127.0.0.1');
      assert.match(JSON.stringify(refused), /sign-in\.refuse/);

      let app!: App;
      await records.of(['client-registration'], async () => {
        app = await App.register(origin, 'symmetric');
      });
      let tokens!: Json;
      const granted = await records.of(['consent', 'token'], async () => {
        tokens = await app.tokens(lena, SCOPE);
      });
      assert.ok(
        granted.every((one) => clientOf(one) === app.clientId),
        JSON.stringify(granted),
      );
      const [bad] = await records.of(['token'], () =>
        app.post('/auth/token', {
          grant_type: 'authorization_code',
          code: 'x',
          redirect_uri: 'http://localhost:9090/callback',
        }),
      );
      assert.equal(bad?.outcome, '4');
      assert.equal(clientOf(bad ?? {}), app.clientId);
      const [shown, nobody] = await records.of(['search-type', 'search-type'], async () => {
        const picker = await lena.go(app.begin('launch/patient').url);
        assert.match(picker.text, /Choose a patient/);
        await lena.go(`${new URL(picker.url).pathname}?search=Secretname`);
      });
      assert.ok(
        shown?.entity.some(({ what }: Json) => what?.reference === 'Patient/amara-diallo'),
        'the picker showed her',
      );
      assert.equal(clientOf(shown ?? {}), app.clientId);
      assert.equal(userOf(shown ?? {}), 'Practitioner/dr-lena-okafor');
      assert.doesNotMatch(JSON.stringify(nobody), /Secretname|amara-diallo/);
      await records.of(['token-introspect'], () => app.post('/auth/introspect', { token: tokens.access_token }));
      await records.of(['launch'], () => lena.launch({ client_id: app.clientId, patient: 'amara-diallo' }));

      const user = new HubClient(`${origin}/hub`, tokens.access_token);
      const topic = tokens['hub.topic'];
      const [subscribed] = await records.of(['RAD-146'], async () => {
        const subscriber = await user.subscribe(topic, 'Patient-open');
        await subscriber.next();
      });
      assert.equal(subscribed?.entity[0].what.identifier.value, topic);
      assert.equal(userOf(subscribed ?? {}), 'Practitioner/dr-lena-okafor');
      const [published] = await records.of(['publish'], () =>
        user.publish(topic, 'Patient-open', [patient('not-in-audit')]),
      );
      assert.deepEqual(published?.entity[0].detail, [{ type: 'hub.event', valueString: 'Patient-open' }]);
      assert.doesNotMatch(JSON.stringify(published), /not-in-audit/);
      const [notPublished] = await records.of(['publish'], () =>
        user.publish('nowhere', 'Patient-open', [patient('p1')]),
      );
      assert.deepEqual([notPublished?.outcome, notPublished?.entity[0].what.identifier.value], ['4', 'nowhere']);
      await records.of(['RAD-153'], () => user.context(topic));
      await records.of(['RAD-152'], () =>
        user.form({
          'hub.channel.type': 'websocket',
          'hub.mode': 'unsubscribe',
          'hub.topic': topic,
          'hub.channel.endpoint': 'ws://x',
        }),
      );

      const backend = await HubClient.backend(origin, 'fhircast/*.* hub/session.* system/*.cruds');
      let other = '';
      await records.of(['session-create', 'session-started'], async () => {
        other = await backend.session('Practitioner/2');
      });
      await records.of(['session-list'], () => backend.request('/session'));
      const ended = await records.of(['session-end', 'session-ended'], () =>
        backend.request(`/session/${other}`, { method: 'DELETE' }),
      );
      assert.ok(ended.every(({ entity }) => entity[0].what.identifier.value === other));

      const at = (path: string, init: Json = {}) =>
        fetch(`${origin}/fhir/${path}`, {
          ...init,
          headers: {
            authorization: `Bearer ${backend.token}`,
            'content-type': 'application/fhir+json',
            ...init.headers,
          },
        });
      const id = `p-${randomUUID().slice(0, 8)}`;
      const [created] = await records.of(['update'], () =>
        at(`Patient/${id}`, { method: 'PUT', body: JSON.stringify({ resourceType: 'Patient', id }) }),
      );
      assert.ok(created?.entity.some(({ what }: Json) => what?.reference === `Patient/${id}`));
      await records.of(['create'], () =>
        at('Patient', { method: 'POST', body: JSON.stringify({ resourceType: 'Patient' }) }),
      );
      const [read] = await records.of(['read'], () => at(`Patient/${id}`));
      assert.deepEqual([read?.action, clientOf(read ?? {}) !== undefined], ['R', true]);
      const [searched] = await records.of(['search-type'], () => at('Patient?name=Secretname'));
      const queryOf = ({ entity }: Json): string => {
        const text = Buffer.from(entity.find(({ query }: Json) => query !== undefined)?.query ?? '', 'base64');
        return decodeURIComponent(text.toString());
      };
      assert.equal(queryOf(searched ?? {}), 'Patient?name=');
      const [posted] = await records.of(['search-type'], () =>
        at('Patient/_search?_count=5', {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: 'identifier=urn:mrn|123&family=Secretname',
        }),
      );
      assert.equal(queryOf(posted ?? {}), 'Patient?_count=5&identifier=urn:mrn|123&family=');
      assert.equal(queryOf(nobody ?? {}), 'Patient?name=');
      await records.of(['delete'], () => at(`Patient/${id}`, { method: 'DELETE' }));
      const [denied] = await records.of(['read'], () => at('Patient/x', { headers: { authorization: 'Bearer no' } }));
      assert.equal(denied?.outcomeDesc, 'HTTP 401');

      const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
      const [suspended] = await records.of(['administration'], () =>
        admin.call('POST', `apps/${app.clientId}/suspend`),
      );
      assert.match(JSON.stringify(suspended), /app\.suspend/);
      assert.match(JSON.stringify(suspended?.entity), new RegExp(app.clientId));
      assert.ok(userOf(suspended ?? {}));
      await records.of(['administration'], () => admin.call('POST', 'users/dr-mei-tanaka/sign-out'));
      await records.of(['context-read'], () => admin.call('GET', `sessions/${topic}`));
      await records.of(['session-list'], () => admin.call('GET', 'sessions'));
      await records.of(['publish'], () => admin.call('POST', `sessions/${topic}/publish`, {}));
      await records.of(['token'], () => admin.call('POST', 'token'));
      await records.of(['password-change'], () => admin.call('POST', 'password', { before: 'x', after: 'y' }));
      await records.of(['session-ended', 'session-end'], () => admin.call('DELETE', `sessions/${topic}`));
      await records.of(['sign-out'], () => lena.signOut());
      await records.of(['token-revoke'], () => app.post('/auth/revoke', { token: tokens.access_token }));
      const service = await Backend.register(origin);
      const follower = new HubClient(`${origin}/hub`, await service.token());
      const last = await follower.session('Practitioner/3');
      await follower.subscribe(last, 'Patient-open', { 'subscriber.name': 'Follower' });
      const [left] = await records.of(['subscription-ended', 'administration'], () =>
        admin.call('POST', `apps/${service.clientId}/suspend`),
      );
      assert.equal(left?.entity[0].what.identifier.value, last);
      await records.of(['session-ended'], () => hub.endSession(last, 'a test ended it'));
    }));

  it('REG-4 says who made, used, renewed and lost second factors and recovery codes, and never a code', () =>
    audited(async (records, { origin }) => {
      const password = 'a lantern of quartz';
      let admin!: ConsolePerson;
      await records.of(['sign-in'], async () => {
        admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
      });
      await records.of(['administration'], () =>
        admin.call('POST', 'users', { id: 'novak', name: 'Sara Novak', password }),
      );
      const person = new Person(origin);
      const attribute = (text: string, name: string): string => new RegExp(`${name}="([^"]*)"`).exec(text)?.[1] ?? '';
      const send = async (path: string, fields: Record<string, string>): Promise<string> => {
        const { text } = await person.go(path);
        const body = new URLSearchParams({ csrf: attribute(text, 'name="csrf" value'), ...fields });
        const answer = await person.request(path, { method: 'POST', body });
        return answer.text();
      };
      await records.of(['sign-in'], () => send('/auth/sign-in', { user: 'novak', password }));
      const act = (fields: Record<string, string>) => send('/auth/second-factor', { password, ...fields });
      const authenticator = new Authenticator(origin);
      const begin = async (): Promise<Json> => {
        const options = attribute(await act({ step: 'add-passkey', name: 'Key' }), 'data-passkey');
        return JSON.parse(options.replaceAll('&quot;', '"').replaceAll('&amp;', '&'));
      };
      const codes: string[] = [];
      /** The records of an act, so many: what was done by whom, whether it was done, and to whom where that is said. */
      const during = async (work: () => Promise<unknown>, count = 1): Promise<readonly string[]> => {
        await work();
        return (await records.next(count)).flatMap((record) => {
          assert.ok(
            codes.every((code) => !JSON.stringify(record).includes(code)),
            'a code is in a record',
          );
          const { description, what } = record.entity[0];
          if (description === undefined) return [];
          const about = what === undefined ? '' : ` of ${what.identifier.value}`;
          return [`${userOf(record)} ${description}${about} ${record.outcome}`];
        });
      };
      const keep = async (): Promise<void> => {
        const passkey = JSON.stringify(authenticator.create(await begin()));
        await act({ step: 'keep-passkey', name: 'Key', passkey });
      };
      const make = async (): Promise<void> => {
        const text = await act({ step: 'make-codes' });
        codes.splice(0, codes.length, ...[...text.matchAll(/<code>([\d-]{24})<\/code>/g)].map(([, code = '']) => code));
        assert.equal(codes.length, 10);
      };
      const enter = (code = '') =>
        fetch(`${origin}/auth/session`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ user: 'novak', password, code }),
        });
      assert.deepEqual(await during(keep), ['novak passkey.add: Key 0']);
      assert.deepEqual(await during(make), ['novak recovery-codes.make 0'], 'made');
      const [first] = codes;
      const used = (left: number) => [`novak recovery-code.use: ${left} left 0`, 'novak sign-in 0'];
      assert.deepEqual(await during(() => enter(first), 2), used(9), 'used');
      assert.deepEqual(await during(() => enter(first)), ['undefined sign-in.refuse: novak 4'], 'used before');
      assert.deepEqual(
        await during(() => enter('0000-0000-0000-0000-0000')),
        ['undefined sign-in.refuse: novak 4'],
        'wrong',
      );
      assert.deepEqual(await during(make), ['novak recovery-codes.make 0'], 'renewed');
      for (const [index, code] of codes.entries())
        assert.deepEqual(await during(() => enter(code), 2), used(9 - index));
      const { text } = await person.go('/auth/second-factor');
      const remove = { step: 'remove-passkey', id: attribute(text, 'name="id" value') };
      assert.deepEqual(
        await during(() => act(remove), 2),
        ['novak recovery-codes.remove 0', 'novak passkey.remove: Key 0'],
        'ended with the last second factor',
      );
      await during(keep);
      const off = () => admin.call('DELETE', 'users/novak/second-factor');
      assert.deepEqual(await during(off), ['admin user.second-factor of novak 0'], 'turned off by an administrator');
    }));

  it('names the patient of an event where that is asked for', () =>
    audited(
      async (records, { origin }) => {
        const hub = await HubClient.backend(origin);
        const topic = await hub.session();
        const [published] = await records.of(['publish'], () => hub.publish(topic, 'Patient-open', [patient('p1')]));
        assert.ok(published?.entity.some(({ what }: Json) => what?.reference === 'Patient/p1'));
        assert.doesNotMatch(JSON.stringify(published), /urn:mrn/);
      },
      { auditPatients: true },
    ));

  it('takes the request id of whoever asks into record and answer, unless it could steer a log', () =>
    audited(async (records, { origin }) => {
      const ask = async (headers: Record<string, string>) => {
        const response = await fetch(`${origin}/hub/x`, { headers });
        const [record] = await records.of(['context-read'], async () => undefined);
        const inRecord = record?.entity.at(-1).what.identifier.value;
        assert.equal(response.headers.get('x-request-id'), inRecord);
        return { id: inRecord as string, traceparent: response.headers.get('traceparent') };
      };
      assert.equal((await ask({ 'x-request-id': 'worklist-42' })).id, 'worklist-42');
      const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
      const traceparent = `00-${trace}-00f067aa0ba902b7-01`;
      assert.deepEqual(await ask({ traceparent }), { id: trace, traceparent });
      for (const bad of ['a b', '<x>', 'x'.repeat(129)]) assert.notEqual((await ask({ 'x-request-id': bad })).id, bad);
      assert.equal((await ask({ traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` })).traceparent, null);
    }));

  it('holds what commands do, with a server and without one, in one chain that a command verifies', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-audit-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, 'audit.jsonl');
    const config = { ...testConfig({ audit: path }), data: join(folder, 'data') };
    const add = (name: string) =>
      command(['users', 'add', name, '--data', config.data], { env: { LOCKSTEP_AUDIT: path } });
    const server = await startLockstep(config);
    assert.equal((await add('one')).code, 0);
    await server.close();
    assert.equal((await add('two')).code, 0);
    const again = await startLockstep(config);
    await again.close();

    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    const acts = lines
      .map((line) => JSON.parse(line))
      .map((record) => [codeOf(record), record.entity?.at(-1)?.what?.identifier?.value]);
    assert.deepEqual(acts.filter(([code]) => code === 'administration').length, 2, JSON.stringify(acts));
    const verify = (...args: string[]) =>
      command(['audit', 'verify', ...args, '--json'], { env: { LOCKSTEP_AUDIT: path } });
    const good = await verify();
    assert.equal(good.code, 0, good.stdout);
    assert.equal(good.json.records, lines.length);
    const { number, hash } = good.json.end;
    assert.equal((await verify('--noted', `${number}:${hash}`)).code, 0);
    assert.equal((await verify('--noted', `${number}:${'0'.repeat(64)}`)).code, 1);
    writeFileSync(
      path,
      `${lines.map((line, index) => (index === 1 ? line.replace('"outcome":"0"', '"outcome":"4"') : line)).join('\n')}\n`,
    );
    const bad = await verify();
    assert.equal(bad.code, 1);
    assert.match(bad.json.problems[0].problem, /does not follow/);
    assert.equal((await verify(join(folder, 'none'))).code, 2);
    assert.equal((await verify('--noted', 'nonsense')).code, 2);
  });

  it('refuses acts while it cannot be written, where the setting says so, and goes on by itself', async () => {
    // A port that nobody listens on any more.
    const gone = createServer();
    gone.listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address() as AddressInfo;
    gone.close();
    await once(gone, 'close');
    for (const auditFailure of ['refuse', 'continue'] as const) {
      await withLockstep(
        async ({ origin, audit }) => {
          const failing = (): boolean => (audit?.counts[0]?.failures ?? 0) > 0;
          while (!failing()) await new Promise((resolve) => setImmediate(resolve));
          const ask = () => fetch(`${origin}/hub/session`);
          const { status, headers } = await ask();
          assert.equal(status, auditFailure === 'refuse' ? 503 : 401);
          if (auditFailure === 'continue') return;
          assert.ok(Number(headers.get('retry-after')) > 0);
          assert.equal((await fetch(`${origin}/fhir/Patient/x`)).status, 503);
          assert.equal((await fetch(`${origin}/fhir/metadata`)).status, 200, 'what is not recorded goes on');
          const back = createServer((socket) => socket.resume());
          back.listen(port, '127.0.0.1');
          await once(back, 'listening');
          try {
            while ((await ask()).status === 503) await new Promise((resolve) => setTimeout(resolve, 20));
            assert.equal((await ask()).status, 401);
          } finally {
            back.close();
          }
        },
        { auditSyslog: `tcp://127.0.0.1:${port}`, auditFailure },
      );
    }
  });

  it('at a wrong place stops the start, and says what to write instead', async () => {
    for (const path of ['/no/such/folder/audit.jsonl', tmpdir()]) {
      const config = testConfig({ audit: path });
      await assert.rejects(startLockstep(config), {
        name: 'ConfigError',
        message: /LOCKSTEP_AUDIT: the file .* or off/,
      });
      await rm(config.data, { recursive: true, force: true });
    }
  });
});
