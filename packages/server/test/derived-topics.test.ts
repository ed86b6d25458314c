import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { Subscriber as Client } from '@lockstep/client';
import { deriveTopic } from '@lockstep/fhircast';
import type { Lockstep } from '@lockstep/server';
import { findRunning } from '../src/admin/running.ts';
import type { Config } from '../src/config.ts';
import { CallbackServer } from './callback-server.ts';
import { Backend, EVERYTHING, HubClient, type Json, json, patient, testConfig, withLockstep } from './harness.ts';

const USER = 'dr-lena-okafor';

/** An app that nobody launches, with its secret. */
async function dictation({ origin }: Lockstep, { data }: Config) {
  const backend = await Backend.register(origin, { client_name: 'Dictation', launch_kinds: ['derived', 'backend'] });
  const running = (await findRunning(data))!;
  const answer = await fetch(`${running.url}/api/admin/apps/${backend.clientId}/topic-secret`, {
    method: 'POST',
    headers: { authorization: `Bearer ${running.token}`, 'content-type': 'application/json' },
    body: '{}',
  });
  const { topicSecret } = await json(answer);
  return { backend, hub: new HubClient(`${origin}/hub`, await backend.token()), secret: topicSecret as string };
}

function over(run: (lockstep: Lockstep, config: Config) => Promise<void>): () => Promise<void> {
  const config = testConfig();
  return () => withLockstep((lockstep) => run(lockstep, config), config);
}

test(
  'LAU-2 everything that a subscriber with a derived topic is sent carries the topic as it wrote it',
  over(async (lockstep, config) => {
    const { hub, secret } = await dictation(lockstep, config);
    const driver = await HubClient.backend(lockstep.origin, EVERYTHING);
    const topic = await driver.session(USER);
    await driver.publish(topic, 'Patient-open', [patient('p1')]);
    const derived = await deriveTopic('lokafor', secret);

    const subscriber = await hub.subscribe(derived, 'Patient-open,Patient-close', { 'subscriber.name': 'Dictation' });
    const other = await driver.subscribe(topic, 'Patient-close');
    assert.equal((await other.next())['hub.topic'], topic);
    assert.equal((await subscriber.next())['hub.topic'], derived, 'confirmation');
    const standing = await subscriber.event();
    assert.equal(standing.event['hub.topic'], derived, 'an open that stands');
    assert.equal(standing.event.context[0].resource.id, 'p1');

    assert.equal((await hub.publish(derived, 'Patient-close', [patient('p1')])).status, 202, 'publishing');
    assert.equal((await subscriber.event()).event['hub.topic'], derived, 'an event');
    assert.equal((await other.event()).event['hub.topic'], topic, 'the others have the topic of the Hub');
    assert.equal((await hub.context(derived))['context.type'], '', 'reading');

    const renewed = await hub.form({
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': derived,
      'hub.events': 'Patient-open',
      'hub.channel.endpoint': subscriber.endpoint,
      'subscriber.name': 'Dictation',
    });
    assert.equal(renewed.status, 202);
    assert.equal((await subscriber.next())['hub.topic'], derived, 'a fresh confirmation');

    const unsubscribed = await hub.form({
      'hub.channel.type': 'websocket',
      'hub.mode': 'unsubscribe',
      'hub.topic': derived,
      'hub.channel.endpoint': subscriber.endpoint,
    });
    assert.equal(unsubscribed.status, 202);
    const denied = await subscriber.next();
    assert.deepEqual([denied['hub.mode'], denied['hub.topic']], ['denied', derived], 'denial');
    assert.ok(!JSON.stringify(subscriber.received).includes(topic), 'the topic of the Hub stays with the Hub');
    await other.close();
  }),
);

test(
  'LAU-2 WEB-1 WEB-2 a webhook with a derived topic is verified, called and ended with the topic as it wrote it',
  over(async (lockstep, config) => {
    const { hub, secret } = await dictation(lockstep, config);
    const driver = await HubClient.backend(lockstep.origin, EVERYTHING);
    const topic = await driver.session(USER);
    const derived = await deriveTopic(USER, secret);
    const callback = await CallbackServer.start();
    try {
      const form = { 'hub.channel.type': 'webhook', 'hub.topic': derived, 'hub.callback': callback.url };
      const subscribe = { ...form, 'hub.mode': 'subscribe', 'hub.events': 'Patient-open', 'hub.secret': 'shhh' };
      const subscribed = await hub.form({ ...subscribe, 'subscriber.name': 'Room 1' });
      assert.equal(subscribed.status, 202, await subscribed.text());
      await callback.until(() => callback.modes('subscribe').length === 1);
      assert.equal(callback.modes('subscribe')[0]?.url.searchParams.get('hub.topic'), derived);
      await driver.publish(topic, 'Patient-open', [patient('p1')]);
      await callback.until(() => callback.events.length === 1);
      assert.equal(callback.events[0]?.event['hub.topic'], derived);
      const signed = callback.requests.find(({ json }) => json !== undefined);
      assert.equal(
        signed?.headers['x-hub-signature'],
        `sha256=${createHmac('sha256', 'shhh')
          .update(signed?.bytes ?? '')
          .digest('hex')}`,
      );
      const replayed = await hub.form({ ...subscribe, 'subscriber.name': 'Room 2' });
      assert.equal(replayed.status, 403, 'another subscriber');
      const ended = await hub.form({ ...form, 'hub.mode': 'unsubscribe', 'hub.events': 'Patient-open' });
      assert.equal(ended.status, 202, await ended.text());
      await callback.until(() => callback.modes('unsubscribe').length === 1);
      assert.equal(callback.modes('unsubscribe')[0]?.url.searchParams.get('hub.topic'), derived);
      for (const { url, bytes } of callback.requests) {
        assert.ok(!`${url}${bytes}`.includes(topic), 'the topic of the Hub stays with the Hub');
      }
    } finally {
      await callback.close();
    }
  }),
);

test(
  'LAU-2 a replayed topic is refused to another subscriber, and changes nothing',
  over(async (lockstep, config) => {
    const { hub, secret } = await dictation(lockstep, config);
    const driver = await HubClient.backend(lockstep.origin, EVERYTHING);
    const topic = await driver.session(USER);
    const derived = await deriveTopic(USER, secret);
    const subscriber = await hub.subscribe(derived, 'Patient-open', { 'subscriber.name': 'Room 1' });
    const form = { 'hub.channel.type': 'websocket', 'hub.mode': 'subscribe', 'hub.events': 'Patient-open' };
    const replayed = await hub.form({ ...form, 'hub.topic': derived, 'subscriber.name': 'Room 2' });
    assert.equal(replayed.status, 403);
    assert.match(await replayed.text(), /another subscriber/);
    const stranger = await driver.form({ ...form, 'hub.topic': derived, 'subscriber.name': 'Room 1' });
    assert.equal(stranger.status, 404, 'a client with another secret, or none, finds nothing');
    const [session] = (await (await driver.request('/session')).json()) as Json[];
    assert.deepEqual([session?.['hub.topic'], session?.subscribers], [topic, ['Room 1']]);
    await subscriber.close();
  }),
);

test(
  'LAU-2 SUB-2 a refused subscription opens no session and takes no topic',
  over(async (lockstep, config) => {
    const { backend, hub, secret } = await dictation(lockstep, config);
    const driver = await HubClient.backend(lockstep.origin, EVERYTHING);
    const derived = await deriveTopic(USER, secret);
    const writer = new HubClient(hub.hubUrl, await backend.token('fhircast/*.write hub/session.write'));
    const refused = await writer.form({
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': derived,
      'hub.events': 'Patient-open',
    });
    assert.equal(refused.status, 404);
    assert.deepEqual(await (await driver.request('/session')).json(), []);
    const taken = await hub.subscribe(derived, 'Patient-open', { 'subscriber.name': 'Anybody' });
    assert.equal((await taken.next())['hub.topic'], derived);
    await taken.close();
  }),
);

test(
  'LAU-2 SUB-11 the client library follows by a derived topic, and returns after its connection was cut',
  over(async (lockstep, config) => {
    const { hub, secret } = await dictation(lockstep, config);
    const driver = await HubClient.backend(lockstep.origin, EVERYTHING);
    const topic = await driver.session(USER);
    const sockets: WebSocket[] = [];
    class Seen extends WebSocket {
      constructor(url: string) {
        super(url);
        sockets.push(this);
      }
    }
    const client = new Client({
      hubUrl: hub.hubUrl,
      topic: await deriveTopic(USER, secret),
      token: hub.token,
      events: ['Patient-open'],
      name: 'Dictation',
      ports: { WebSocket: Seen },
    });
    assert.deepEqual(await client.connect(), { status: 'in-sync' });
    const opened = new Promise<string>((resolve) => {
      client.follow((context) => {
        if (context) resolve(context.id);
      });
    });
    await driver.publish(topic, 'Patient-open', [patient('p5')]);
    assert.equal(await opened, 'p5');
    const again = new Promise<void>((resolve) => {
      client.onState(({ status }) => {
        if (status === 'in-sync' && sockets.length > 1) resolve();
      });
    });
    sockets[0]?.close(3000);
    await again;
    assert.equal(client.context?.id, 'p5');
    await client.unsubscribe();
  }),
);
