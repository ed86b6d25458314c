/** What survives the end of the process (PUB-4, SUB-11), health, and a shutdown in good order. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startLockstep } from '@lockstep/server';
import {
  HubClient,
  type Json,
  observation,
  patient,
  put,
  report,
  Subscriber,
  testConfig,
  updates,
  withLockstep,
} from './harness.ts';
import { LockstepProcess } from './process.ts';

const ANCHOR = { key: 'report', reference: { reference: 'DiagnosticReport/r1' } };

/** A session in which one update follows the other, as fast as they are accepted. */
class Stream {
  readonly hub: HubClient;
  readonly topic: string;
  subscriber: Subscriber;
  /** The value of the last update that was answered with 202, and of the last one sent. */
  accepted = 0;
  sent = 0;
  /** What the subscriber has seen last. */
  seen: { id: string; version: string };

  private constructor(hub: HubClient, topic: string, subscriber: Subscriber, opened: Json) {
    this.hub = hub;
    this.topic = topic;
    this.subscriber = subscriber;
    this.seen = { id: opened.id, version: opened.event['context.versionId'] };
  }

  static async open(hub: HubClient): Promise<Stream> {
    const topic = await hub.session();
    await hub.publish(topic, 'DiagnosticReport-open', [report('r1'), patient('p1')]);
    const subscriber = await hub.subscribe(topic, '*');
    return new Stream(hub, topic, subscriber, await subscriber.event());
  }

  /** Updates until the Hub is gone. */
  async run(step: () => void): Promise<void> {
    for (;;) {
      this.sent += 1;
      const update = [ANCHOR, updates(put(observation('o1', this.sent)))];
      const more = { 'context.versionId': this.seen.version };
      const status = await this.hub.publish(this.topic, 'DiagnosticReport-update', update, more).then(
        (response) => response.status,
        () => undefined,
      );
      if (status === undefined) return;
      assert.equal(status, 202);
      this.accepted = this.sent;
      step();
      const gone = this.subscriber.closed.then(() => undefined);
      const next = await Promise.race([this.subscriber.event(), gone]);
      if (!next) return;
      this.take(next);
    }
  }

  /** Takes an update: its version must follow the one before. */
  take({ id, event }: Json): void {
    assert.equal(event['hub.event'], 'DiagnosticReport-update');
    assert.equal(event['context.priorVersionId'], this.seen.version);
    this.seen = { id, version: event['context.versionId'] };
  }

  /** After a restart nothing that was accepted is missing, and `?since=` gives what was not seen. */
  async check(): Promise<void> {
    const context = await this.hub.context(this.topic);
    const [entry] = context.context.at(-1).resource.entry;
    const value = entry?.resource.valueInteger ?? 0;
    // The last one may have been stored without its answer arriving.
    assert.ok(value === this.accepted || value === this.sent, `${value}, accepted ${this.accepted} of ${this.sent}`);
    this.subscriber = await Subscriber.connect(`${this.subscriber.endpoint}?since=${this.seen.id}`);
    assert.equal((await this.subscriber.next())['hub.mode'], 'subscribe');
    while (this.seen.version !== context['context.versionId']) this.take(await this.subscriber.next());
    this.accepted = value;
    this.sent = value;
  }
}

describe('PUB-4 kill -9', () => {
  it('in the middle of streams of updates loses nothing that was accepted, again and again', async (t) => {
    const lockstep = await LockstepProcess.start(t);
    const hub = await HubClient.backend(lockstep.origin);
    const streams = await Promise.all(Array.from({ length: 4 }, () => Stream.open(hub)));
    for (const after of [25, 90, 40]) {
      let steps = 0;
      let killed: Promise<unknown> | undefined;
      const step = (): void => {
        steps += 1;
        if (steps === after) killed = lockstep.kill('SIGKILL');
      };
      await Promise.all(streams.map((stream) => stream.run(step)));
      await killed;
      assert.ok(steps >= after);
      await lockstep.start();
      for (const stream of streams) await stream.check();
    }
  });
});

describe('a shutdown in good order', () => {
  it('SUB-11 closes sockets with 1012 and ends with 0; subscribers return with ?since and miss nothing', async (t) => {
    const lockstep = await LockstepProcess.start(t);
    const hub = await HubClient.backend(lockstep.origin);
    const topic = await hub.session();
    const [watcher, subscriber] = [await hub.subscribe(topic, 'SyncError'), await hub.subscribe(topic, '*')];
    const accepted: string[] = [];
    /** Publishes until the Hub no longer answers. */
    const publish = async (): Promise<void> => {
      for (;;) {
        const id = crypto.randomUUID();
        const status = await hub.publish(topic, 'Patient-open', [patient('p1')], { id }).then(
          ({ status: code }) => code,
          () => undefined,
        );
        if (status === undefined) return;
        if (status === 202) accepted.push(id);
        if (accepted.length === 50) stopped ??= lockstep.kill('SIGTERM');
      }
    };
    let stopped: Promise<number | null> | undefined;
    await publish();
    assert.equal(await stopped, 0);
    assert.equal((await watcher.closed).code, 1012);
    assert.equal((await subscriber.closed).code, 1012);
    const seen = subscriber.received.filter((message) => message.event).map(({ id }) => id);
    await lockstep.start();
    const back = await Subscriber.connect(`${subscriber.endpoint}?since=${seen.at(-1)}`);
    assert.equal((await back.next())['hub.mode'], 'subscribe');
    while (!accepted.every((id) => seen.includes(id))) seen.push((await back.event()).id);
    assert.equal(new Set(seen).size, seen.length);
    assert.deepEqual(
      seen.filter((id) => accepted.includes(id)),
      accepted,
    );
    const home = crypto.randomUUID();
    const watching = await Subscriber.connect(watcher.endpoint);
    await hub.publish(
      topic,
      'SyncError',
      [{ key: 'operationoutcome', resource: { resourceType: 'OperationOutcome' } }],
      { id: home },
    );
    // Nobody was reported: the first SyncError is the one just posted.
    assert.equal((await watching.event()).id, home);
    await Promise.all([back.close(), watching.close()]);
  });

  it('the same in one process: what was open is open again', async () => {
    const config = testConfig({ sampleData: false });
    const first = await startLockstep(config);
    const hub = await HubClient.backend(first.origin);
    const topic = await hub.session();
    await hub.publish(topic, 'Patient-open', [patient('p1')]);
    const before = await hub.context(topic);
    await first.close();
    await assert.rejects(hub.context(topic));
    const second = await startLockstep({ ...config, port: first.port });
    assert.deepEqual(await hub.context(topic), before);
    await second.close();
    await rm(config.data, { recursive: true });
  });

  it('a port that is taken, or a wrong setting, is said in one line, and nothing is left running', async (t) => {
    await withLockstep(
      async ({ port }) => {
        await assert.rejects(startLockstep(testConfig({ port, sampleData: false })), {
          name: 'ConfigError',
          message: new RegExp(`PORT: the port ${port} is taken`),
        });
      },
      { sampleData: false },
    );
    await assert.rejects(LockstepProcess.start(t, { LOCKSTEP_PING_SECONDS: 'often' }), /ended with 1/);
    const file = fileURLToPath(import.meta.url);
    await assert.rejects(startLockstep(testConfig({ data: file })), {
      name: 'ConfigError',
      message: new RegExp(`LOCKSTEP_DATA: the folder ${file} cannot be made: EEXIST`),
    });
  });
});

describe('health', () => {
  it('live and ready answer 200, without a token', async () => {
    await withLockstep(
      async ({ origin }) => {
        for (const [path, status] of [
          ['live', 'live'],
          ['ready', 'ready'],
        ]) {
          const response = await fetch(`${origin}/health/${path}`);
          assert.equal(response.status, 200);
          assert.deepEqual(await response.json(), { status });
        }
      },
      { sampleData: false },
    );
  });
});

describe('the rate limit', () => {
  it('answers 429 with Retry-After beyond it, each client by itself', async () => {
    await withLockstep(
      async ({ origin }) => {
        const [greedy, modest] = [await HubClient.backend(origin), await HubClient.backend(origin)];
        const topic = await modest.session();
        const answers = await Promise.all(Array.from({ length: 60 }, () => greedy.request(`/${topic}`)));
        const statuses = answers.map(({ status }) => status);
        assert.ok(statuses.filter((status) => status === 200).length >= 10);
        const limited = answers.find(({ status }) => status === 429);
        assert.ok(limited, 'no request was refused');
        assert.match(limited.headers.get('retry-after') ?? '', /^\d+$/);
        assert.match(limited.headers.get('content-type') ?? '', /^text\/plain/);
        assert.equal((await modest.request(`/${topic}`)).status, 200);
      },
      { rateLimit: 5, sampleData: false },
    );
  });
});
