/** An event whose session is in memory and idle goes from its text to the store without waiting; any other has its turn. */
import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { EVENT_TEXT, readExact } from '@lockstep/fhircast';
import type { SessionStore } from '@lockstep/store';
import { body, patient } from '../test/events.ts';
import { access, good, Rig, refusal } from '../test/rig.ts';
import type { Answer } from './requests/answers.ts';

type Published = Promise<Answer<202 | 206>>;

/** A Hub, and the ids of the events that its store was given to keep. */
class Scene {
  readonly rig: Rig;
  readonly topic: string;
  readonly given: readonly string[];

  constructor(rig: Rig, topic: string, given: readonly string[]) {
    this.rig = rig;
    this.topic = topic;
    this.given = given;
  }

  static async open(t: TestContext): Promise<Scene> {
    const given: string[] = [];
    const over = (sessions: SessionStore): SessionStore => {
      const commit: SessionStore['commit'] = (one) => {
        given.push(...one.append.map(({ id }) => id));
        return sessions.commit(one);
      };
      return new Proxy(sessions, {
        get: (_, name: keyof SessionStore) => (name === 'commit' ? commit : sessions[name].bind(sessions)),
      });
    };
    const rig = await Rig.open(t, { over });
    return new Scene(rig, await rig.session(), given);
  }

  publish(id: string, as = access(), event = 'Patient-open'): Published {
    const { topic } = this;
    const read = readExact(JSON.stringify(body(event, [patient('p1')], { topic, id })), EVENT_TEXT);
    assert.ok(read.ok);
    return this.rig.hub.publishing.publishRead(as, read.value);
  }
}

it('PUB-4 an event of an idle session is with the store before publishing returns', async (t) => {
  const scene = await Scene.open(t);
  for (const id of ['one', 'two', 'three']) {
    const published = scene.publish(id);
    assert.equal(scene.given.at(-1), id);
    assert.equal(good(await published), 202);
  }
});

it('PUB-3 events that are published while one is under way have their turn, in their order', async (t) => {
  const scene = await Scene.open(t);
  const all = [scene.publish('one'), scene.publish('two'), scene.publish('three')];
  assert.deepEqual(scene.given, ['one']);
  assert.deepEqual((await Promise.all(all)).map(good), [202, 202, 202]);
  assert.deepEqual(scene.given, ['one', 'two', 'three']);
});

it('PUB-2 what is refused holds up nothing, and is decided once', async (t) => {
  const scene = await Scene.open(t);
  assert.equal(refusal(await scene.publish('closed', access(), 'Patient-close')), 409);
  const [refused, accepted] = [scene.publish('again', access(), 'Patient-close'), scene.publish('open')];
  assert.equal(refusal(await refused), 409);
  assert.equal(good(await accepted), 202);
  assert.equal(scene.rig.hub.counts.refused, 2);
});

it('PUB-4 a failure in the rules is that of its own event, at once or after a wait, and the session goes on', async (t) => {
  const scene = await Scene.open(t);
  const broken = Object.defineProperty(access(), 'scopes', {
    get: () => {
      throw new Error('no scopes');
    },
  });
  const failed = { message: 'no scopes' };
  await assert.rejects(scene.publish('at once', broken), failed);
  const first = scene.publish('one');
  const waiting = [scene.publish('two', broken), scene.publish('three', broken)];
  const last = scene.publish('four');
  for (const one of waiting) await assert.rejects(one, failed);
  assert.deepEqual([await first, await last].map(good), [202, 202]);
  assert.deepEqual(scene.given, ['one', 'four']);
});
