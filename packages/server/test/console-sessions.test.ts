/** The console's list of sessions at a hospital's sizes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lockstep } from '@lockstep/server';
import { ConsolePerson } from './console-person.ts';
import { HubClient, type Json, json, patient, withLockstep } from './harness.ts';

const COUNT = 250;

async function openSessions({ hub }: Lockstep): Promise<readonly string[]> {
  const started = await Promise.all(
    Array.from({ length: COUNT }, (_, index) =>
      hub.openSession({
        user: `Practitioner/reader-${index}`,
        workstation: `Desk-${'abcdefghij'[index % 10]}`,
        label: 'Night',
      }),
    ),
  );
  return started.map(({ topic }) => topic);
}

test('ERR-8 the list of sessions comes in pages, trouble first, and is searched by user, workstation and patient', () =>
  withLockstep(async (lockstep) => {
    const { origin } = lockstep;
    const topics = await openSessions(lockstep);
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const list = (query: string): Promise<Json> => json(admin.call('GET', `sessions?${query}`));

    const seen = new Set<string>();
    for (let offset = 0; offset < COUNT; offset += 100) {
      const { sessions, total, troubled } = await list(`offset=${offset}`);
      assert.ok(sessions.length <= 100);
      assert.deepEqual([total, troubled], [COUNT + 1, 0]);
      for (const { topic } of sessions) seen.add(topic);
    }
    for (const topic of topics) assert.ok(seen.has(topic));

    const hub = await HubClient.backend(origin);
    const [quiet = '', refused = ''] = topics;
    const pacs = await hub.subscribe(refused, 'Patient-open', { 'subscriber.name': 'Desktop PACS' });
    pacs.answer = () => 409;
    const named = { name: [{ given: ['Žofia'], family: 'Müller' }], birthDate: '1980-05-06' };
    for (const topic of [refused, quiet]) {
      const open = patient(`p-${topic.slice(0, 8)}`);
      await hub.publish(topic, 'Patient-open', [{ ...open, resource: { ...open.resource, ...named } }]);
    }
    while ((await list('limit=1')).troubled === 0);
    const [first] = (await list('limit=1')).sessions;
    assert.equal(first.topic, refused, 'a session with trouble stands before one that changed later');
    assert.deepEqual(
      first.notFollowing.map(({ name, why }: Json) => [name, why]),
      [['Desktop PACS', 'refused']],
    );
    assert.deepEqual(first.patient, {
      name: 'Žofia Müller',
      birthDate: '1980-05-06',
      number: `p-${refused.slice(0, 8)}`,
    });

    const totals: [string, number][] = [
      ['search=muller', 2],
      ['search=zofia+m%C3%BCll', 2],
      [`search=p-${refused.slice(0, 8)}`, 1],
      ['search=reader-17', 11],
      ['search=desk-c', 25],
      ['search=desk-c+reader-12', 2],
      ['search=nobody+of+this+name', 0],
    ];
    for (const [query, total] of totals) assert.equal((await list(query)).total, total, query);
    assert.equal((await list('search=muller')).troubled, 1);

    pacs.answer = () => 200;
    await hub.publish(refused, 'Patient-open', [patient('later')]);
    while ((await list('')).troubled > 0);
    await lockstep.hub.endSession(refused, 'over');
    assert.equal((await list(`search=p-${refused.slice(0, 8)}`)).total, 0);
    assert.equal((await list('search=muller')).total, 1);
    for (const offset of ['-1', 'x', '1.5'])
      assert.equal((await admin.call('GET', `sessions?offset=${offset}`)).status, 400);
    await pacs.close();
  }));

test('a request for the list reads the sessions that changed and those it shows, not all', () =>
  withLockstep(async (lockstep) => {
    const topics = await openSessions(lockstep);
    const admin = await ConsolePerson.signIn(lockstep.origin, { sample: 'admin' });
    const list = async (query: string): Promise<Json> => json(admin.call('GET', `sessions?${query}`));
    await list('limit=1');
    const inspected: string[] = [];
    const inspect = lockstep.hub.inspect.bind(lockstep.hub);
    lockstep.hub.inspect = (topic) => {
      inspected.push(topic);
      return inspect(topic);
    };
    await list('limit=10');
    assert.equal(inspected.length, 10);
    inspected.length = 0;
    await lockstep.hub.endSession(topics[5] ?? '', 'over');
    assert.equal((await list('limit=10')).total, COUNT);
    assert.ok(inspected.length <= 11, `${inspected.length} were read`);
  }));
