/** Webhook and WebSocket subscribers beside each other, on real sockets and through a crash (WEB). */
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { exportJWK, SignJWT } from 'jose';
import { CallbackServer } from './callback-server.ts';
import { selfSigned } from './certificate.ts';
import { EVERYTHING, HubClient, json, patient, Subscriber, study, withLockstep } from './harness.ts';
import { LockstepProcess } from './process.ts';

async function callback(t: TestContext, tls?: Parameters<typeof CallbackServer.start>[0]): Promise<CallbackServer> {
  const server = await CallbackServer.start(tls);
  t.after(() => server.close());
  return server;
}

/** Subscribes a webhook; it has been verified when this resolves. */
async function subscribe(
  client: HubClient,
  topic: string,
  server: CallbackServer,
  more: Record<string, string> = {},
): Promise<void> {
  const response = await client.form({
    'hub.channel.type': 'webhook',
    'hub.mode': 'subscribe',
    'hub.topic': topic,
    'hub.events': 'Patient-open',
    'hub.callback': server.url,
    ...more,
  });
  assert.equal(response.status, 202, await response.text());
  await server.until(() => server.modes('subscribe').length > 0);
}

const open = async (client: HubClient, topic: string, id: string): Promise<void> => {
  const response = await client.publish(topic, 'Patient-open', [patient(id)], { id });
  assert.equal(response.status, 202, await response.text());
};

/** Selects nothing in the context of a patient. */
const select = async (client: HubClient, topic: string, of: string, id: string): Promise<void> => {
  const context = [{ key: 'patient', reference: { reference: `Patient/${of}` } }, { key: 'select' }];
  const response = await client.publish(topic, 'Patient-select', context, { id });
  assert.equal(response.status, 202, await response.text());
};

describe('PUB-3 one order for every kind of channel', () => {
  it('a webhook and a WebSocket subscriber of one session get the same events in the same order', (t) =>
    withLockstep(async ({ origin }) => {
      const client = await HubClient.backend(origin);
      const topic = await client.session();
      const server = await callback(t);
      const socket = await client.subscribe(topic, 'Patient-open');
      await open(client, topic, 'before');
      await subscribe(client, topic, server, { 'hub.secret': 'shhh' });
      // The standing open shows that the subscription has been entered (SUB-8).
      await server.until(() => server.ids.length === 1);
      const more = Array.from({ length: 50 }, (_, index) => `p${index}`);
      await Promise.all(more.map((id) => open(client, topic, id)));
      await server.until(() => server.ids.length === more.length + 1);
      const seen = [];
      while (seen.length < more.length + 1) seen.push(await socket.event());
      assert.deepEqual(server.events, seen);
      for (const { bytes, headers, method } of server.requests.filter((one) => one.method === 'POST')) {
        const digest = createHmac('sha256', 'shhh').update(bytes).digest('hex');
        assert.equal(headers['x-hub-signature'], `sha256=${digest}`, method);
        assert.equal(headers['content-type'], 'application/json');
      }
      await socket.close();
    }));
});

describe('WEB-3 a refusal by webhook', () => {
  it('reaches the WebSocket subscribers as a SyncError', (t) =>
    withLockstep(async ({ origin }) => {
      const client = await HubClient.backend(origin);
      const topic = await client.session();
      const server = await callback(t);
      await open(client, topic, 'before');
      await subscribe(client, topic, server, { 'subscriber.name': 'Refusing' });
      await server.until(() => server.ids.length === 1);
      const socket = await client.subscribe(topic, 'SyncError');
      server.answer = (_, response) => response.writeHead(409).end();
      await open(client, topic, 'p1');
      const [issue] = (await socket.event()).event.context[0].resource.issue;
      assert.deepEqual(
        issue.details.coding.map(({ code }: { code: string }) => code),
        ['p1', 'Patient-open', 'Refusing'],
      );
      await socket.close();
    }));
});

describe('SUB-11 a webhook that is behind what the log holds', () => {
  const LOG = { logEvents: 5 };
  const EVENTS = { 'hub.events': '*' };

  /** The next delivery waits for its answer until the function that is given back is called. */
  function hold(server: CallbackServer): () => void {
    const { answer } = server;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    server.answer = (got, response) => void held.then(() => answer(got, response));
    return () => {
      server.answer = answer;
      release();
    };
  }

  /** A webhook that has shown the patient `before` and does not answer to the study that was opened then. */
  async function heldUp(t: TestContext, origin: string) {
    const client = await HubClient.backend(origin);
    const topic = await client.session();
    const server = await callback(t);
    await open(client, topic, 'before');
    await subscribe(client, topic, server, EVENTS);
    await server.until(() => server.ids.length === 1);
    const release = hold(server);
    await client.publish(topic, 'ImagingStudy-open', [study('s1')], { id: 'study' });
    await server.until(() => server.ids.length === 2);
    return { client, topic, server, release };
  }

  /** Opens and closes patients while the webhook holds up its first delivery. */
  async function openAndClose(client: HubClient, topic: string, count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      await open(client, topic, `meanwhile-${n}`);
      const id = `meanwhile-${n}-closed`;
      assert.equal((await client.publish(topic, 'Patient-close', [patient(`meanwhile-${n}`)], { id })).status, 202);
    }
  }

  it('is sent closes of what it may believe open, then the standing opens, the current context last', (t) =>
    withLockstep(async ({ origin }) => {
      const { client, topic, server, release } = await heldUp(t, origin);
      await openAndClose(client, topic, 10);
      await client.publish(topic, 'Patient-close', [patient('before')], { id: 'closed' });
      await open(client, topic, 'other');
      await client.publish(topic, 'ImagingStudy-open', [study('s1')], { id: 'again' });
      release();
      await server.until(
        () => server.events.at(-1)?.event['hub.event'] === 'ImagingStudy-open' && server.ids.length > 3,
      );
      const sent = [...server.events];
      // Some that came while it was held up are still to be had.
      const published = /^(before|study|closed|other|again|meanwhile-.*)$/;
      const first = sent.findIndex(({ id }) => !published.test(id));
      const instead = sent.slice(first);
      assert.ok(
        instead.every(({ id }) => !published.test(id)),
        'under new ids',
      );
      const about = instead.map(({ event }) => `${event['hub.event']} ${event.context[0].resource.id}`);
      assert.ok(about.includes('Patient-close meanwhile-9'));
      assert.deepEqual(about.slice(-3), ['Patient-close before', 'Patient-open other', 'ImagingStudy-open s1']);
      assert.equal(about.filter((one) => one.includes('-open')).length, 2);
      // What comes then is what is published then.
      await open(client, topic, 'later');
      await server.until(() => server.ids.at(-1) === 'later');
      assert.equal(server.ids.length, sent.length + 1);
    }, LOG));

  it('is denied with the reason where the Hub does not know what it shows', (t) =>
    withLockstep(async ({ origin }) => {
      const { client, topic, server, release } = await heldUp(t, origin);
      // More than the Hub remembers.
      await openAndClose(client, topic, 90);
      release();
      await server.until(() => server.modes('denied').length === 1);
      const reason = server.modes('denied')[0]?.url.searchParams.get('hub.reason') ?? '';
      assert.match(reason, /no longer known: subscribe again/);
      assert.ok(!server.ids.includes('meanwhile-89'));
    }, LOG));
});

describe('WEB-1 forms', () => {
  it('STU1: no channel type, a secret, lower-case names; 202 without a body, then the verification', (t) =>
    withLockstep(async ({ origin }) => {
      const client = await HubClient.backend(origin);
      const topic = await client.session();
      const server = await callback(t);
      const form = {
        'hub.callback': `${server.url}?foo=bar&red=fish`,
        'hub.mode': 'subscribe',
        'hub.topic': topic,
        'hub.secret': 'shhh-this-is-a-secret',
        'hub.events': 'patient-open,patient-close',
      };
      const { 'hub.secret': _, ...without } = form;
      assert.equal((await client.form(without)).status, 400);
      assert.equal((await client.form({ ...form, 'hub.secret': 's'.repeat(200) })).status, 400);
      const response = await client.form(form);
      assert.deepEqual([response.status, await response.text()], [202, '']);
      await server.until(() => server.requests.length > 0);
      assert.match(server.requests[0]?.url.search ?? '', /^\?foo=bar&red=fish&hub\.mode=subscribe&/);
      assert.equal(server.requests[0]?.url.searchParams.get('hub.events'), 'Patient-open,Patient-close');
      await open(client, topic, 'p1');
      await server.until(() => server.ids.length === 1);
      const { event } = server.events[0] ?? {};
      assert.equal(event['hub.event'], 'Patient-open');
      assert.equal(event['context.versionId'], undefined, 'STU1 knows no versions');
    }));

  it('webhooks are off where the operator says so', () =>
    withLockstep(
      async ({ origin }) => {
        const client = await HubClient.backend(origin);
        const topic = await client.session();
        const response = await client.form({
          'hub.channel.type': 'webhook',
          'hub.mode': 'subscribe',
          'hub.topic': topic,
          'hub.events': 'Patient-open',
          'hub.callback': 'https://app.example/callback',
        });
        assert.equal(response.status, 400);
        const configuration = await client.request('/.well-known/fhircast-configuration');
        assert.equal(((await configuration.json()) as { webhookSupport: boolean }).webhookSupport, false);
      },
      { webhooks: false },
    ));
});

describe('WEB-4 outside development', () => {
  /** A token of a server that listens on loopback, as behind a proxy, and has another address outside. */
  async function token(outside: string, inside: string): Promise<string> {
    const there = (url: string): string => url.replace(outside, inside);
    const smart = await json(fetch(`${inside}/fhir/.well-known/smart-configuration`));
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const registered = await fetch(there(smart.registration_endpoint), {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer first-word' },
      body: JSON.stringify({
        grant_types: ['client_credentials'],
        jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES384' }] },
        scope: EVERYTHING,
      }),
    });
    const { client_id: id } = await json(registered);
    const assertion = await new SignJWT({ jti: crypto.randomUUID() })
      .setProtectedHeader({ alg: 'ES384', kid: 'k' })
      .setIssuer(id)
      .setSubject(id)
      .setAudience(smart.token_endpoint)
      .setExpirationTime('2m')
      .sign(privateKey);
    const form = {
      grant_type: 'client_credentials',
      scope: EVERYTHING,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    };
    const granted = await fetch(there(smart.token_endpoint), { method: 'POST', body: new URLSearchParams(form) });
    return (await json(granted)).access_token;
  }

  it('a server that others reach through a proxy calls no internal callbacks', (t) =>
    withLockstep(
      async ({ port }) => {
        const inside = `http://localhost:${port}`;
        const client = new HubClient(`${inside}/hub`, await token('https://lockstep.example', inside));
        const topic = await client.session();
        const server = await callback(t);
        const attempts = [
          [server.url, 'hub.callback must be an https URL'],
          [server.url.replace('http', 'https'), 'hub.callback points to an address that is not allowed'],
          ['https://169.254.169.254/latest/meta-data/', 'hub.callback points to an address that is not allowed'],
          ['https://[::ffff:127.0.0.1]/', 'hub.callback points to an address that is not allowed'],
        ];
        for (const [url = '', reason] of attempts) {
          const response = await client.form({
            'hub.channel.type': 'webhook',
            'hub.mode': 'subscribe',
            'hub.topic': topic,
            'hub.events': 'Patient-open',
            'hub.callback': url,
          });
          assert.deepEqual([response.status, (await response.text()).trim()], [400, reason], url);
        }
        assert.equal(server.requests.length, 0);
      },
      { publicUrl: 'https://lockstep.example', initialAccessToken: 'first-word' },
    ));
});

describe('WEB-3 kill -9 between retry and success', () => {
  it('what was not delivered is, once the server is back, in order, over https', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-kill-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const tls = selfSigned();
    const ca = join(folder, 'ca.pem');
    writeFileSync(ca, tls.cert);
    const server = await callback(t, tls);
    const lockstep = await LockstepProcess.start(t, { NODE_EXTRA_CA_CERTS: ca });
    const client = await HubClient.backend(lockstep.origin);
    const topic = await client.session();
    const events = 'Patient-open,Patient-select';
    const socket = await client.subscribe(topic, events);
    await open(client, topic, 'p1');
    await subscribe(client, topic, server, { 'hub.events': events });
    await server.until(() => server.ids.length === 1);

    server.answer = (_, response) => response.writeHead(503).end();
    // Content keeps its order; of opens, only the last would be tried again.
    for (const id of ['s1', 's2', 's3']) await select(client, topic, 'p1', id);
    // Tried, and tried again.
    await server.until(() => server.ids.length >= 3);
    await lockstep.kill();
    const tried = server.ids.length;
    assert.deepEqual(new Set(server.ids.slice(1)), new Set(['s1']), 'what follows waits its turn');

    server.answer = ({ url }, response) => response.end(url.searchParams.get('hub.challenge'));
    await lockstep.start();
    await server.until(() => server.ids.length >= tried + 3);
    assert.deepEqual(server.ids.slice(tried), ['s1', 's2', 's3']);
    assert.equal(server.modes('subscribe').length, 1, 'the subscription outlived the crash');

    // The WebSocket subscriber returns and has seen the same order.
    const seen = socket.received.filter(({ event }) => event).map(({ id }) => id);
    const back = await Subscriber.connect(`${socket.endpoint}?since=${seen.at(-1)}`);
    await open(client, topic, 'p5');
    while (seen.at(-1) !== 'p5') seen.push((await back.event()).id);
    await server.until(() => server.ids.length >= tried + 4);
    assert.deepEqual(seen, [...new Set(server.ids)]);
    await back.close();
  });
});
