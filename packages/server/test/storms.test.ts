import assert from 'node:assert/strict';
import test from 'node:test';
import { HubClient, type Json, patient, Subscriber, withLockstep } from './harness.ts';

const SOCKETS = 64;

const nameOf = ({ event }: Json): string => event?.['hub.event'];

/** Takes messages until one fits. */
async function until(subscriber: Subscriber, fits: (message: Json) => boolean): Promise<void> {
  while (!fits(await subscriber.next()));
}

test('ERR-3, ERR-8 64 sockets of one session that drop and are back within the hold-off are no SyncError', async () => {
  // Long enough for all to be back on a slow machine.
  const limits = { maxSubscriptions: SOCKETS + 2, maxSubscriptionsPerClient: SOCKETS + 2, holdOffMilliseconds: 5000 };
  await withLockstep(async ({ origin }) => {
    const hub = await HubClient.backend(origin);
    const topic = await hub.session();
    await hub.publish(topic, 'Patient-open', [patient('p1')], { id: 'standing' });
    const watcher = await hub.subscribe(topic, 'SyncError,org.lockstep.following', { 'subscriber.name': 'Watcher' });
    const names = Array.from({ length: SOCKETS }, (_, n) => `Viewer ${n}`);
    const sockets = await Promise.all(
      names.map((name) => hub.subscribe(topic, 'Patient-open,SyncError', { 'subscriber.name': name })),
    );
    await Promise.all(sockets.map((socket) => until(socket, ({ id }) => id === 'standing')));

    for (const { socket } of sockets) socket.terminate();
    await until(watcher, (message) => {
      if (nameOf(message) !== 'org.lockstep.following') return false;
      return message.event.context.filter(({ why }: Json) => why === 'lost').length === SOCKETS;
    });
    const back = await Promise.all(sockets.map(({ endpoint }) => Subscriber.connect(endpoint)));
    await Promise.all(back.map((socket) => until(socket, ({ id }) => id === 'standing')));

    // One more is lost and stays away. Its SyncError is the first: what the others would have caused was due before it.
    const gone = await hub.subscribe(topic, 'Patient-open', { 'subscriber.name': 'Gone' });
    await until(gone, ({ id }) => id === 'standing');
    gone.socket.terminate();
    for (const socket of [watcher, ...back]) await until(socket, (message) => nameOf(message) === 'SyncError');
    for (const { received } of [watcher, ...back]) {
      const errors = received.filter((message) => nameOf(message) === 'SyncError');
      const subjects = errors.map(({ event }) => event.context[0].resource.issue[0].details.coding[2].code);
      assert.deepEqual(subjects, ['Gone']);
    }
    await Promise.all([watcher, ...back].map((socket) => socket.close()));
  }, limits);
});
