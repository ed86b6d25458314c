import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { deriveTopic, Scopes } from '@lockstep/fhircast';
import type { Access } from '@lockstep/hub';
import { launchRig } from '../../test/launch-rig.ts';
import { DerivedTopicDirectory, NONCE_WINDOW } from './derived-topics.ts';
import { TopicSecrets } from './topic-secrets.ts';

const USER = 'Practitioner/dr-lena-okafor';

function backend(clientId: string, more: Partial<Access> = {}): Access {
  return {
    tokenId: 't',
    grantId: 'g',
    clientId,
    clientName: clientId,
    scopes: new Scopes('fhircast/*.* hub/session.*'),
    expiresAt: Number.MAX_SAFE_INTEGER,
    userAliases: [],
    topics: [],
    sessions: 'all',
    switches: {},
    ...more,
  };
}

async function bench(t: TestContext) {
  const rig = await launchRig(t);
  const { store, clock, hub } = rig;
  const topics = new DerivedTopicDirectory({ records: store.records, clock, hub });
  const secrets = new TopicSecrets(store.records, () => clock.now());
  const secret = await secrets.renew('pacs');
  const derive = (user = USER): Promise<string> => deriveTopic(user, secret, clock.now());
  return { ...rig, topics, secrets, secret, derive };
}

async function refusal(answer: ReturnType<DerivedTopicDirectory['resolve']>): Promise<string> {
  const found = await answer;
  assert.ok(found && !found.ok);
  return `${found.status} ${found.reason}`;
}

test("LAU-2 a derived topic is the user's session", async (t) => {
  const { topics, derive, hub } = await bench(t);
  const { topic } = await hub.openSession({ user: USER });
  assert.deepEqual(await topics.resolve(await derive(), backend('pacs'), 'PACS'), { ok: true, value: topic });
  assert.equal((await hub.sessions()).length, 1);
});

test('LAU-2 a session is opened only for a subscriber that may open one', async (t) => {
  const { topics, derive, hub } = await bench(t);
  assert.match(await refusal(topics.resolve(await derive(), backend('pacs'))), /^404 /);
  const reader = backend('pacs', { scopes: new Scopes('fhircast/*.*') });
  assert.match(await refusal(topics.resolve(await derive(), reader, 'PACS')), /^404 .*hub\/session\.write/);
  const others = backend('pacs', { sessions: { users: ['Practitioner/somebody-else'] } });
  assert.match(await refusal(topics.resolve(await derive(), others, 'PACS')), /^404 /);
  assert.deepEqual(await hub.sessions(), []);

  const made = await topics.resolve(await derive(), backend('pacs'), 'PACS');
  assert.ok(made?.ok);
  assert.deepEqual(
    (await hub.sessions()).map(({ topic, info }) => [topic, info.user]),
    [[made.value, USER]],
  );
});

test('LAU-2 two apps that start at the same moment meet in one new session', async (t) => {
  const { topics, derive, hub } = await bench(t);
  const made = await Promise.all(
    ['A', 'B', 'C'].map(async (name) => topics.resolve(await derive(), backend('pacs'), name)),
  );
  assert.equal(new Set(made.map((one) => one?.ok && one.value)).size, 1);
  assert.equal((await hub.sessions()).length, 1);
});

test('LAU-2 of two nodes one opens the session, and what a node left that died does not keep the others', async (t) => {
  const { store, clock, hub, derive } = await bench(t);
  const waits: number[] = [];
  const node = (onWait = (): void => undefined) => {
    const after = (ms: number, run: () => void): (() => void) => {
      waits.push(ms);
      onWait();
      const timer = setTimeout(run, 1);
      return () => clearTimeout(timer);
    };
    return new DerivedTopicDirectory({ records: store.records, clock: { now: clock.now, after }, hub });
  };
  const made = await Promise.all(
    [node(), node(), node()].map(async (one) => one.resolve(await derive(), backend('pacs'), 'PACS')),
  );
  assert.equal(new Set(made.map((one) => one?.ok && one.value)).size, 1);
  assert.equal((await hub.sessions()).length, 1);

  const other = 'Practitioner/dr-mei-tanaka';
  const left = { body: '{}', expiresAt: clock.now() + 10_000 };
  await store.records.put('topic-opening', other.toLowerCase(), left, clock.now());
  waits.length = 0;
  const patient = node(() => {
    clock.time += 4_000;
  });
  assert.ok((await patient.resolve(await derive(other), backend('pacs'), 'PACS'))?.ok);
  assert.equal(waits.length, 3);
});

test('LAU-2 a nonce outside its window is refused, before and after', async (t) => {
  const { topics, derive, hub, clock } = await bench(t);
  await hub.openSession({ user: USER });
  const [old, inTime] = [await derive(), await derive()];
  clock.time += NONCE_WINDOW;
  assert.ok((await topics.resolve(inTime, backend('pacs'), 'PACS'))?.ok);
  clock.time += 1;
  assert.match(await refusal(topics.resolve(old, backend('pacs'), 'PACS')), /^403 .*clock/);
  const ahead = await derive();
  clock.time -= NONCE_WINDOW + 1;
  assert.match(await refusal(topics.resolve(ahead, backend('pacs'), 'PACS')), /^403 .*clock/);
});

test('LAU-2 a topic that another subscriber has used is refused; its own subscriber returns with it', async (t) => {
  const { topics, derive, hub, clock } = await bench(t);
  await hub.openSession({ user: USER });
  const topic = await derive();
  assert.ok((await topics.resolve(topic, backend('pacs'), 'Reading room 1'))?.ok);
  assert.match(await refusal(topics.resolve(topic, backend('pacs'), 'Reading room 2')), /^403 .*another subscriber/);
  assert.ok((await topics.resolve(topic, backend('pacs', { tokenId: 't2', grantId: 't2' }), 'Reading room 1'))?.ok);
  clock.time += 6 * 24 * 3_600_000;
  assert.ok((await topics.resolve(topic, backend('pacs'), 'Reading room 1'))?.ok, 'long after its window');
  assert.match(await refusal(topics.resolve(topic, backend('pacs'), 'Reading room 2')), /^403 /);
  clock.time += 6 * 24 * 3_600_000;
  assert.ok((await topics.resolve(topic, backend('pacs'), 'Reading room 1'))?.ok, 'each use keeps it');
});

test('LAU-2 of parallel subscribers with one topic exactly one gets it', async (t) => {
  const { topics, derive, hub } = await bench(t);
  await hub.openSession({ user: USER });
  const topic = await derive();
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) => topics.resolve(topic, backend('pacs'), `Workstation ${index}`)),
  );
  assert.equal(answers.filter((one) => one?.ok).length, 1);
});

test("LAU-2 a person's next sign-in needs a topic of its own", async (t) => {
  const { topics, derive, hub } = await bench(t);
  await hub.openSession({ user: USER });
  const topic = await derive();
  const first = backend('pacs', { user: USER, grantId: 'first' });
  assert.ok((await topics.resolve(topic, first, 'PACS'))?.ok);
  assert.match(await refusal(topics.resolve(topic, { ...first, grantId: 'second' }, 'PACS')), /^403 /);
});

test("LAU-2 another client's secret, an old secret and a changed topic mean nothing", async (t) => {
  const { topics, secrets, derive, hub } = await bench(t);
  await hub.openSession({ user: USER });
  const topic = await derive();
  await secrets.renew('viewer');
  assert.equal(await topics.resolve(topic, backend('viewer'), 'PACS'), undefined);
  assert.equal(await topics.resolve(topic, backend('without-secret'), 'PACS'), undefined);
  const changed = `${topic.slice(0, 40)}${topic[40] === 'A' ? 'B' : 'A'}${topic.slice(41)}`;
  assert.equal(await topics.resolve(changed, backend('pacs'), 'PACS'), undefined);
  assert.equal(await topics.resolve(crypto.randomUUID(), backend('pacs'), 'PACS'), undefined);
  await secrets.renew('pacs');
  assert.equal(await topics.resolve(topic, backend('pacs'), 'PACS'), undefined);
});

test('LAU-2 SES-3 a placeholder for a name is no name', async (t) => {
  const { topics, derive, hub } = await bench(t);
  await hub.openSession({ user: USER });
  for (const name of ['?', ' ? ', ' ']) {
    assert.match(await refusal(topics.resolve(await derive(name), backend('pacs'), 'PACS')), /^404 /);
  }
});

test('LAU-2 the topic ends with its session', async (t) => {
  const { topics, derive, hub } = await bench(t);
  const { topic } = await hub.openSession({ user: USER });
  const derived = await derive();
  assert.ok((await topics.resolve(derived, backend('pacs'), 'PACS'))?.ok);
  await hub.endSession(topic, 'over');
  assert.match(await refusal(topics.resolve(derived, backend('pacs'), 'PACS')), /^403 .*ended/);
});
