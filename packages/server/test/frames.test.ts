import assert from 'node:assert/strict';
import test from 'node:test';
import { HubClient, patient, withLockstep } from './harness.ts';

test('PUB-3 events of every length reach all subscribers whole', () =>
  withLockstep(async ({ origin }) => {
    const hub = await HubClient.backend(origin);
    const topic = await hub.session();
    const subscribers = await Promise.all([1, 2, 3].map(() => hub.subscribe(topic, 'org.example.note')));
    // Around the lengths at which a frame's header grows (RFC 6455 section 5.2), and with bytes beyond ASCII.
    for (const length of [0, 126, 65_000, 65_500, 66_000, 900_000]) {
      const note = 'é'.repeat(length / 4) + 'x'.repeat(length / 2);
      assert.equal((await hub.publish(topic, 'org.example.note', [{ key: 'note', note }])).status, 202);
      for (const subscriber of subscribers) {
        const { event } = await subscriber.event();
        assert.deepEqual(event.context, [{ key: 'note', note }]);
      }
    }
  }));

test('SUB-9 what the Hub says last comes after the events before it', () =>
  withLockstep(async ({ origin }) => {
    const hub = await HubClient.backend(origin);
    const topic = await hub.session();
    const subscriber = await hub.subscribe(topic, 'Patient-open');
    await hub.publish(topic, 'Patient-open', [patient('p1')]);
    await hub.form({
      'hub.channel.type': 'websocket',
      'hub.mode': 'unsubscribe',
      'hub.topic': topic,
      'hub.channel.endpoint': subscriber.endpoint,
    });
    assert.equal((await subscriber.closed).code, 1000);
    const said = subscriber.received.map((message) => message.event?.['hub.event'] ?? message['hub.mode']);
    assert.deepEqual(said, ['subscribe', 'Patient-open', 'denied']);
  }));
