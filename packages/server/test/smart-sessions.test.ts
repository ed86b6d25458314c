/** One person at two workstations: which of the sessions an app follows, and how it is told (AUT-4, TOK-3, SES-3). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HubClient, type Json, json, patient, sharedLockstep } from './harness.ts';
import { App, Person } from './person.ts';

const lockstep = await sharedLockstep();
const { origin } = lockstep;

/** A person signed in at two workstations, with the session of each. */
async function atTwoWorkstations(user: string) {
  const [first, second] = [new Person(origin), new Person(origin)];
  const a = (await first.signIn(user, `${user} desk`)).session_topic;
  const b = (await second.signIn(user, `${user} reading room`)).session_topic;
  assert.notEqual(a, b);
  return { first, second, a, b };
}

describe('several sessions of one person', () => {
  it('AUT-4 in a standalone launch the person picks one, and the token is good for it', async () => {
    const { first, a, b } = await atTwoWorkstations('dr-lena-okafor');
    const app = await App.register(origin);
    const { url } = app.begin('fhircast/*.*');
    const page = await first.go(url);
    assert.match(page.text, /<h1>Which session should A public app follow\?/);
    const offered = [...page.text.matchAll(/name="topic" value="([^"]*)"( checked)?/g)];
    assert.deepEqual(new Set(offered.map(([, topic]) => topic)), new Set([a, b]));
    const checked = offered.filter(([, , mark]) => mark).map(([, topic]) => topic);
    assert.deepEqual(checked, [a], 'the one of this workstation is the first choice');
    assert.match(page.text, /type="radio"/);
    assert.match(page.text, /dr-lena-okafor reading room/);

    const token = await app.tokens(first, 'fhircast/*.*', { topics: [b] });
    assert.equal(token['hub.topic'], b);
    assert.equal(token['cast-session'], undefined);
    const client = new HubClient(token['hub.url'], token.access_token);
    const subscriber = await client.subscribe(b, 'Patient-open');
    await subscriber.next();
    const ehr = await HubClient.backend(origin);
    await ehr.publish(a, 'Patient-open', [patient('at the desk')]);
    await ehr.publish(b, 'Patient-open', [patient('in-the-reading-room')]);
    assert.equal((await subscriber.event()).event.context[0].resource.id, 'in-the-reading-room');
    await subscriber.close();
  });

  it('AUT-4 nobody picks a session that is not theirs, or two with scopes that mean one', async () => {
    const { first, a, b } = await atTwoWorkstations('dr-mei-tanaka');
    const foreign = (await new Person(origin).signIn('dr-tomas-lindqvist')).session_topic;
    const app = await App.register(origin);
    for (const topic of [[foreign], ['made-up'], [], [a, b]]) {
      const page = await first.go(app.begin('fhircast/*.read').url);
      const again = await first.submit(page, { label: 'Continue' }, { topic });
      assert.equal(again.status, 400, topic.join());
      assert.match(again.text, /Choose one of your sessions/);
    }
  });

  it('TOK-3 the bare fhircast scope brings cast-session: an array for several, a string for one', async () => {
    const { first, a, b } = await atTwoWorkstations('dr-tomas-lindqvist');
    const app = await App.register(origin, 'symmetric');
    const page = await first.go(app.begin('fhircast').url);
    assert.match(page.text, /type="checkbox" name="topic"/);
    const both = await app.tokens(first, 'fhircast offline_access', { topics: [a, b] });
    const urls = [a, b].map((topic) => `${origin}/hub/${topic}`);
    assert.deepEqual(both['cast-session'], urls, 'SES-9');
    assert.equal(both['cast-hub'], `${origin}/hub`);
    assert.equal(both['hub.topic'], a);
    const client = new HubClient(both['cast-hub'], both.access_token);
    for (const topic of [a, b, ...urls]) {
      const subscriber = await client.subscribe(topic, 'patient-open');
      assert.equal((await subscriber.next())['hub.topic'], topic);
      await subscriber.close();
    }
    const { body: refreshed } = await app.refresh(both.refresh_token);
    assert.deepEqual(refreshed['cast-session'], urls, 'TOK-4');
    const { body: told } = await app.post('/auth/introspect', { token: both.access_token });
    assert.deepEqual(told['cast-session'], urls, 'TOK-6');

    const one = await app.tokens(first, 'fhircast', { topics: [b] });
    assert.equal(one['cast-session'], urls[1]);
  });

  it('AUT-3 an EHR launch follows the session that launched, without asking', async () => {
    const { second, b } = await atTwoWorkstations('dr-lena-okafor');
    const app = await App.register(origin);
    const { body } = await second.launch({ client_id: app.clientId, topic: b });
    const { code, verifier, titles } = await app.code(second, 'launch fhircast/*.read', {}, { launch: body.launch });
    assert.deepEqual(titles, ['Allow access']);
    assert.equal((await app.redeem(code, verifier)).body['hub.topic'], b);
  });

  it('SES-3 an app that may follow finds all sessions of its user, and none of other users', async () => {
    const { first, a, b } = await atTwoWorkstations('dr-mei-tanaka');
    const foreign = (await new Person(origin).signIn('dr-lena-okafor', 'elsewhere')).session_topic;
    const app = await App.register(origin);
    const token = await app.tokens(first, 'fhircast/*.* hub/session.read', { topics: [a] });
    const client = new HubClient(token['hub.url'], token.access_token);
    for (const query of ['', '?user=?&workstation=?', '?user=Practitioner/dr-mei-tanaka', '?user=mtanaka']) {
      const found: Json[] = (await json(client.request(`/session${query}`))) as Json[];
      const topics = new Set(found.map((session) => session['hub.topic']));
      assert.ok(topics.has(a) && topics.has(b), query);
      assert.ok(!topics.has(foreign), query);
    }
    assert.deepEqual(await json(client.request('/session?user=Practitioner/dr-lena-okafor')), []);
    const there = await json(
      client.request(`/session?workstation=${encodeURIComponent('dr-mei-tanaka reading room')}`),
    );
    assert.deepEqual(
      there.map((session: Json) => session['hub.topic']),
      [b],
    );
    // SES-6: its user's other session is good for it, somebody else's looks like none.
    const subscriber = await client.subscribe(b, 'Patient-open');
    await subscriber.close();
    const refused = await client.request(`/${foreign}`);
    const missing = await client.request(`/${crypto.randomUUID()}`);
    assert.deepEqual([refused.status, await refused.text()], [missing.status, await missing.text()]);
  });

  it('AUT-4 without a session one is opened; without a FHIRcast scope the user is not asked', async () => {
    const user = new Person(origin);
    const { session_topic: topic } = await user.signIn('admin');
    const ehr = await HubClient.backend(origin);
    assert.equal((await ehr.request(`/session/${topic}`, { method: 'DELETE' })).status, 204);
    const app = await App.register(origin);
    const token = await app.tokens(user, 'fhircast/*.read');
    assert.notEqual(token['hub.topic'], topic);
    const [opened] = (await json(ehr.request('/session?user=Practitioner/admin'))) as unknown as Json[];
    assert.equal(opened?.['hub.topic'], token['hub.topic']);

    const { first } = await atTwoWorkstations('dr-lena-okafor');
    const { titles } = await app.code(first, 'openid user/*.rs');
    assert.deepEqual(titles, ['Allow access']);
  });

  it('TOK-7 the sample administrator has a resource that fhirUser leads to', async () => {
    const person = new Person(origin);
    await person.signIn('admin');
    const app = await App.register(origin);
    const token = await app.tokens(person, 'openid fhirUser');
    const [, claims = ''] = token.id_token.split('.');
    const { fhirUser } = JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/')));
    assert.equal(fhirUser, `${origin}/fhir/Practitioner/admin`);
    const read = await fetch(fhirUser, { headers: { authorization: `Bearer ${token.access_token}` } });
    assert.equal(read.status, 200);
  });
});
