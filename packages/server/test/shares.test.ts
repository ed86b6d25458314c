/** SUB-13 over HTTP: what one client, one user and one network may hold, each counted by where the requests really come from. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfig } from '@lockstep/server';
import { Backend, HubClient, patient, withLockstep } from './harness.ts';

const { trustedProxies } = readConfig({ LOCKSTEP_TRUSTED_PROXIES: '127.0.0.0/8, ::1/128' });

/** Starts a session as if from this address. @returns the status, and the topic */
async function start(client: HubClient, from: string, user: string): Promise<readonly [number, string]> {
  const answer = await client.request('/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': from },
    body: JSON.stringify({ user }),
  });
  const text = await answer.text();
  if (answer.status !== 201) assert.match(text, /already/);
  return [answer.status, answer.status === 201 ? JSON.parse(text)['hub.topic'] : ''];
}

const subscription = (topic: string): Record<string, string> => ({
  'hub.channel.type': 'websocket',
  'hub.mode': 'subscribe',
  'hub.topic': topic,
  'hub.events': 'Patient-open',
});

describe('SUB-13 over HTTP', () => {
  it('one address starts its share of sessions, whatever clients it has; others theirs', () =>
    withLockstep(
      async ({ origin }) => {
        const clients = await Promise.all([1, 2, 3].map(() => HubClient.backend(origin)));
        for (const [network, other] of [
          ['203.0.113.5', '203.0.113.6'],
          // One home or office has a /64 of IPv6 to choose from.
          ['2001:db8:1:2::', '2001:db8:1:3::'],
        ] as const) {
          const from = (n: number): string => (network.endsWith('::') ? `${network}${n + 1}` : network);
          const started = [];
          for (let n = 0; n < 5; n += 1) {
            const client = clients[n % clients.length] as HubClient;
            started.push(await start(client, from(n), `Practitioner/${network.length}-${n}`));
          }
          assert.deepEqual(
            started.map(([status]) => status),
            [201, 201, 201, 429, 429],
            network,
          );
          const [first] = clients as [HubClient];
          const elsewhere = network.endsWith('::') ? `${other}1` : other;
          assert.equal((await start(first, elsewhere, 'Practitioner/else'))[0], 201, 'another network');
          const ended = await first.request(`/session/${started[0]?.[1]}`, { method: 'DELETE' });
          assert.equal(ended.status, 204);
          assert.equal((await start(first, from(0), 'Practitioner/again'))[0], 201, 'what has ended counts no more');
        }
      },
      { maxSessionsPerAddress: 3, trustedProxies },
    ));

  it('an address that a client writes itself counts for nothing', () =>
    withLockstep(
      async ({ origin }) => {
        const client = await HubClient.backend(origin);
        const statuses: number[] = [];
        for (let n = 0; n < 5; n += 1) statuses.push((await start(client, `203.0.113.${n}`, `Practitioner/${n}`))[0]);
        assert.deepEqual(statuses, [201, 201, 201, 429, 429]);
      },
      { maxSessionsPerAddress: 3 },
    ));

  it('one client fills its share of a session, never that of the EHR which started it, nor of another client', () =>
    withLockstep(
      async ({ origin }) => {
        const ehr = await HubClient.backend(origin);
        const greedy = await Backend.register(origin);
        const topic = await ehr.session('Practitioner/1');
        // Each with a token of its own: it is the client that counts.
        const tries: number[] = [];
        for (let n = 0; n < 5; n += 1) {
          const client = new HubClient(`${origin}/hub`, await greedy.token());
          const answer = await client.form(subscription(topic));
          tries.push(answer.status);
          if (answer.status !== 202) assert.match(await answer.text(), /subscriptions in the session already/);
        }
        assert.deepEqual(tries, [202, 202, 429, 429, 429]);
        const own = await ehr.subscribe(topic, 'Patient-open');
        assert.equal((await (await HubClient.backend(origin)).form(subscription(topic))).status, 429, 'it is full now');
        assert.equal((await ehr.form(subscription(topic))).status, 202, 'but not for who started it');
        assert.equal((await ehr.publish(topic, 'Patient-open', [patient('1')])).status, 202);
        assert.equal((await own.event()).event['hub.event'], 'Patient-open');
        own.socket.close();
      },
      { maxSubscriptions: 3, maxSubscriptionsPerClient: 2 },
    ));
});
