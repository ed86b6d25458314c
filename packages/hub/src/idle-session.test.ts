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

  publish(id: string, event = 'Patient-open', context: readonly unknown[] = [patient('p1')]): Published {
    const { topic } = this;
    const read = readExact(JSON.stringify(body(event, context, { topic, id })), EVENT_TEXT);
    assert.ok(read.ok);
    return this.rig.hub.publishing.publishRead(access(), read.value);
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
  assert.equal(refusal(await scene.publish('closed', 'Patient-close')), 409);
  const [refused, accepted] = [scene.publish('again', 'Patient-close'), scene.publish('open')];
  assert.equal(refusal(await refused), 409);
  assert.equal(good(await accepted), 202);
  assert.equal(scene.rig.hub.counts.refused, 2);
});

it('PUB-4 after a failure in the rules the session goes on', async (t) => {
  const scene = await Scene.open(t);
  const { clock } = scene.rig;
  const { now } = clock;
  clock.now = () => {
    throw new Error('no time');
  };
  const failed = scene.publish('one');
  clock.now = now;
  await assert.rejects(failed, { message: 'no time' });
  assert.equal(good(await scene.publish('two')), 202);
  assert.deepEqual(scene.given, ['two']);
});
