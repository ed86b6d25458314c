import assert from 'node:assert/strict';
import test from 'node:test';
import { HubClient, type Json, patient, type Subscriber } from './harness.ts';
import { LockstepProcess } from './process.ts';

/** ms that an application takes to answer. */
const ANSWER = 300;
/** ms that subscribers have for their answers. */
const LIMIT = 3000;
/** ms that the process stands still. */
const PAUSE = 4500;

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Takes messages until it has the event of an id; fails where the Hub closes the socket instead. */
async function until(subscriber: Subscriber, id: string): Promise<void> {
  const closed = subscriber.closed.then(({ code, reason }) => assert.fail(`closed with ${code}: ${reason}`));
  while ((await Promise.race([subscriber.event(), closed])).id !== id);
}

test('ERR-4 a process that stood still for longer than the answer time holds it against no subscriber', async (t) => {
  const lockstep = await LockstepProcess.start(t, {
    LOCKSTEP_ANSWER_SECONDS: String(LIMIT / 1000),
    LOCKSTEP_MAX_UNANSWERED: '1',
    LOCKSTEP_ACKNOWLEDGEMENTS: 'strict',
  });
  const hub = await HubClient.backend(lockstep.origin);
  const topic = await hub.session();
  const join = (name: string): Promise<Subscriber> => hub.subscribe(topic, '*', { 'subscriber.name': name });
  const subscribers = await Promise.all(['Answers meanwhile', 'Answers meanwhile too', 'Answers after it'].map(join));
  // Answers come when the application is ready, by way of its socket.
  const answers: Promise<void>[] = [];
  let resume = (): void => undefined;
  const resumed = new Promise<void>((resolve) => {
    resume = resolve;
  });
  for (const [n, subscriber] of subscribers.entries()) {
    const { socket } = subscriber;
    subscriber.answer = ({ id }: Json) => {
      const ready = n === 2 ? resumed : after(ANSWER);
      answers.push(ready.then(() => socket.send(JSON.stringify({ id, status: 200 }))));
      return undefined;
    };
  }

  for (const id of ['1', '2', '3', '4']) {
    assert.equal((await hub.publish(topic, 'Patient-open', [patient(id)], { id })).status, 202);
  }
  await Promise.all(subscribers.map((subscriber) => until(subscriber, '4')));
  lockstep.signal('SIGSTOP');
  await after(PAUSE);
  lockstep.signal('SIGCONT');
  resume();
  await Promise.all(answers);

  // What the pause would have caused comes before an event that is published after it.
  assert.equal((await hub.publish(topic, 'Patient-open', [patient('5')], { id: '5' })).status, 202);
  await Promise.all(subscribers.map((subscriber) => until(subscriber, '5')));
  for (const { received, socket } of subscribers) {
    const told = received.filter(({ event }) => event).map(({ id }) => id);
    assert.deepEqual(told, ['1', '2', '3', '4', '5']);
    assert.deepEqual(
      received.filter((message) => message['hub.mode'] === 'denied'),
      [],
    );
    assert.equal(socket.readyState, socket.OPEN);
  }
});
