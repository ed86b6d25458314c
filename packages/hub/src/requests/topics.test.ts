import assert from 'node:assert/strict';
import { it } from 'node:test';
import { patient } from '../../test/events.ts';
import { access, good, Rig } from '../../test/rig.ts';
import { Topics } from './topics.ts';

it('SES-9 a topic may be written as an address of the Hub, with or without a slash at its end', () => {
  const topics = new Topics('https://Hub.example/hub', () => false);
  const cases: readonly (readonly [string, string])[] = [
    ['t', 't'],
    ['https://hub.example/hub/t', 't'],
    ['HTTPS://HUB.EXAMPLE/hub/t/', 't'],
    ['https://hub.example/api/hub/a%20b', 'a b'],
    ['https://hub.example/hub/%', '%'],
    ['https://other.example/hub/t', 'https://other.example/hub/t'],
    ['https://hub.example/hubs/t', 'https://hub.example/hubs/t'],
  ];
  for (const [written, own] of cases) assert.equal(topics.plain(written), own, written);
});

it('SES-9 is accepted wherever a topic is, and answered as it was written', async (t) => {
  const rig = await Rig.open(t);
  const topic = await rig.session();
  const written = `https://hub.example/hub/${topic}`;
  const peer = await rig.join(written);
  assert.equal(peer.confirmations[0]?.['hub.topic'], written);
  assert.equal(await rig.publish(written, 'Patient-open', [patient()], { id: 'a' }), 202);
  assert.equal(await rig.publish(topic, 'Patient-open', [patient()], { id: 'b' }), 202);
  assert.deepEqual(
    peer.events.map(({ event }) => event['hub.topic']),
    [written, written],
  );
  const plain = await rig.join(topic);
  assert.equal(plain.events[0]?.event['hub.topic'], topic);
  assert.equal((await rig.context(written))['context.type'], 'Patient');
  good(await rig.unsubscribe(written, { 'hub.channel.endpoint': peer.endpoint }));
  assert.equal(peer.denial?.['hub.topic'], written);
  good(await rig.hub.deleteSession(access(), written));
  assert.deepEqual(await rig.hub.sessions(), []);
});
