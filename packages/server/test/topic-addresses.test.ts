/** SES-9: `{hub.url}/{topic}`, also of a topic that a subscriber computed (LAU-2), at every door that takes a topic. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { deriveTopic } from '@lockstep/fhircast';
import fastify from 'fastify';
import { findRunning } from '../src/admin/running.ts';
import {
  Backend,
  EVERYTHING,
  HubClient,
  type Json,
  json,
  patient,
  Subscriber,
  testConfig,
  withLockstep,
} from './harness.ts';
import { App, Person } from './person.ts';

const USER = 'dr-lena-okafor';
const FORM = { 'hub.channel.type': 'websocket', 'hub.mode': 'subscribe', 'hub.events': 'Patient-open,Patient-close' };

interface Stage {
  readonly origin: string;
  readonly hub: HubClient;
  /** The Hub's own name of the session. */
  readonly topic: string;
  /** Another token of the same kind, for subscriptions of its own. */
  readonly derive: () => Promise<string>;
}

async function onStage(run: (stage: Stage) => Promise<void>): Promise<void> {
  const config = testConfig();
  await withLockstep(async ({ origin }) => {
    const kinds = ['derived', 'backend'];
    const backend = await Backend.register(origin, { client_name: 'Dictation', launch_kinds: kinds });
    const running = (await findRunning(config.data))!;
    const headers = { authorization: `Bearer ${running.token}`, 'content-type': 'application/json' };
    const made = fetch(`${running.url}/api/admin/apps/${backend.clientId}/topic-secret`, {
      method: 'POST',
      headers,
      body: '{}',
    });
    const { topicSecret } = await json(made);
    const hub = new HubClient(`${origin}/hub`, await backend.token());
    const topic = await (await HubClient.backend(origin, EVERYTHING)).session(USER);
    await run({ origin, hub, topic, derive: () => deriveTopic('lokafor', topicSecret) });
  }, config);
}

/** A door that takes a topic, and what it tells of the topic; undefined where it tells none. */
type Door = (hub: HubClient, written: string) => Promise<string | undefined>;

async function ok(response: Promise<Response>, status = 202): Promise<Response> {
  const answer = await response;
  if (answer.status !== status) assert.fail(`${answer.status} ${await answer.text()}`);
  return answer;
}

async function told(subscribed: Response): Promise<string> {
  const socket = await Subscriber.connect((await json(subscribed))['hub.channel.endpoint']);
  const { 'hub.topic': topic } = await socket.next();
  await socket.close();
  return topic;
}

const path = (hub: HubClient, written: string): string => {
  // At the address itself, or with the address in the place of a topic.
  const own = written.startsWith(`${hub.hubUrl}/`) ? written.slice(hub.hubUrl.length) : undefined;
  return own ?? `/${encodeURIComponent(written)}`;
};

const event = (topic: string | undefined): Json => ({
  timestamp: new Date().toISOString(),
  id: crypto.randomUUID(),
  event: { 'hub.topic': topic, 'hub.event': 'Patient-open', context: [patient('p1')] },
});

const DOORS: Readonly<Record<string, Door>> = {
  'subscribe by form': async (hub, written) => {
    const named = { ...FORM, 'hub.topic': written, 'subscriber.name': crypto.randomUUID() };
    return told(await ok(hub.form(named)));
  },
  'subscribe by JSON': async (hub, written) => {
    const named = { ...FORM, 'hub.topic': written, 'subscriber.name': crypto.randomUUID() };
    return told(await ok(hub.json('', named)));
  },
  'subscribe at the address': async (hub, written) => {
    const body = new URLSearchParams({ ...FORM, 'subscriber.name': crypto.randomUUID() });
    await told(await ok(hub.request(path(hub, written), { method: 'POST', body })));
    return undefined;
  },
  'publish by body': async (hub, written) => {
    await ok(hub.json('', event(written)));
    return undefined;
  },
  'publish at the address': async (hub, written) => {
    await ok(hub.json(path(hub, written), event(written)));
    return undefined;
  },
  'publish with the topic in the path as an address': async (hub, written) => {
    await ok(hub.json(`/${encodeURIComponent(written)}`, event(written)));
    return undefined;
  },
  'read the context': async (hub, written) => {
    const answer = await ok(hub.request(path(hub, written)), 200);
    assert.equal((await json(answer))['context.type'], 'Patient');
    return undefined;
  },
  'read the context by an address in the path': async (hub, written) => {
    await ok(hub.request(`/${encodeURIComponent(written)}`), 200);
    return undefined;
  },
  'unsubscribe by form': async (hub, written) => {
    const name = { 'subscriber.name': crypto.randomUUID() };
    const { 'hub.channel.endpoint': endpoint } = await json(ok(hub.form({ ...FORM, ...name, 'hub.topic': written })));
    const socket = await Subscriber.connect(endpoint);
    await socket.next();
    const leaving = { ...FORM, ...name, 'hub.mode': 'unsubscribe', 'hub.channel.endpoint': endpoint };
    await ok(hub.form({ ...leaving, 'hub.topic': written }));
    while (true) {
      const message = await socket.next();
      if (message['hub.mode'] === 'denied') return message['hub.topic'];
    }
  },
};

describe('SES-9 {hub.url}/{topic} in the place of a topic', () => {
  it('is looked up at once, with hundreds of thousands of slashes in it too: nobody else waits for that (CWE-1333)', () =>
    onStage(async ({ hub }) => {
      const written = `${hub.hubUrl}/${'/'.repeat(900_000)}x`;
      assert.equal((await hub.json('', event(written))).status, 404);
      const short = `${hub.hubUrl}/${'/'.repeat(20_000)}x`;
      assert.equal((await hub.form({ ...FORM, 'hub.topic': short })).status, 404);
    }));

  it('is taken at every door and answered as it was written, for topics of the Hub and computed ones', () =>
    onStage(async ({ origin, hub, topic, derive }) => {
      await ok(hub.json('', event(topic)));
      const writings: Readonly<Record<string, () => Promise<string>>> = {
        'the topic': async () => topic,
        'its address': async () => `${origin}/hub/${topic}`,
        'its address at /api/hub': async () => `${origin}/api/hub/${topic}`,
        'its address with a slash': async () => `${origin}/hub/${topic}/`,
        'a computed topic': derive,
        'the address of a computed topic': async () => `${origin}/hub/${encodeURIComponent(await derive())}`,
        'the address of a computed topic, not encoded': async () => `${origin}/hub/${await derive()}`,
      };
      for (const [how, write] of Object.entries(writings)) {
        for (const [door, enter] of Object.entries(DOORS)) {
          const written = await write();
          // Base64 may hold a slash: then it is no part of a path unless it is encoded.
          if (/at the address|read the context$/.test(door) && /not encoded/.test(how)) continue;
          const answered = await enter(hub, written).catch((error: Error) => assert.fail(`${door}, ${how}: ${error}`));
          if (answered !== undefined) assert.equal(answered, written, `${door}, ${how}`);
        }
      }
      const other = await hub.request(`/${topic}`, {
        method: 'POST',
        body: new URLSearchParams({ ...FORM, 'hub.topic': 'another' }),
      });
      assert.deepEqual(
        [other.status, (await other.text()).trim()],
        [400, 'hub.topic and the topic in the path differ'],
      );
      await ok(hub.request(`/session/${encodeURIComponent(`${origin}/hub/${topic}`)}`, { method: 'DELETE' }), 204);
    }));

  it('is taken for the session of a launch, and given as cast-session to who asks with the bare scope', () =>
    onStage(async ({ origin }) => {
      const person = new Person(origin);
      const { session_topic: topic } = await person.signIn(USER);
      const app = await App.register(origin);
      const launch = { client_id: app.clientId, topic: `${origin}/hub/${topic}` };
      const { status, body } = await person.launch(launch);
      assert.equal(status, 201, JSON.stringify(body));
      assert.equal((await person.launch({ ...launch, topic: `${origin}/elsewhere/${topic}` })).status, 400);
    }));
});

describe('SES-3 the answer of the session query', () => {
  it('follows docs/api/session-query.schema.json', () =>
    onStage(async ({ origin, hub, topic }) => {
      const schema = JSON.parse(
        readFileSync(new URL('../../../docs/api/session-query.schema.json', import.meta.url), 'utf8'),
      );
      const checker = fastify({
        ajv: { customOptions: { strict: false, coerceTypes: false, removeAdditional: false } },
      });
      checker.post('/', { schema: { body: schema } }, async () => 'good');
      const judge = async (list: unknown): Promise<string> =>
        (await checker.inject({ method: 'POST', url: '/', payload: list as object })).body;
      const listed = async (): Promise<Json[]> => json(hub.request('/session')) as unknown as Promise<Json[]>;
      assert.equal(await judge(await listed()), 'good');
      const socket = await hub.subscribe(topic, 'Patient-open', { 'subscriber.name': 'Viewer' });
      socket.answer = () => 409;
      await ok(hub.json('', event(topic)));
      await socket.event();
      const driver = await HubClient.backend(origin, EVERYTHING);
      await ok(driver.json('/session', { user: 'nobody-here', workstation: 'w', label: 'l' }), 201);
      let sessions = await listed();
      // The refusal is told once the Hub has read it.
      while (!sessions.some(({ notFollowing }) => notFollowing)) sessions = await listed();
      assert.equal(await judge(sessions), 'good');
      assert.equal(sessions.length, 2);
      for (const spoilt of [
        sessions.map(({ 'hub.topic': _, ...one }) => one),
        sessions.map((one) => ({ ...one, started: 'yesterday' })),
        sessions.map((one) => ({ ...one, notFollowing: [{ subscriber: 'x', why: 'lazy', since: one.started }] })),
        sessions[0],
      ]) {
        assert.notEqual(await judge(spoilt), 'good', 'the schema tells good from bad');
      }
      await checker.close();
      await socket.close();
    }));
});
