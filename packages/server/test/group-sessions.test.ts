/** Two people of one server in one session, over HTTP: docs/group-sessions.md. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { it } from 'node:test';
import { startLockstep } from '@lockstep/server';
import { RedisProcess } from '@lockstep/store-redis/testing';
import { Balancer } from './cluster/wires.ts';
import { HubClient, type Json, json, patient, Subscriber, sharedLockstep, testConfig } from './harness.ts';
import { App, Person } from './person.ts';

const { origin } = await sharedLockstep();
const SCOPE = 'fhircast/*.* hub/session.read hub/session.write';

async function signedIn(user: string, at = origin): Promise<{ hub: HubClient; topic: string }> {
  const person = new Person(at);
  const { session_topic: topic } = await person.signIn(user);
  const app = await App.register(at, 'symmetric');
  const { access_token: token } = await app.tokens(person, SCOPE);
  return { hub: new HubClient(`${at}/hub`, token), topic };
}

const publish = async (hub: HubClient, topic: string): Promise<number> =>
  (await hub.publish(topic, 'Patient-open', [patient('p1')])).status;

it('a link lets another user in, to follow only, until it is withdrawn', async () => {
  const host = await signedIn('dr-lena-okafor');
  const guest = await signedIn('dr-mei-tanaka');
  const { topic } = host;
  const invite = (body: Json, by = host.hub) => by.json(`/session/${topic}/invitation`, body);
  for (const body of [{ following_only: 'yes' }, { expires_in: '60' }, { expires_in: 0 }, { expires_in: 1e9 }]) {
    assert.equal((await invite(body)).status, 400, JSON.stringify(body));
  }
  assert.equal((await invite({}, guest.hub)).status, 403);
  const made = await invite({ following_only: true, expires_in: 900 });
  assert.equal(made.status, 201);
  const { id, invitation_url: url, expires, following_only: only } = await json(made);
  assert.ok(only && Math.abs(Date.parse(expires) - Date.now() - 900_000) < 60_000);
  assert.ok(url.startsWith(`${origin}/hub/invitation/`));
  const path = url.slice(`${origin}/hub`.length);

  assert.equal((await fetch(url, { method: 'POST' })).status, 401);
  assert.equal((await guest.hub.request('/invitation/unknown', { method: 'POST' })).status, 404);
  const joined = await guest.hub.request(path, { method: 'POST' });
  assert.deepEqual(await json(joined), {
    'hub.topic': topic,
    'hub.url': `${origin}/hub`,
    user: 'Practitioner/dr-lena-okafor',
    following_only: true,
  });
  const subscriber = await guest.hub.subscribe(topic, 'Patient-open');
  await subscriber.next();
  assert.equal(await publish(host.hub, topic), 202);
  assert.equal((await subscriber.event()).event['hub.topic'], topic);
  assert.equal(await publish(guest.hub, topic), 403);
  const listed = (await json(guest.hub.request('/session'))) as unknown as Json[];
  const shared = listed.find((one) => one['hub.topic'] === topic);
  assert.deepEqual(
    shared?.guests.map(({ user, following_only: follows }: Json) => [user, follows]),
    [['Practitioner/dr-mei-tanaka', true]],
  );

  const remove = (by: HubClient) => by.request(`/session/${topic}/invitation/${id}`, { method: 'DELETE' });
  assert.equal((await remove(guest.hub)).status, 403);
  assert.equal((await remove(host.hub)).status, 204);
  assert.equal(await denial(subscriber), 'The invitation was withdrawn');
  assert.equal((await guest.hub.request(`/${topic}`)).status, 404);
  assert.equal((await guest.hub.request(path, { method: 'POST' })).status, 404);
});

/** Reads until the subscription is denied. @returns why */
async function denial(subscriber: Subscriber): Promise<string> {
  let last = await subscriber.next();
  while (last['hub.mode'] !== 'denied') last = await subscriber.next();
  return last['hub.reason'];
}

it('a guest joins, follows and leaves at one node while the host is at another', async (t) => {
  const redis = await RedisProcess.start();
  const ports: number[] = [];
  const balancer = await Balancer.start(() => ports);
  const publicUrl = `http://localhost:${balancer.port}`;
  const configs = [1, 2].map(() => testConfig({ redisUrl: redis.url, publicUrl, sampleData: true }));
  const nodes = await Promise.all(configs.map((config) => startLockstep(config)));
  t.after(async () => {
    balancer.close();
    for (const node of nodes) await node.close();
    for (const { data } of configs) await rm(data, { recursive: true, force: true });
    await redis.remove();
  });
  ports.push(...nodes.map(({ port }) => port));
  const [first = 0, second = 0] = ports;
  const at = ({ hub }: { hub: HubClient }, port: number) => new HubClient(`http://localhost:${port}/hub`, hub.token);
  const subscribe = async (hub: HubClient, topic: string): Promise<Subscriber> => {
    const form = { 'hub.channel.type': 'websocket', 'hub.mode': 'subscribe', 'hub.topic': topic };
    const answer = await json(hub.form({ ...form, 'hub.events': 'Patient-open' }));
    const endpoint = new URL(answer['hub.channel.endpoint']);
    endpoint.port = new URL(hub.hubUrl).port;
    return Subscriber.connect(endpoint.href);
  };

  const host = await signedIn('dr-lena-okafor', publicUrl);
  const guest = await signedIn('dr-mei-tanaka', publicUrl);
  const { topic } = host;
  for (const [hosts, guests] of [
    [first, second],
    [second, first],
  ] as const) {
    const [hostHub, guestHub] = [at(host, hosts), at(guest, guests)];
    assert.equal(await publish(guestHub, topic), 404, 'not invited');
    const { id, invitation_url: url } = await json(hostHub.json(`/session/${topic}/invitation`, {}));
    const path = url.slice(`${publicUrl}/hub`.length);
    assert.equal((await guestHub.request(path, { method: 'POST' })).status, 200);
    const guestSocket = await subscribe(guestHub, topic);
    const hostSocket = await subscribe(hostHub, topic);
    for (const hub of [hostHub, guestHub]) {
      const open = crypto.randomUUID();
      assert.equal((await hub.publish(topic, 'Patient-open', [patient('p1')], { id: open })).status, 202);
      for (const socket of [hostSocket, guestSocket]) {
        let heard = await socket.event();
        while (heard.id !== open) heard = await socket.event();
      }
    }
    const listed = (await json(hostHub.request('/session'))) as unknown as Json[];
    const shared = listed.find((one) => one['hub.topic'] === topic);
    assert.deepEqual(
      shared?.guests.map(({ user }: Json) => user),
      ['Practitioner/dr-mei-tanaka'],
    );

    // The guest leaves at the node where its socket is not.
    const leaving = await at(guest, hosts).request(`/session/${topic}/guest`, { method: 'DELETE' });
    assert.equal(leaving.status, 204);
    assert.equal(await denial(guestSocket), 'The guest has left the session');
    for (const port of ports) assert.equal(await publish(at(guest, port), topic), 404, 'gone at every node');
    assert.equal((await at(guest, guests).request(`/session/${topic}/guest`, { method: 'DELETE' })).status, 403);

    // It comes again by the link, until the host takes the link back at the other node.
    assert.equal((await at(guest, hosts).request(path, { method: 'POST' })).status, 200);
    const back = await subscribe(at(guest, hosts), topic);
    const removed = await at(host, guests).request(`/session/${topic}/invitation/${id}`, { method: 'DELETE' });
    assert.equal(removed.status, 204);
    assert.equal(await denial(back), 'The invitation was withdrawn');
    await hostSocket.close();
  }
});
