/** Publishes one event to 1 and then to 4 subscribers of a server in this process, and prints the calls that it takes, as JSON. */
import { rm } from 'node:fs/promises';
import { BroadcastChannel } from 'node:worker_threads';
import { startLockstep } from '@lockstep/server';
import { HubClient, patient, testConfig } from '../harness.ts';
import { type Calls, CHANNEL, type Said, type Step } from './calls.ts';

/** The calls of one event. */
export interface EventCalls {
  readonly subscribers: number;
  /** On the main thread, until the event is answered. */
  readonly main: readonly Step[];
  /** On the store's thread. */
  readonly store: readonly Step[];
}

/** The last thing that is done for a published event. */
const ANSWERED = 'server/http/request-metrics.ts#count';
const STORE = 'store-sqlite/worker.ts';

const { $calls: calls } = globalThis as unknown as { readonly $calls: Calls };
const channel = new BroadcastChannel(CHANNEL);

/** Asks the store's thread. */
function ask(say: 'begin' | 'take'): Promise<Said> {
  return new Promise((resolve) => {
    channel.onmessage = (event) => {
      const { data } = event as unknown as { readonly data: Said };
      if ('thread' in data && data.thread === STORE) resolve(data);
    };
    channel.postMessage({ say } satisfies Said);
  });
}

const config = testConfig();
const lockstep = await startLockstep(config);
const { counts } = lockstep.hub;
const ehr = await HubClient.backend(lockstep.origin);

async function walk(subscribers: number): Promise<EventCalls> {
  const topic = await ehr.session();
  const all = [];
  for (let n = 0; n < subscribers; n++) {
    const subscriber = await ehr.subscribe(topic, 'Patient-open');
    await subscriber.next();
    all.push(subscriber);
  }
  // The counted event finds what nearly every event finds: a session in use, whose subscribers have answered.
  for (const id of ['first', 'second', 'third']) {
    const answered = counts.answered + subscribers;
    await ehr.publish(topic, 'Patient-open', [patient(id)]);
    for (const one of all) await one.event();
    while (counts.answered < answered) await new Promise((resolve) => setImmediate(resolve));
  }
  await ask('begin');
  calls.begin(ANSWERED);
  const { status } = await ehr.publish(topic, 'Patient-open', [patient('counted')]);
  const main = calls.take();
  if (status !== 202) throw new Error(`the event was answered with ${status}`);
  for (const one of all) await one.event();
  const taken = await ask('take');
  if (taken.say !== 'taken') throw new Error('the store did not say what it did');
  for (const one of all) await one.close();
  return { subscribers, main, store: taken.steps };
}

try {
  console.log(JSON.stringify([await walk(1), await walk(4)]));
} finally {
  channel.close();
  await lockstep.close();
  await rm(config.data, { recursive: true, force: true });
}
