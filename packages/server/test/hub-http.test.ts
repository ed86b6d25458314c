/** The Hub's addresses over real HTTP: SES, SUB, PUB, CON and CAP as a client sees them. */
import assert from 'node:assert/strict';
import { Agent, request as httpRequest } from 'node:http';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  Backend,
  EVERYTHING,
  HubClient,
  type Json,
  json,
  observation,
  patient,
  put,
  report,
  sharedLockstep,
  study,
  updates,
} from './harness.ts';

const { origin } = await sharedLockstep({ sampleData: true });
const hubUrl = `${origin}/hub`;
const backend = await Backend.register(origin);
const hub = new HubClient(hubUrl, await backend.token());

const FORM = { 'hub.channel.type': 'websocket', 'hub.mode': 'subscribe', 'hub.events': 'Patient-open' };

/** The status of a refusal, which has its reason in plain text and lets any origin read it. */
async function refused(answer: Response | Promise<Response>, reason = /\S/): Promise<number> {
  const response = await answer;
  const body = await response.text();
  assert.ok(response.status >= 400 && response.status < 500, `${response.status} ${body}`);
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain/);
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  assert.match(body, reason);
  return response.status;
}

const post = (path: string, contentType: string, body: string | Buffer, token = hub.token): Promise<Response> =>
  fetch(`${hubUrl}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': contentType },
    body,
  });

const event = (topic: string, name: string, context: unknown[], more: Json = {}): Json => ({
  timestamp: '2026-01-08T01:37:05.140Z',
  id: crypto.randomUUID(),
  event: { 'hub.topic': topic, 'hub.event': name, context, ...more },
});

/** The response's body as a list. */
const list = async (response: Promise<Response>): Promise<readonly Json[]> =>
  (await json(response)) as unknown as Json[];

const subscriberNames = async (topic: string): Promise<readonly string[]> =>
  (await json(hub.request('/session'))).find((one: Json) => one['hub.topic'] === topic).subscribers;

describe('SES sessions', () => {
  it('SES-1, SES-2 are created by POST: 201 with the topic and where it is', async () => {
    const response = await hub.json('/session', {
      user: 'Practitioner/42',
      workstation: 'WS42',
      label: 'Reading room',
    });
    assert.equal(response.status, 201);
    const session = await json(response);
    assert.match(session['hub.topic'], /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(session['hub.url'], hubUrl);
    assert.equal(response.headers.get('location'), `${hubUrl}/session/${session['hub.topic']}`);
    const { started, ...rest } = session;
    assert.ok(Math.abs(Date.parse(started) - Date.now()) < 60_000);
    assert.deepEqual(rest, {
      'hub.topic': session['hub.topic'],
      'hub.url': hubUrl,
      user: 'Practitioner/42',
      known: false,
      workstation: 'WS42',
      label: 'Reading room',
      subscribers: [],
    });
  });

  it('SES-2 are refused without a user, a scope, or a JSON object', async () => {
    assert.equal(await refused(hub.json('/session', {}), /user/), 400);
    for (const body of [[], null, 'x', { user: 5 }, { user: 'x', workstation: {} }, { user: 'x'.repeat(300) }]) {
      assert.equal(await refused(hub.json('/session', body)), 400, JSON.stringify(body));
    }
    assert.equal(
      await refused(hub.request('/session', { method: 'POST', body: new URLSearchParams({ user: 'x' }) })),
      400,
    );
    const reader = new HubClient(hubUrl, await backend.token('hub/session.read fhircast/*.*'));
    assert.equal(await refused(reader.json('/session', { user: 'Practitioner/1' }), /hub\/session\.write/), 403);
  });

  it('SES-3 are listed with filters; placeholders and empty values filter nothing', async () => {
    const one = await hub.session('Practitioner/list-1', 'WS-list-A');
    const two = await hub.session('Practitioner/list-1', 'WS-list-B');
    const three = await hub.session('Practitioner/list-2', 'WS-list-A');
    const topics = async (query: string): Promise<readonly string[]> =>
      (await json(hub.request(`/session${query}`))).map((session: Json) => session['hub.topic']);
    assert.deepEqual(await topics('?user=Practitioner/list-1'), [one, two]);
    assert.deepEqual(await topics('?workstation=ws-list-a'), [one, three]);
    assert.deepEqual(await topics('?user=Practitioner%2Flist-1&workstation=WS-list-A'), [one]);
    assert.deepEqual(await topics('?user=?&workstation=WS-list-A'), [one, three]);
    assert.deepEqual(await topics('?workstation=WS-list-A&user=?'), [one, three]);
    assert.deepEqual(await topics('?user=&workstation=WS-list-B'), [two]);
    const all = await topics('?user=?&workstation=?');
    assert.ok([one, two, three].every((topic) => all.includes(topic)));
    assert.equal(await refused(hub.request('/session?user=a&user=b')), 400);
  });

  it('SES-3 are listed with subscribers and current context', async () => {
    const topic = await hub.session('Practitioner/list-3');
    const subscriber = await hub.subscribe(topic, '*', { 'subscriber.name': 'Viewer 3' });
    await hub.publish(topic, 'Patient-open', [patient('p3')]);
    const [listed] = await list(hub.request('/session?user=Practitioner/list-3'));
    assert.deepEqual(listed?.subscribers, ['Viewer 3']);
    assert.equal(listed?.context['context.type'], 'Patient');
    assert.equal(listed?.context.context[0].resource.id, 'p3');
    const blind = new HubClient(hubUrl, await backend.token('hub/session.read'));
    const [seen] = await list(blind.request('/session?user=Practitioner/list-3'));
    assert.equal(seen?.context, undefined);
    await subscriber.close();
  });

  it('SES-7 are found by any name of the person', async () => {
    // Among the sample users; this is her name in another system.
    const session = await json(hub.json('/session', { user: 'lokafor' }));
    assert.equal(session.user, 'Practitioner/dr-lena-okafor');
    for (const name of ['lokafor', 'LOKAFOR', 'dr-lena-okafor', session.user, `${origin}/fhir/${session.user}`]) {
      const found = await list(hub.request(`/session?user=${encodeURIComponent(name)}`));
      assert.deepEqual(
        found.map((one) => one['hub.topic']),
        [session['hub.topic']],
        name,
      );
    }
  });

  it('SES-4, SES-6 of others do not exist for a client registered for some users or workstations', async () => {
    const mine = await hub.session('Practitioner/narrow', 'WS-narrow');
    const theirs = await hub.session('Practitioner/other', 'WS-other');
    for (const metadata of [{ session_users: ['Practitioner/narrow'] }, { session_workstations: ['WS-narrow'] }]) {
      const narrow = await HubClient.backend(origin, EVERYTHING, metadata);
      const listed = await json(narrow.request('/session'));
      assert.deepEqual(
        listed.map((session: Json) => session['hub.topic']),
        [mine],
      );
      assert.deepEqual(await json(narrow.request('/session?user=Practitioner/other')), []);
      assert.equal((await narrow.request(`/${mine}`)).status, 200);
      assert.equal((await narrow.publish(mine, 'Home-open', [])).status, 202);
      for (const topic of [theirs, crypto.randomUUID()]) {
        const answers = [
          narrow.request(`/${topic}`),
          narrow.request(`/session/${topic}`, { method: 'DELETE' }),
          narrow.publish(topic, 'Home-open', []),
          narrow.form({ ...FORM, 'hub.topic': topic }),
          narrow.form({ ...FORM, 'hub.mode': 'unsubscribe', 'hub.topic': topic }),
        ];
        for (const answer of answers) assert.equal(await refused(answer, /^There is no such hub\.topic\n$/), 404);
      }
      assert.equal(
        await refused(narrow.json('/session', { user: 'Practitioner/other', workstation: 'WS-other' })),
        403,
      );
    }
  });

  it('SES-5 end by DELETE: 204, and then there is none', async () => {
    const topic = await hub.session();
    const subscriber = await hub.subscribe(topic, '*');
    await subscriber.next();
    const writeless = new HubClient(hubUrl, await backend.token('fhircast/*.*'));
    assert.equal(await refused(writeless.request(`/session/${topic}`, { method: 'DELETE' })), 403);
    const response = await hub.request(`/session/${topic}`, { method: 'DELETE' });
    assert.equal(response.status, 204);
    assert.equal((await subscriber.next())['hub.mode'], 'denied');
    assert.equal((await subscriber.closed).code, 1000);
    assert.equal(await refused(hub.request(`/${topic}`)), 404);
    assert.equal(await refused(hub.request(`/session/${topic}`, { method: 'DELETE' })), 404);
  });
});

describe('tokens', () => {
  it('PUB-2 are required: 401 with WWW-Authenticate', async () => {
    const topic = await hub.session();
    for (const authorization of [
      undefined,
      '',
      'Bearer',
      'Bearer wrong',
      `Basic ${hub.token}`,
      hub.token,
      'Bearer a b',
    ]) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      for (const [path, init] of [
        ['', { method: 'POST', body: new URLSearchParams(FORM) }],
        [`/${topic}`, {}],
        ['/session', {}],
        [`/session/${topic}`, { method: 'DELETE' }],
      ] as const) {
        const response = await fetch(`${hubUrl}${path}`, { ...init, headers });
        const challenge = response.headers.get('www-authenticate') ?? '';
        assert.match(challenge, /^Bearer/);
        assert.equal(challenge.includes('error="invalid_token"'), authorization === 'Bearer wrong');
        assert.equal(await refused(response), 401);
      }
    }
  });

  it('may be written "bearer"', async () => {
    const headers = { authorization: `bearer ${hub.token}` };
    assert.equal((await fetch(`${hubUrl}/session`, { headers })).status, 200);
  });
});

describe('SUB subscribing', () => {
  it("SUB-1, SUB-2 by form or JSON: 202 with a WebSocket URL on the Hub's own host and port, not to be guessed", async () => {
    const topic = await hub.session();
    const fields = { ...FORM, 'hub.topic': topic, 'hub.lease_seconds': '60' };
    const seen = new Set<string>();
    for (const send of [
      () => hub.form(fields),
      () => hub.json('', fields),
      () => hub.json('', { ...fields, 'hub.lease_seconds': 60 }),
    ]) {
      const response = await send();
      assert.equal(response.status, 202);
      assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
      const body = await json(response);
      assert.deepEqual(Object.keys(body), ['hub.channel.endpoint']);
      const endpoint = new URL(body['hub.channel.endpoint']);
      assert.equal(endpoint.protocol, 'ws:');
      assert.equal(endpoint.host, new URL(origin).host);
      // base64url: 6 bits a letter.
      assert.ok((endpoint.pathname.split('/').at(-1) ?? '').length * 6 >= 128);
      seen.add(endpoint.href);
    }
    assert.equal(seen.size, 3);
  });

  it('SUB-2 is refused with a reason that a developer can act on, and changes nothing', async () => {
    const topic = await hub.session();
    const good = { ...FORM, 'hub.topic': topic };
    const wrong: [Record<string, string>, number, RegExp][] = [
      [{ 'hub.mode': '' }, 400, /hub\.mode/],
      [{ 'hub.mode': 'denied' }, 400, /hub\.mode/],
      [{ 'hub.channel.type': '' }, 400, /hub\.channel\.type/],
      [{ 'hub.channel.type': 'sse' }, 400, /hub\.channel\.type/],
      [{ 'hub.topic': '' }, 400, /hub\.topic/],
      [{ 'hub.topic': 'nowhere' }, 404, /hub\.topic/],
      [{ 'hub.events': '' }, 400, /hub\.events/],
      [{ 'hub.events': 'no,events,here' }, 400, /hub\.events/],
      [{ 'hub.lease_seconds': '-5' }, 400, /hub\.lease_seconds/],
      [{ 'hub.channel.endpoint': 'wss://hub.example/x' }, 404, /subscription/],
      [{ 'hub.mode': 'unsubscribe', 'hub.channel.endpoint': 'wss://hub.example/x' }, 404, /./],
    ];
    for (const [change, status, reason] of wrong) {
      assert.equal(await refused(hub.form({ ...good, ...change }), reason), status, JSON.stringify(change));
      assert.equal(await refused(hub.json('', { ...good, ...change }), reason), status, JSON.stringify(change));
    }
    assert.deepEqual(await subscriberNames(topic), []);
  });

  it('SUB-1 is refused when a field appears twice', async () => {
    const body = `${new URLSearchParams({ ...FORM, 'hub.topic': await hub.session() })}&hub.events=SyncError`;
    assert.equal(
      await refused(post('', 'application/x-www-form-urlencoded', body), /hub\.events appears more than once/),
      400,
    );
  });

  it('SUB-1 takes no object for a field, however deep', async () => {
    const topic = await hub.session();
    const fields = { ...FORM, 'hub.topic': topic };
    for (const field of ['hub.mode', 'hub.topic', 'hub.events', 'hub.lease_seconds']) {
      assert.ok((await refused(hub.json('', { ...fields, [field]: ['Patient-open'] }))) >= 400, field);
    }
    const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
    const body = (levels: number): string =>
      JSON.stringify(fields).replace('{', `{"x":${nested(levels)},"hub.lease_seconds":${nested(levels)},`);
    assert.equal(await refused(post('', 'application/json', body(60)), /hub\.lease_seconds/), 400);
    assert.equal(await refused(post('', 'application/json', body(200_000)), /levels deep/), 400);
  });

  it('SUB-4 is refused where no event is covered: 403', async () => {
    const writer = new HubClient(hubUrl, await backend.token('fhircast/Patient-open.write'));
    assert.equal(await refused(writer.form({ ...FORM, 'hub.topic': await hub.session() }), /scope/), 403);
  });

  it('vtk.js viewers: a callback beside the websocket, "hub.lease", fields of their own', async () => {
    const topic = await hub.session();
    const subscriber = await hub.subscribe(topic, '*', {
      'hub.callback': 'http://viewer.example/none',
      'hub.lease': '99',
      'subscriber.name': 'OHIF',
      'subscriber.product.name': 'OHIF',
      'subscriber.actors': '["ImageDisplay"]',
    });
    assert.deepEqual(await subscriber.next(), {
      'hub.mode': 'subscribe',
      'hub.topic': topic,
      'hub.events': '*',
      'hub.lease_seconds': 99,
    });
    // Its first frame is no answer; its unsubscription has no endpoint.
    subscriber.socket.send(JSON.stringify({ 'hub.channel.endpoint': subscriber.endpoint }));
    const gone = await hub.form({ ...FORM, 'hub.mode': 'unsubscribe', 'hub.topic': topic, 'subscriber.name': 'OHIF' });
    assert.equal(gone.status, 202);
    assert.equal((await subscriber.next())['hub.mode'], 'denied');
  });

  it('SUB-9 unsubscribes: 202 with the endpoint', async () => {
    const topic = await hub.session();
    for (const field of ['hub.channel.endpoint', 'endpoint']) {
      const subscriber = await hub.subscribe(topic, 'Patient-open');
      await subscriber.next();
      const response = await hub.form({
        'hub.channel.type': 'websocket',
        'hub.mode': 'unsubscribe',
        'hub.topic': topic,
        [field]: subscriber.endpoint,
      });
      assert.equal(response.status, 202);
      assert.deepEqual(await json(response), { 'hub.channel.endpoint': subscriber.endpoint });
      assert.deepEqual(Object.keys(await subscriber.next()), ['hub.mode', 'hub.topic', 'hub.events', 'hub.reason']);
      assert.equal((await subscriber.closed).code, 1000);
    }
  });
});

describe('PUB publishing', () => {
  it('PUB-1 is answered 202 with an empty body and no content type, at the root and at the topic', async () => {
    const topic = await hub.session();
    for (const path of ['', `/${topic}`]) {
      for (const type of ['application/json', 'application/fhir+json', 'Application/FHIR+JSON; charset=utf-8']) {
        const response = await post(path, type, JSON.stringify(event(topic, 'Patient-open', [patient('p1')])));
        assert.equal(response.status, 202);
        assert.equal(response.headers.get('content-type'), null);
        assert.equal(response.headers.get('content-length'), '0');
        assert.equal(await response.text(), '');
      }
    }
  });

  it('PUB-1 takes the extra fields of vtk.js, and PUB-12 does not pass them on', async () => {
    const topic = await hub.session();
    const subscriber = await hub.subscribe(topic, '*');
    await subscriber.next();
    const id = crypto.randomUUID();
    const attack = {
      'hub.mode': 'denied',
      'hub.topic': topic,
      'hub.reason': 'x',
      'subscriber.name': 'x',
      'target.actor': 'y',
    };
    // With "hub.mode" it is read as a subscription, and refused as one.
    const published = { ...attack, ...event(topic, 'Home-open', []), id };
    assert.equal(await refused(hub.json('', published)), 400);
    assert.equal((await hub.json(`/${topic}`, published)).status, 202);
    const message = await subscriber.next();
    assert.deepEqual(Object.keys(message).sort(), ['event', 'id', 'timestamp']);
    assert.equal(message.id, id);
    await subscriber.close();
  });

  it('PUB-1 is refused where path and body name different topics', async () => {
    const [topic, other] = [await hub.session(), await hub.session()];
    assert.equal(await refused(hub.json(`/${other}`, event(topic, 'Home-open', [])), /path/), 400);
  });

  it('PUB-2 needs the scope: 403', async () => {
    const topic = await hub.session();
    const reader = new HubClient(hubUrl, await backend.token('fhircast/*.read'));
    assert.equal(
      await refused(reader.publish(topic, 'Patient-open', [patient('p1')]), /fhircast\/Patient-open\.write/),
      403,
    );
    assert.equal((await hub.context(topic))['context.type'], '');
  });

  it('PUB-5 names the key and the rule: 400', async () => {
    const topic = await hub.session();
    assert.equal(
      await refused(hub.publish(topic, 'DiagnosticReport-open', [report('r1')]), /"patient" is required/),
      400,
    );
    assert.equal(await refused(hub.publish(topic, 'Patient-peek', [patient('p1')]), /hub\.event/), 400);
    assert.equal(
      await refused(hub.publish(topic, 'Patient-open', [{ ...report('r1'), key: 'patient' }]), /Patient/),
      400,
    );
  });

  it('PUB-6 bodies that are too large, malformed, absurdly deep or no UTF-8 are refused, and others are not disturbed', async () => {
    const topic = await hub.session();
    const subscriber = await hub.subscribe(topic, '*');
    await subscriber.next();
    const large = event(topic, 'Patient-open', [patient('p1'), { key: 'x', data: 'x'.repeat(1024 * 1024) }]);
    assert.equal(await refused(hub.json('', large), /too large/), 413);
    const deep = `${'{"x":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
    const nested = JSON.stringify(event(topic, 'Patient-open', [patient('p1')])).replace('[{', `[{"extra":${deep},`);
    assert.equal(await refused(post('', 'application/json', nested), /nested/), 400);
    for (const body of ['', '{', 'null', '[]', '5', '"x"', '{"timestamp":', '\u0000', '[['.repeat(100_000)]) {
      assert.equal(await refused(post('', 'application/json', body)), 400, body.slice(0, 20));
    }
    const broken = Buffer.concat([Buffer.from('{"id":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
    assert.equal(await refused(post('', 'application/json', broken), /UTF-8/), 400);
    assert.equal(await refused(post('', 'application/x-www-form-urlencoded', broken), /UTF-8/), 400);
    const id = crypto.randomUUID();
    await hub.publish(topic, 'Home-open', [], { id });
    assert.equal((await subscriber.next()).id, id);
    await subscriber.close();
  });

  it('is refused in other content types: 415', async () => {
    const topic = await hub.session();
    const body = JSON.stringify(event(topic, 'Home-open', []));
    for (const type of ['text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'x']) {
      assert.equal(await refused(post('', type, body)), 415, type);
    }
    // A form is a subscription, at the topic's address too (SES-9).
    assert.equal(await refused(post(`/${topic}`, 'application/x-www-form-urlencoded', 'a=b')), 400);
    assert.equal(await refused(hub.request('', { method: 'POST' }), /empty/), 400);
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const packed = { method: 'POST', headers, body: gzipSync(body) };
    assert.equal(await refused(hub.request('', packed), /Content-Encoding/), 415);
  });

  it('begins with a byte order mark where its writer adds one', async () => {
    const topic = await hub.session();
    const marked = `\ufeff${JSON.stringify(event(topic, 'Patient-open', [patient('p1')]))}`;
    assert.equal((await post('', 'application/json', marked)).status, 202);
  });

  it('PUB-7 a retry is 202 and changes nothing; another event with its id is 409 and changes nothing', async () => {
    const topic = await hub.session();
    const same = { id: crypto.randomUUID(), timestamp: new Date().toISOString() };
    assert.equal((await hub.publish(topic, 'Patient-open', [patient('p1')], same)).status, 202);
    const before = await hub.context(topic);
    assert.equal((await hub.publish(topic, 'Patient-open', [patient('p1')], same)).status, 202);
    const other = hub.publish(topic, 'Patient-open', [patient('p2')], same);
    assert.equal(await refused(other, /used for another event/), 409);
    assert.deepEqual(await hub.context(topic), before);
  });

  it('PUB-11 what is not open is 409', async () => {
    assert.equal(await refused(hub.publish(await hub.session(), 'Patient-close', [patient('p1')]), /not open/), 409);
  });
});

describe('CON content sharing', () => {
  const anchor = { key: 'report', reference: { reference: 'DiagnosticReport/r1' } };

  it('CON-2, CON-5 an update shows in the current context, with its version', async () => {
    const topic = await hub.session();
    assert.deepEqual(await hub.context(topic), { 'context.type': '', context: [] });
    const opening = [report('r1'), patient('p1'), study('s1')];
    await hub.publish(topic, 'DiagnosticReport-open', opening);
    const opened = await hub.request(`/${topic}`);
    assert.equal(opened.headers.get('cache-control'), 'no-store');
    const { 'context.versionId': version, context } = await json(opened);
    assert.deepEqual(context.slice(0, 3), opening);
    assert.deepEqual(context[3].resource.entry, []);
    const update = (more: Json) =>
      hub.publish(topic, 'DiagnosticReport-update', [anchor, updates(put(observation('o1')))], more);
    assert.equal(await refused(update({}), /versionId/), 400);
    assert.equal(await refused(update({ 'context.versionId': 'wrong' }), /version/), 409);
    assert.equal((await update({ 'context.versionId': version })).status, 202);
    const after = await hub.context(topic);
    assert.notEqual(after['context.versionId'], version);
    assert.deepEqual(after.context.slice(0, 3), opening);
    const { resource } = after.context[3];
    assert.equal(after.context[3].key, 'content');
    assert.equal(resource.type, 'collection');
    assert.deepEqual(resource.entry, [{ resource: observation('o1') }]);
    assert.equal(await refused(update({ 'context.versionId': version })), 409);
  });

  it('CON-8 of two simultaneous updates of one version exactly one wins, a thousand times', async () => {
    const topic = await hub.session();
    await hub.publish(topic, 'DiagnosticReport-open', [report('r1'), patient('p1')]);
    const rival = new HubClient(hubUrl, await backend.token());
    for (let round = 0; round < 1000; round++) {
      const version = (await hub.context(topic))['context.versionId'];
      const attempts = [hub, rival].map((client, n) =>
        client.publish(topic, 'DiagnosticReport-update', [anchor, updates(put(observation(`o${n}`, round)))], {
          'context.versionId': version,
        }),
      );
      const answers = await Promise.all(attempts);
      await Promise.all(answers.map((answer) => answer.text()));
      assert.deepEqual(answers.map(({ status }) => status).sort(), [202, 409], `round ${round}`);
    }
    const { context } = await hub.context(topic);
    const values = context.at(-1).resource.entry.map(({ resource }: Json) => resource.valueInteger);
    assert.ok(values.includes(999));
  });

  it('CON-6 what scopes do not cover is not returned', async () => {
    const topic = await hub.session();
    await hub.publish(topic, 'ImagingStudy-open', [study('s1')]);
    await hub.publish(topic, 'DiagnosticReport-open', [report('r1'), patient('p1')]);
    const narrow = new HubClient(hubUrl, await backend.token('fhircast/ImagingStudy-open.read'));
    assert.equal((await narrow.context(topic))['context.type'], 'ImagingStudy');
    const blind = new HubClient(hubUrl, await backend.token('hub/session.read'));
    assert.equal(await refused(blind.request(`/${topic}`)), 403);
  });
});

describe('addresses', () => {
  it('/api/hub answers like /hub; slashes at the end or doubled make no difference', async () => {
    const topic = await hub.session();
    for (const base of ['/hub', '/hub/', '//hub', '/api/hub', '/api/hub/', '/api//hub//']) {
      const client = new HubClient(`${origin}${base}`, hub.token);
      assert.equal((await client.form({ ...FORM, 'hub.topic': topic })).status, 202, base);
      assert.equal((await client.publish(topic, 'Patient-open', [patient('p1')])).status, 202, base);
      for (const path of [
        `/${topic}`,
        `//${topic}`,
        `/${topic}/`,
        '/.well-known/fhircast-configuration',
        '/session',
        '/session/',
      ]) {
        assert.equal((await client.request(path)).status, 200, base + path);
      }
    }
    assert.equal((await fetch(`${origin}/hubris`)).status, 404);
  });

  it('topics may be long: a derived one holds a user name and a nonce', async () => {
    const topic = 'x'.repeat(500);
    assert.equal(await refused(hub.request(`/${topic}`), /hub\.topic/), 404);
  });

  it('what is not there is 404; a broken one is no 5xx', async () => {
    const topic = await hub.session();
    assert.equal(await refused(hub.request(`/${topic}/x/y`)), 404);
    assert.ok((await hub.request('/%E0%A4%A')).status < 500);
    assert.ok((await hub.request('/%00')).status < 500);
  });

  it('another method than an address takes is 405, with those that it takes', async () => {
    const topic = await hub.session();
    for (const [path, allow, methods] of [
      ['', 'POST', ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']],
      [`/${topic}`, 'GET, POST', ['PUT', 'PATCH', 'DELETE']],
      ['/session', 'GET, POST', ['PUT', 'DELETE']],
      [`/session/${topic}`, 'DELETE', ['GET', 'POST', 'PUT']],
      ['/.well-known/fhircast-configuration', 'GET', ['PUT', 'DELETE']],
    ] as const) {
      for (const method of methods) {
        const response = await hub.request(path, { method });
        assert.equal(response.headers.get('allow'), `${allow}, OPTIONS`, `${method} ${path}`);
        if (method === 'HEAD') assert.equal(response.status, 405);
        else assert.equal(await refused(response, /takes/), 405);
      }
    }
  });

  it('a WebSocket endpoint that is asked for without an upgrade says what is missing', async () => {
    const response = await hub.request('/ws/anything');
    assert.equal(response.headers.get('upgrade'), 'websocket');
    assert.equal(await refused(response, /WebSocket.*Upgrade/), 426);
  });

  it('a refused body leaves the connection to the next request', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const topic = await hub.session();
    const send = (body: string): Promise<readonly [status: number | undefined, reused: boolean]> =>
      new Promise((resolve, reject) => {
        const headers = { authorization: `Bearer ${hub.token}`, 'content-type': 'application/json' };
        const request = httpRequest(hubUrl, { method: 'POST', headers, agent }, (response) => {
          response.resume();
          response.on('end', () => resolve([response.statusCode, request.reusedSocket]));
        });
        request.on('error', reject);
        request.end(body);
      });
    assert.deepEqual(await send('{'), [400, false]);
    assert.deepEqual(await send('\ufeff5'), [400, true]);
    assert.deepEqual(await send(JSON.stringify(event(topic, 'Home-open', []))), [202, true]);
    agent.destroy();
  });

  it('a client that offers h2c with its request gets its answer', async () => {
    const status = await new Promise((resolve, reject) => {
      const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAEAAEAAAAIAAAAB' };
      const request = httpRequest(`${hubUrl}/.well-known/fhircast-configuration`, { headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', reject);
      request.end();
    });
    assert.equal(status, 200);
  });
});

describe('CAP capabilities', () => {
  it('CAP-1 are given without a token', async () => {
    const response = await fetch(`${hubUrl}/.well-known/fhircast-configuration`);
    assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
    const configuration = await json(response);
    assert.equal(configuration.websocketSupport, true);
    assert.equal(configuration.fhircastVersion, '3.0.0');
    assert.equal(configuration.getCurrentSupport, true);
    assert.deepEqual(configuration.capabilities, {
      supportsGetCurrentContext: true,
      supportsNonCurrentContextUpdates: true,
    });
    assert.equal(configuration.fhirVersion, 'R4');
  });

  it('CAP-1 are true: every event can be subscribed to', async () => {
    const { eventsSupported } = await json(fetch(`${hubUrl}/.well-known/fhircast-configuration`));
    const topic = await hub.session();
    const subscriber = await hub.subscribe(topic, eventsSupported.join(','));
    assert.deepEqual((await subscriber.next())['hub.events'].split(','), eventsSupported);
    await subscriber.close();
  });

  it('CAP-2 are pointed to by the CapabilityStatement', async () => {
    const statement = await json(fetch(`${origin}/fhir/metadata`));
    const extension = statement.rest[0].extension.find(({ url }: Json) => /fhircast/.test(url));
    assert.equal(extension.extension.find(({ url }: Json) => url === 'hub.url').valueUrl, hubUrl);
  });

  it('CAP-3 preflights are answered on every address', async () => {
    for (const path of [
      '',
      '/',
      '/session',
      '/some-topic',
      '/session/some-topic',
      '/.well-known/fhircast-configuration',
    ]) {
      for (const base of [hubUrl, `${origin}/api/hub`]) {
        const response = await fetch(base + path, {
          method: 'OPTIONS',
          headers: {
            origin: 'https://viewer.example',
            'access-control-request-method': 'POST',
            'access-control-request-headers': 'authorization,content-type,x-medplum',
          },
        });
        assert.equal(response.status, 204, path);
        assert.equal(response.headers.get('access-control-allow-origin'), '*');
        assert.match(response.headers.get('access-control-allow-methods') ?? '', /GET, POST, DELETE/);
        const allowed = (response.headers.get('access-control-allow-headers') ?? '').toLowerCase().split(/, */);
        for (const header of ['authorization', 'content-type', 'x-medplum']) assert.ok(allowed.includes(header));
      }
    }
  });

  it('CAP-3 every answer may be read from any origin', async () => {
    const topic = await hub.session();
    for (const answer of [
      hub.request(`/${topic}`),
      hub.form({ ...FORM, 'hub.topic': topic }),
      hub.publish(topic, 'Home-open', []),
      fetch(`${hubUrl}/.well-known/fhircast-configuration`),
    ]) {
      assert.equal((await answer).headers.get('access-control-allow-origin'), '*');
    }
  });
});
