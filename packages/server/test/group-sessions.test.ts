/** Two people of one server in one session, over HTTP: docs/group-sessions.md. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HubClient, type Json, json, patient, sharedLockstep } from './harness.ts';
import { App, Person } from './person.ts';

const { origin } = await sharedLockstep();
const SCOPE = 'fhircast/*.* hub/session.read hub/session.write';

async function signedIn(user: string): Promise<{ hub: HubClient; topic: string }> {
  const person = new Person(origin);
  const { session_topic: topic } = await person.signIn(user);
  const app = await App.register(origin, 'symmetric');
  const { access_token: token } = await app.tokens(person, SCOPE);
  return { hub: new HubClient(`${origin}/hub`, token), topic };
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
  let last = await subscriber.next();
  while (last['hub.mode'] !== 'denied') last = await subscriber.next();
  assert.equal(last['hub.reason'], 'The invitation was withdrawn');
  assert.equal((await guest.hub.request(`/${topic}`)).status, 404);
  assert.equal((await guest.hub.request(path, { method: 'POST' })).status, 404);
});
