/** A commit that was made although its caller was told otherwise: what the Hub says of itself is said once (ERR-2). */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { parseSubscription } from '@lockstep/fhircast';
import { type CommitResult, type SessionStore, StoreUnavailable } from '@lockstep/store';
import { eventually } from '../test/callbacks.ts';
import { body, parameters, patient } from '../test/events.ts';
import { access, good, Peer, Rig } from '../test/rig.ts';
import { Hub } from './hub.ts';

/** What the caller of a commit that was made is told. */
const TOLD: Readonly<Record<string, (made: CommitResult) => CommitResult>> = {
  'was sent twice, and refused the second time': ({ revision }) => ({ ok: false, revision }),
  'lost its answer': () => {
    throw new StoreUnavailable('the connection was lost', 1);
  },
};

interface Scene {
  readonly rig: Rig;
  readonly subscriber: Peer;
}

/** What makes the Hub say that a subscriber does not follow. */
const CAUSES: Readonly<Record<string, (scene: Scene) => void>> = {
  'a lost connection': ({ rig, subscriber }) => {
    subscriber.connection?.closed(1006);
    rig.clock.advance(0);
  },
  'a refusal': ({ subscriber }) => subscriber.answer(409),
  'a missing answer': ({ rig }) => rig.clock.advance(20_000),
};

class Scenes {
  readonly rig: Rig;
  readonly hub: Hub;
  /** What the caller of the next commit that appends a SyncError is told. */
  told: ((made: CommitResult) => CommitResult) | undefined;
  /** How many commits were told so. */
  count = 0;

  constructor(rig: Rig) {
    this.rig = rig;
    const { sessions } = rig.store;
    const commit: SessionStore['commit'] = async (given) => {
      const made = await sessions.commit(given);
      const { told } = this;
      if (!made.ok || !told || !given.append.some(({ body: text }) => text.includes('SyncError'))) return made;
      this.told = undefined;
      this.count += 1;
      return told(made);
    };
    const store = new Proxy(sessions, {
      get: (_, name: keyof SessionStore) => (name === 'commit' ? commit : sessions[name].bind(sessions)),
    });
    this.hub = new Hub(
      { hubUrl: '', endpointUrl: (id) => id, acknowledgements: 'strict', holdOffMs: 0 },
      {
        store,
        clock: rig.clock,
        ids: { uuid: () => crypto.randomUUID(), secret: () => crypto.randomUUID() },
        failed: (error) => {
          throw error;
        },
      },
    );
  }

  static async open(t: TestContext): Promise<Scenes> {
    const rig = await Rig.open(t);
    const scenes = new Scenes(rig);
    await scenes.hub.start();
    t.after(() => scenes.hub.stop());
    return scenes;
  }

  async join(topic: string, name: string): Promise<Peer> {
    const form = { 'hub.channel.type': 'websocket', 'hub.mode': 'subscribe', 'hub.topic': topic, 'hub.events': '*' };
    const read = parseSubscription(Object.entries({ ...form, 'subscriber.name': name }));
    assert.ok(read.ok);
    const { endpoint = '' } = good(await this.hub.subscribe(access(), read.value));
    const peer = new Peer(endpoint);
    peer.connection = await this.hub.connect({ id: endpoint, topic }, peer);
    return peer;
  }
}

for (const [how, told] of Object.entries(TOLD)) {
  describe(`ERR-2 a SyncError whose commit ${how}`, () => {
    for (const [cause, happens] of Object.entries(CAUSES)) {
      it(`ERR-2 is in the log, and with everybody, once: ${cause}`, async (t) => {
        const scenes = await Scenes.open(t);
        const { rig, hub } = scenes;
        const { topic } = good(await hub.createSession(access(), { user: 'Practitioner/1' }));
        const watcher = await scenes.join(topic, 'watcher');
        const subscriber = await scenes.join(topic, 'subscriber');
        const event = JSON.stringify(body('Patient-open', [patient('p1')], { topic, id: 'opened' }));
        assert.equal(good(await hub.publish(access(), event)), 202);
        await watcher.until(() => watcher.ids.includes('opened'));
        watcher.answer(200, 'opened');
        scenes.told = told;
        happens({ rig, subscriber });
        await eventually('the commit is made', () => scenes.count === 1);
        await eventually('it is told', async () => {
          rig.clock.advance(1000);
          await hub.inspect(topic);
          return watcher.syncErrors.length > 0;
        });
        const last = JSON.stringify(body('UserLogout', [parameters], { topic, id: 'last' }));
        good(await hub.publish(access(), last));
        await watcher.until(() => watcher.ids.includes('last'));
        assert.equal(watcher.syncErrors.length, 1);
        assert.equal(new Set(watcher.ids).size, watcher.ids.length);
      });
    }
  });
}
