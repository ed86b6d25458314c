/** Clients of the field, each by the very bytes that it sends. `@medplum/core` has a file of its own. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { WebSocket } from 'ws';
import { CallbackServer } from './callback-server.ts';
import {
  EVERYTHING,
  HubClient,
  type Json,
  json,
  observation,
  patient,
  put,
  report,
  Subscriber,
  sharedLockstep,
  study,
  updates,
} from './harness.ts';

const lockstep = await sharedLockstep();
const { origin } = lockstep;

/** A client with a secret, registered with the compatibility it needs, and its token (as connectors get it). */
async function withSecret(switches: Json, metadata: Json = {}): Promise<{ id: string; secret: string; token: string }> {
  const registered = await fetch(`${origin}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Viewer',
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_post',
      scope: EVERYTHING,
      switches: { secretCredentials: true, ...switches },
      ...metadata,
    }),
  });
  assert.equal(registered.status, 201);
  const { client_id: id, client_secret: secret } = await json(registered);
  const scope = encodeURIComponent(EVERYTHING);
  const granted = await fetch(`${origin}/auth/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: `grant_type=client_credentials&client_id=${id}&client_secret=${secret}&client_product_name=VTKJS&scope=${scope}`,
  });
  assert.equal(granted.status, 200, await granted.clone().text());
  return { id, secret, token: (await json(granted)).access_token };
}

/** The vtk.js cast client, which OHIF uses: what it sends, in its order, and what it makes of the answers. */
class VtkCastClient {
  readonly #hub: string;
  readonly #token: string;
  readonly #topic: string;
  readonly #name = 'VTKJS-4f2a';
  readonly events: string;
  lastPublished = '';
  readonly taken: Json[] = [];
  socket!: WebSocket;
  #wake: (() => void) | undefined;

  constructor(hub: string, token: string, topic: string, events = '*') {
    this.#hub = hub;
    this.#token = token;
    this.#topic = topic;
    this.events = events;
  }

  #form(mode: string): string {
    const fields: readonly (readonly [string, string])[] = [
      ['hub.mode', mode],
      ['hub.channel.type', 'websocket'],
      ['hub.callback', 'https://viewer.example/castCallback'],
      ['hub.events', this.events],
      ['hub.topic', this.#topic],
      ['hub.lease', '999'],
      ['subscriber.name', this.#name],
      ['subscriber.product.name', 'VTKJS'],
      ['subscriber.product.version', '1.0'],
      ['subscriber.actors', '["ID","EC"]'],
      ['subscriber.client_info', '{"productName":"VTKJS","userAgent":"Mozilla/5.0"}'],
    ];
    return fields.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
  }

  #post(contentType: string, body: string): Promise<Response> {
    const headers = { 'Content-Type': contentType, Authorization: `Bearer ${this.#token}` };
    return fetch(this.#hub, { method: 'POST', headers, body, signal: AbortSignal.timeout(5000) });
  }

  async subscribe(): Promise<void> {
    const response = await this.#post('application/x-www-form-urlencoded', this.#form('subscribe'));
    assert.equal(response.status, 202, 'exactly 202, or it gives up');
    const given: string = (await json(response))['hub.channel.endpoint'];
    // It puts the Hub's own host in the place of whatever host the endpoint has.
    const url = given.replace(new URL(given).origin, `ws://${new URL(this.#hub).host}`);
    this.socket = new WebSocket(url);
    this.socket.on('open', () => this.socket.send(`{"hub.channel.endpoint":"${url}"}`));
    this.socket.on('message', (data) => this.#take(JSON.parse(data.toString())));
    await new Promise((resolve) => this.socket.on('open', resolve));
  }

  #take(message: Json): void {
    if (!message['hub.mode'] && message.event && message.id !== this.lastPublished) this.taken.push(message);
    this.#wake?.();
  }

  async until(count: number): Promise<readonly Json[]> {
    while (this.taken.length < count) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.taken;
  }

  async publish(event: Json, more: Json = {}): Promise<Response> {
    this.lastPublished = `VTKJS${Math.random().toString(16).slice(2)}`;
    const message = {
      event: { 'hub.topic': this.#topic, ...event },
      timestamp: new Date().toJSON(),
      id: this.lastPublished,
      'subscriber.name': this.#name,
      'subscriber.product.name': 'VTKJS',
      ...more,
    };
    return this.#post('application/json', JSON.stringify(message));
  }

  unsubscribe(): Promise<Response> {
    return this.#post('application/x-www-form-urlencoded', this.#form('unsubscribe'));
  }
}

const opening = (id: string): Json => ({ 'hub.event': 'ImagingStudy-open', context: [study(id), patient('p1')] });

describe('vtk.js / OHIF cast client', () => {
  it('gets a token with its secret, subscribes at /api/hub, hears, publishes and leaves without an endpoint', async () => {
    const { token } = await withSecret({ senderFields: true });
    const other = await HubClient.backend(origin);
    const topic = await other.session();
    const plain = await other.subscribe(topic, '*');
    const viewer = new VtkCastClient(`${origin}/api/hub/`, token, topic);
    await viewer.subscribe();

    await other.publish(topic, 'Patient-open', [patient('p1')], { id: 'from-ris' });
    const [first] = await viewer.until(1);
    assert.equal(first?.id, 'from-ris');
    assert.equal((await plain.event()).id, 'from-ris');

    const response = await viewer.publish(opening('s1'), { 'target.actor': 'ID' });
    assert.equal(response.status, 202);
    const heard = await plain.event();
    assert.equal(heard.id, viewer.lastPublished, 'the id stays: it drops its own echo by it');
    assert.deepEqual(
      [heard['subscriber.name'], heard['subscriber.product.name'], heard['target.actor']],
      ['VTKJS-4f2a', 'VTKJS', 'ID'],
      'PUB-12: passed on for a client registered so',
    );

    await other.publish(topic, 'ImagingStudy-close', [study('s1')], { id: 'last' });
    const taken = await viewer.until(2);
    assert.deepEqual(
      taken.map(({ id }) => id),
      ['from-ris', 'last'],
      'its own echo came and was dropped; it has never acknowledged anything',
    );

    const closed = new Promise((resolve) => viewer.socket.on('close', resolve));
    assert.equal((await viewer.unsubscribe()).status, 202);
    assert.equal(await closed, 1000);
    await plain.close();
  });

  it('PUB-12 without the switch its own fields are dropped, and nothing else changes', async () => {
    const { token } = await withSecret({});
    const other = await HubClient.backend(origin);
    const topic = await other.session();
    const plain = await other.subscribe(topic, '*');
    const viewer = new VtkCastClient(`${origin}/hub`, token, topic, 'ImagingStudy-open,status-update,dicom-send');
    await viewer.subscribe();
    assert.equal((await viewer.publish(opening('s1'), { 'target.actor': 'ID', 'hub.reason': 'x' })).status, 202);
    assert.deepEqual(Object.keys(await plain.event()).sort(), ['event', 'id', 'timestamp']);
    viewer.socket.close();
    await plain.close();
  });

  it('PUB-12 no field that it may pass on can look like the Hub’s own', async () => {
    const { token } = await withSecret({ senderFields: true });
    const other = await HubClient.backend(origin);
    const topic = await other.session();
    const plain = await other.subscribe(topic, '*');
    const viewer = new VtkCastClient(`${origin}/hub`, token, topic);
    const hostile = {
      'hub.topic': 'x',
      'hub.events': '*',
      'hub.lease_seconds': 0,
      'hub.reason': 'x',
      'subscriber.x': { 'hub.mode': 'denied' },
      'target.__proto__': 'x',
      'subscriber.long': 'x'.repeat(300),
      'target.actors': ['ID', 'EC'],
    };
    const denial = { ...hostile, 'hub.mode': 'denied' };
    assert.equal((await viewer.publish(opening('s1'), denial)).status, 400);
    assert.equal((await viewer.publish(opening('s1'), hostile)).status, 202);
    assert.deepEqual(Object.keys(await plain.event()).sort(), [
      'event',
      'id',
      'subscriber.name',
      'subscriber.product.name',
      'target.actors',
      'timestamp',
    ]);
    await plain.close();
  });

  it('when its socket closes it subscribes again, and receives what is open', async () => {
    const { token } = await withSecret({});
    const other = await HubClient.backend(origin);
    const topic = await other.session();
    const viewer = new VtkCastClient(`${origin}/api/hub`, token, topic);
    await viewer.subscribe();
    viewer.socket.terminate();
    await other.publish(topic, 'Patient-open', [patient('p1')], { id: 'meanwhile' });
    await viewer.subscribe();
    assert.equal((await viewer.until(1))[0]?.id, 'meanwhile');
    viewer.socket.close();
  });

  it('a page of its origin may do all of it (CAP-3)', async () => {
    const response = await fetch(`${origin}/api/hub`, {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://viewer.example',
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization,content-type',
      },
    });
    assert.equal(response.status, 204);
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
    assert.match(response.headers.get('access-control-allow-headers') ?? '', /Authorization,.* Content-Type/);
  });
});

describe('3D Slicer cast client', () => {
  it('subscribes without a callback, pings, publishes, and leaves with its endpoint', async () => {
    const { token } = await withSecret({});
    const other = await HubClient.backend(origin);
    const topic = await other.session();
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/x-www-form-urlencoded' };
    const form = (mode: string, endpoint = ''): string =>
      `hub.mode=${mode}&hub.channel.type=websocket&hub.events=%2A&hub.topic=${topic}&hub.lease=7200` +
      '&subscriber.name=SLICER-1&subscriber.product.name=SLICER&subscriber.product.version=5.8' +
      (endpoint ? `&hub.channel.endpoint=${encodeURIComponent(endpoint)}` : '') +
      '&subscriber.actors=%5B%22ID%22%5D';
    const response = await fetch(`${origin}/api/hub/`, { method: 'POST', headers, body: form('subscribe') });
    assert.equal(response.status, 202);
    const endpoint: string = (await json(response))['hub.channel.endpoint'];
    const socket = await Subscriber.connect(endpoint);
    socket.answer = () => undefined;
    assert.equal((await socket.next())['hub.mode'], 'subscribe');
    socket.socket.send('{"type":"ping"}');
    assert.deepEqual(await socket.next(), { type: 'pong' });
    const id = 'SLICERb7c1';
    const published = await fetch(`${origin}/api/hub/`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({
        timestamp: new Date().toISOString(),
        id,
        'subscriber.name': 'SLICER-1',
        'subscriber.product.name': 'SLICER',
        'target.actor': 'RC',
        event: { 'hub.topic': topic, ...opening('s1') },
      }),
    });
    assert.equal(published.status, 202);
    assert.equal((await socket.event()).id, id);
    const left = await fetch(`${origin}/api/hub/`, { method: 'POST', headers, body: form('unsubscribe', endpoint) });
    assert.equal(left.status, 202);
    assert.equal((await socket.closed).code, 1000);
  });
});

describe('PowerCast-like connector', () => {
  const LEASE = '86400';

  /** What it sends, in its order: .NET's forms, and JSON of its own objects. */
  class Connector {
    readonly #hub = `${origin}/hub`;
    readonly #topic: string;
    readonly #token: string;

    private constructor(topic: string, token: string) {
      this.#topic = topic;
      this.#token = token;
    }

    static async start(topic: string, switches: Json): Promise<Connector> {
      const { id, secret } = await withSecret(switches);
      // It names the audience, and asks for no scope.
      const granted = await fetch(`${origin}/auth/token`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: `grant_type=client_credentials&client_id=${id}&client_secret=${secret}&audience=${encodeURIComponent(`${origin}/hub`)}`,
      });
      assert.equal(granted.status, 200, await granted.clone().text());
      return new Connector(topic, (await json(granted)).access_token);
    }

    #send(url: string, contentType: string | undefined, body?: string): Promise<Response> {
      const headers = { Authorization: `Bearer ${this.#token}`, ...(contentType && { 'Content-Type': contentType }) };
      return fetch(url, { method: body === undefined ? 'GET' : 'POST', headers, ...(body !== undefined && { body }) });
    }

    form(mode: string, events: string, endpoint = ''): Promise<Response> {
      const body =
        `hub.channel.type=websocket&hub.callback=&hub.mode=${mode}&hub.topic=${this.#topic}` +
        `&hub.events=${encodeURIComponent(events)}&hub.secret=SeCreT&hub.lease_seconds=${LEASE}&hub.subscriber=TestPowerCast` +
        (endpoint && `&hub.channel.endpoint=${encodeURIComponent(endpoint)}`);
      return this.#send(this.#hub, 'application/x-www-form-urlencoded', body);
    }

    async subscribe(events: string): Promise<Subscriber> {
      const response = await this.form('subscribe', events);
      assert.equal(response.status, 202, await response.clone().text());
      const socket = await Subscriber.connect((await json(response))['hub.channel.endpoint']);
      socket.answer = () => undefined;
      assert.equal((await socket.next())['hub.topic'], this.#topic, 'or it gives up');
      return socket;
    }

    publish(event: string, context: readonly Json[], version?: string): Promise<Response> {
      const local = new Date().toISOString().replace('Z', '4567-05:00');
      const message = {
        timestamp: local,
        id: `TestPowerCast-${crypto.randomUUID().replaceAll('-', '')}`,
        event: {
          'hub.topic': this.#topic,
          'hub.event': event,
          ...(version && { 'context.versionId': version }),
          context,
        },
      };
      const text = JSON.stringify(message, undefined, 2);
      return this.#send(`${this.#hub}/${this.#topic}`, 'application/json; charset=utf-8', text);
    }

    /** It reads a list, and works on the first report in it. */
    async report(): Promise<Json | undefined> {
      const list = await json(this.#send(`${this.#hub}/${this.#topic}`, undefined));
      assert.ok(Array.isArray(list), 'or it fails');
      return list.find(({ contextType }) => contextType === 'DiagnosticReport');
    }
  }

  it('reads the context as a list with versions and works on it; an old version is a 409', async () => {
    const ehr = await HubClient.backend(origin);
    const topic = await ehr.session('Practitioner/1', 'ws-7');
    const other = await ehr.subscribe(topic, '*');
    const connector = await Connector.start(topic, { contextList: true, draftContent: true });
    const socket = await connector.subscribe('DiagnosticReport-open,DiagnosticReport-update,syncerror');
    const { 'hub.lease_seconds': lease } = socket.received[0] ?? {};
    assert.ok(lease > 0 && lease <= 300, 'no longer than its token');
    const [listed] = await json(ehr.request('/session?workstation=ws-7')).then((list) => list as unknown as Json[]);
    assert.ok(listed?.subscribers.includes('TestPowerCast'), 'known by the name that it gives');
    assert.equal(await connector.report(), undefined);

    // Patient and studies come before the report.
    assert.equal(
      (await connector.publish('DiagnosticReport-open', [patient('p1'), study('s1'), report('r1')])).status,
      202,
    );
    const opened = (await socket.event()).event['context.versionId'];
    const found = await connector.report();
    assert.equal(found?.['context.versionId'], opened);
    assert.deepEqual(
      found?.context.map(({ key }: Json) => key),
      ['patient', 'study', 'report', 'content'],
    );

    // What it adds it posts, beside a whole report.
    const whole = { key: 'report', resource: { resourceType: 'DiagnosticReport', id: 'r1' } };
    const bundle = (...entry: Json[]): Json => ({
      key: 'content',
      resource: { resourceType: 'Bundle', id: 'b1', type: 'transaction', entry },
    });
    const add = [whole, bundle({ request: { method: 'POST' }, resource: observation('o1') })];
    assert.equal((await connector.publish('DiagnosticReport-update', add, opened)).status, 202);
    assert.equal((await connector.publish('DiagnosticReport-update', add, opened)).status, 409);
    const told = (await socket.event()).event;
    assert.deepEqual(told.context[0], whole, 'it cannot read references');
    const seen = [await other.event(), await other.event()].at(-1)?.event;
    assert.deepEqual(seen.context[0], { key: 'report', reference: { reference: 'DiagnosticReport/r1' } });
    assert.equal(seen.context[1].key, 'updates');
    assert.equal(seen.context[1].resource.entry[0].request.method, 'PUT', 'to others it is what 3.0.0 says');
    const now = await connector.report();
    assert.equal(now?.['context.versionId'], told['context.versionId']);
    assert.deepEqual(now?.context.at(-1).resource.entry[0].resource, observation('o1'));

    const remove = [whole, bundle({ request: { method: 'DELETE' }, resource: observation('o1') })];
    assert.equal((await connector.publish('DiagnosticReport-update', remove, now?.['context.versionId'])).status, 202);
    assert.deepEqual((await connector.report())?.context.at(-1).resource.entry, []);
    const outcome = { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'processing' }] };
    assert.equal((await connector.publish('syncerror', [{ key: 'OperationOutcome', resource: outcome }])).status, 202);
    // A report alone; to others it is a close with its patient, as 3.0.0 wants it.
    assert.equal((await connector.publish('DiagnosticReport-close', [report('r1')])).status, 202);
    assert.equal(await connector.report(), undefined);
    const { context: closed } = [await other.event(), await other.event(), await other.event()].at(-1)?.event ?? {};
    assert.deepEqual(closed, [report('r1'), patient('p1')]);
    assert.equal((await connector.publish('userlogout', [])).status, 202);

    assert.equal((await connector.form('unsubscribe', 'DiagnosticReport-open', socket.endpoint)).status, 202);
    assert.equal((await socket.closed).code, 1000);
    await other.close();
  });

  it('without its switches it is served as 3.0.0 says', async () => {
    const topic = await (await HubClient.backend(origin)).session();
    const connector = await Connector.start(topic, {});
    assert.equal((await connector.publish('DiagnosticReport-open', [patient('p1'), report('r1')])).status, 202);
    assert.equal(
      (await connector.publish('DiagnosticReport-close', [report('r1')])).status,
      400,
      'a patient is required',
    );
    await assert.rejects(connector.report(), /or it fails/);
    assert.equal((await connector.publish('userlogout', [])).status, 400);
  });

  it('WEB-5 writes the version without its prefix, and registered for STU2 reads it so', async () => {
    const { token } = await withSecret({ fhircast: 'STU2', lowerCaseEvents: true });
    const connector = new HubClient(`${origin}/hub`, token);
    const topic = await connector.session();
    const socket = await connector.subscribe(topic, 'diagnosticreport-open,diagnosticreport-update');
    assert.equal((await socket.next())['hub.events'], 'diagnosticreport-open,diagnosticreport-update');
    await connector.publish(topic, 'diagnosticreport-open', [report('r1'), patient('p1'), study('s1')]);
    const { versionId, 'hub.event': name } = (await socket.event()).event;
    assert.equal(name, 'diagnosticreport-open');
    const context = [
      { key: 'report', reference: { reference: 'DiagnosticReport/r1' } },
      updates(put(observation('o1'))),
    ];
    const response = await connector.publish(topic, 'diagnosticreport-update', context, { versionId });
    assert.equal(response.status, 202, await response.text());
    const updated = (await socket.event()).event;
    assert.equal(updated.priorVersionId, versionId);
    assert.equal(updated.versionId, updated['context.versionId']);
    await socket.close();
  });

  it('takes events by webhook as well', async (t) => {
    const { token } = await withSecret({});
    const connector = new HubClient(`${origin}/hub`, token);
    const topic = await connector.session();
    const server = await callback(t);
    const response = await connector.form({
      'hub.channel.type': 'webhook',
      'hub.callback': server.url,
      'hub.mode': 'subscribe',
      'hub.topic': topic,
      'hub.secret': 'shhh',
      'hub.events': 'diagnosticreport-open',
      'hub.lease_seconds': LEASE,
      'subscriber.name': 'PowerCast',
    });
    assert.deepEqual([response.status, await response.text()], [202, '']);
    await server.until(() => server.modes('subscribe').length === 1);
    await connector.publish(topic, 'DiagnosticReport-open', [report('r1'), patient('p1')], { id: 'e1' });
    await server.until(() => server.ids.includes('e1'));
    const delivery = server.requests.at(-1);
    assert.equal(delivery?.headers['x-hub-signature'], sign('shhh', delivery?.bytes));
  });

  it('without a header of its own it sends the token with the form (RFC 6750, 2.2)', async () => {
    const { token } = await withSecret({});
    const topic = await new HubClient(`${origin}/hub`, token).session();
    const form = {
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': topic,
      'hub.events': 'Patient-open',
    };
    const post = (fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${origin}/hub`, { method: 'POST', headers, body: new URLSearchParams(fields) });
    assert.equal((await post({ ...form, access_token: token })).status, 202);
    assert.equal((await post({ ...form, access_token: 'wrong' })).status, 401);
    assert.equal((await post({ ...form, access_token: token }, { authorization: 'Bearer wrong' })).status, 401);
    assert.equal((await post(form)).status, 401);
  });
});

function sign(secret: string, bytes: Buffer = Buffer.alloc(0)): string {
  return `sha256=${createHmac('sha256', secret).update(bytes).digest('hex')}`;
}

async function callback(t: TestContext): Promise<CallbackServer> {
  const server = await CallbackServer.start();
  t.after(() => server.close());
  return server;
}

describe('a bare WebSub subscriber', () => {
  it('verifies, checks signature and links, renews, and unsubscribes', async (t) => {
    const { token } = await withSecret({});
    const client = new HubClient(`${origin}/hub`, token);
    const topic = await client.session();
    const server = await callback(t);
    const form = (mode: string, secret: string): Promise<Response> =>
      fetch(`${origin}/hub`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/x-www-form-urlencoded' },
        body:
          `hub.callback=${encodeURIComponent(server.url)}&hub.mode=${mode}&hub.topic=${topic}` +
          `&hub.secret=${secret}&hub.events=patient-open%2Cpatient-close&hub.lease_seconds=864000`,
      });
    assert.equal((await form('subscribe', 'one')).status, 202);
    await server.until(() => server.modes('subscribe').length === 1);
    await client.publish(topic, 'Patient-open', [patient('p1')], { id: 'e1' });
    await server.until(() => server.ids.includes('e1'));
    const [delivery] = server.requests.filter(({ method }) => method === 'POST');
    assert.equal(delivery?.headers['x-hub-signature'], sign('one', delivery?.bytes));
    assert.equal(delivery?.headers.link, `<${origin}/hub>; rel="hub", <${origin}/hub/${topic}>; rel="self"`);

    assert.equal((await form('subscribe', 'two')).status, 202);
    await server.until(() => server.modes('subscribe').length === 2);
    await client.publish(topic, 'Patient-close', [patient('p1')], { id: 'e2' });
    await server.until(() => server.ids.includes('e2'));
    const renewed = server.requests.at(-1);
    assert.equal(renewed?.headers['x-hub-signature'], sign('two', renewed?.bytes), 'the new secret');

    assert.equal((await form('unsubscribe', 'two')).status, 202);
    await server.until(() => server.modes('unsubscribe').length === 1);
    const asked = server.modes('unsubscribe')[0]?.url.searchParams;
    assert.equal(asked?.get('hub.topic'), topic);
    assert.ok(asked?.get('hub.challenge'));
  });
});
