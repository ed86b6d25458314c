/** The Hub's endpoints over real sockets: SUB-7 to SUB-11, ERR and DER as a subscriber sees them. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { WebSocket } from 'ws';
import {
  Backend,
  HubClient,
  type Json,
  json,
  patient,
  report,
  Subscriber,
  sharedLockstep,
  study,
  withLockstep,
} from './harness.ts';

const { origin, port } = await sharedLockstep();
const hubUrl = `${origin}/hub`;
const backend = await Backend.register(origin);
const hub = new HubClient(hubUrl, await backend.token());

/** The next event of a name, whatever comes before it. */
async function next(subscriber: Subscriber, name: string): Promise<Json> {
  const message = await subscriber.event();
  return message.event['hub.event'] === name ? message : next(subscriber, name);
}

const cause = ({ event }: Json): readonly string[] =>
  event.context[0].resource.issue[0].details.coding.map(({ code }: Json) => code);

/** Subscribes and takes the confirmation. */
async function join(topic: string, events = '*', more: Record<string, string> = {}): Promise<Subscriber> {
  const subscriber = await hub.subscribe(topic, events, more);
  assert.equal((await subscriber.next())['hub.mode'], 'subscribe');
  return subscriber;
}

/** Publishes an event and takes it from each subscriber: everything before has arrived then. */
async function flush(topic: string, ...subscribers: Subscriber[]): Promise<void> {
  const id = crypto.randomUUID();
  assert.equal((await hub.publish(topic, 'org.example.flush', [], { id })).status, 202);
  for (const subscriber of subscribers) while ((await subscriber.event()).id !== id);
}

const refusal = (endpoint: string): Promise<string> =>
  Subscriber.connect(endpoint).then(
    () => 'was accepted',
    (error: Error) => error.message,
  );

describe('SUB-7 connecting', () => {
  it('brings confirmation, standing opens (SUB-8), then events in order', async () => {
    const topic = await hub.session();
    await hub.publish(topic, 'DiagnosticReport-open', [report('r1'), patient('p1')], { id: 'a' });
    await hub.publish(topic, 'ImagingStudy-open', [study('s1')], { id: 'b' });
    const subscriber = await hub.subscribe(topic, 'imagingstudy-open,diagnosticreport-OPEN', {
      'hub.lease_seconds': '60',
    });
    assert.deepEqual(await subscriber.next(), {
      'hub.mode': 'subscribe',
      'hub.topic': topic,
      'hub.events': 'ImagingStudy-open,DiagnosticReport-open',
      'hub.lease_seconds': 60,
    });
    assert.equal((await subscriber.next()).id, 'a');
    assert.equal((await subscriber.next()).id, 'b');
    await hub.publish(topic, 'Patient-open', [patient('p1')], { id: 'c' });
    await hub.publish(topic, 'ImagingStudy-open', [study('s2')], { id: 'd' });
    assert.equal((await subscriber.next()).id, 'd');
    await subscriber.close();
  });

  it('to an unknown or dead endpoint refuses the upgrade with a 4xx', async () => {
    const topic = await hub.session();
    assert.match(await refusal(`ws://localhost:${port}/hub/ws/unknown`), /404/);
    assert.match(await refusal(`ws://localhost:${port}/hub/ws/`), /404/);
    assert.match(await refusal(`ws://localhost:${port}/elsewhere`), /404/);
    const subscriber = await join(topic);
    const fields = { 'hub.channel.type': 'websocket', 'hub.mode': 'unsubscribe', 'hub.topic': topic };
    assert.equal((await hub.form({ ...fields, 'hub.channel.endpoint': subscriber.endpoint })).status, 202);
    await subscriber.closed;
    assert.match(await refusal(subscriber.endpoint), /404/);
  });

  it('a second connection takes over; the first is closed normally and no error is reported', async () => {
    const topic = await hub.session();
    const watcher = await join(topic);
    const first = await join(topic);
    const second = await Subscriber.connect(first.endpoint);
    assert.equal((await first.closed).code, 1000);
    await flush(topic, second, watcher);
    assert.ok(watcher.received.every((message) => message.event?.['hub.event'] !== 'SyncError'));
    await Promise.all([watcher.close(), second.close()]);
  });

  it('works below /api/hub too', async () => {
    const topic = await hub.session();
    const { endpoint } = await join(topic);
    const alias = await Subscriber.connect(endpoint.replace('/hub/ws/', '/api/hub/ws/'));
    assert.equal((await alias.next())['hub.mode'], 'subscribe');
    await alias.close();
  });
});

describe('SUB-9, SUB-11', () => {
  it('a normal close ends the subscription', async () => {
    const topic = await hub.session();
    const watcher = await join(topic);
    const subscriber = await join(topic);
    await subscriber.close(1000);
    for (;;) {
      const [session] = (await json(hub.request('/session'))).filter((one: Json) => one['hub.topic'] === topic);
      if (session.subscribers.length === 1) break;
    }
    assert.match(await refusal(subscriber.endpoint), /404/);
    await flush(topic, watcher);
    assert.ok(watcher.received.every((message) => message.event?.['hub.event'] !== 'SyncError'));
    await watcher.close();
  });

  it('a dropped socket returns to its endpoint and gets all it missed since the event it names, in order', async () => {
    const topic = await hub.session();
    const subscriber = await join(topic);
    const ids = Array.from({ length: 10 }, () => crypto.randomUUID());
    await hub.publish(topic, 'Patient-open', [patient('p')], { id: ids[0] });
    assert.equal((await subscriber.event()).id, ids[0]);
    subscriber.socket.terminate();
    for (const id of ids.slice(1)) await hub.publish(topic, 'Patient-open', [patient('p')], { id });
    const back = await Subscriber.connect(`${subscriber.endpoint}?since=${ids[0]}`);
    assert.equal((await back.next())['hub.mode'], 'subscribe');
    const seen: string[] = [];
    // The SyncErrors about itself are not for itself.
    while (seen.length < 9) seen.push((await back.next()).id);
    assert.deepEqual(seen, ids.slice(1));
    back.socket.terminate();
    const again = await Subscriber.connect(subscriber.endpoint);
    assert.equal((await again.next())['hub.mode'], 'subscribe');
    assert.equal((await again.next()).id, ids[9]);
    await again.close();
  });

  it('a peer that does not answer pings is closed as lost, ERR-3; one that does stays', async () => {
    await withLockstep(
      async ({ origin: own }) => {
        const client = await HubClient.backend(own);
        const topic = await client.session();
        const watcher = await client.subscribe(topic, 'SyncError');
        const response = await client.form({
          'hub.channel.type': 'websocket',
          'hub.mode': 'subscribe',
          'hub.topic': topic,
          'hub.events': 'Patient-open',
          'subscriber.name': 'Asleep',
        });
        const socket = new WebSocket((await json(response))['hub.channel.endpoint'], { autoPong: false });
        const closed = new Promise<number>((resolve) => socket.on('close', resolve));
        assert.equal(await closed, 1006);
        assert.equal(cause(await watcher.event())[2], 'Asleep');
        assert.equal(watcher.socket.readyState, WebSocket.OPEN);
        await watcher.close();
      },
      { pingSeconds: 1, sampleData: false },
    );
  });
});

describe('ERR answers and SyncErrors', () => {
  it('ERR-1 a ping gets a pong; what is no answer does no harm', async () => {
    const topic = await hub.session();
    const subscriber = await join(topic);
    for (const text of ['hello', '{', '[]', '{"id":5}', '{"id":"unheard of","status":500}', ''])
      subscriber.socket.send(text);
    subscriber.socket.send(Buffer.from('{"type":"ping"}'), { binary: true });
    subscriber.socket.send('{"type":"ping"}');
    assert.deepEqual(await subscriber.next(), { type: 'pong' });
    await flush(topic, subscriber);
    await subscriber.close();
  });

  it('ERR-2 a subscriber that answers 409 or 500 is named to the others that subscribed to SyncError', async () => {
    const topic = await hub.session();
    const refusing = await join(topic, '*', { 'subscriber.name': 'Refusing viewer' });
    const watcher = await join(topic, 'SyncError');
    const unaware = await join(topic, 'Patient-open,org.example.flush');
    for (const status of [409, '500']) {
      const id = crypto.randomUUID();
      refusing.answer = () => undefined;
      await hub.publish(topic, 'Patient-open', [patient('p1')], { id });
      await refusing.event();
      refusing.socket.send(JSON.stringify({ id, status }));
      const error = await watcher.event();
      assert.equal(error.event['hub.event'], 'SyncError');
      assert.deepEqual(cause(error), [id, 'Patient-open', 'Refusing viewer']);
      const [issue] = error.event.context[0].resource.issue;
      assert.deepEqual([issue.severity, issue.code], ['warning', 'processing']);
      assert.match(issue.diagnostics, /Refusing viewer/);
    }
    await flush(topic, refusing, unaware);
    for (const one of [refusing, unaware]) {
      assert.ok(one.received.every((message) => message.event?.['hub.event'] !== 'SyncError'));
    }
    await Promise.all([refusing.close(), watcher.close(), unaware.close()]);
  });

  it('ERR-3 a socket that is cut, or closes with an error, is named to the others', async () => {
    const topic = await hub.session();
    const watcher = await join(topic, 'SyncError');
    const cut = await join(topic, '*', { 'subscriber.name': 'Cut' });
    cut.socket.terminate();
    assert.equal(cause(await watcher.event())[2], 'Cut');
    const failing = await join(topic, '*', { 'subscriber.name': 'Failing' });
    failing.socket.close(1011);
    assert.equal(cause(await watcher.event())[2], 'Failing');
    await watcher.close();
  });

  it('DER-1 opens are derived for who subscribed to them only', async () => {
    const topic = await hub.session();
    const subscriber = await join(topic, 'Patient-open,SyncError');
    await hub.publish(topic, 'DiagnosticReport-open', [report('r1'), patient('p1'), study('s1')], { id: 'original' });
    const derived = await subscriber.event();
    assert.equal(derived.event['hub.event'], 'Patient-open');
    assert.deepEqual(derived.event.context, [patient('p1')]);
    assert.notEqual(derived.id, 'original');
    await subscriber.close();
  });

  it('ERR-6 a SyncError that a subscriber posts is broadcast', async () => {
    const topic = await hub.session();
    const subscriber = await join(topic, 'SyncError');
    const context = [{ key: 'operationoutcome', resource: { resourceType: 'OperationOutcome', issue: [] } }];
    await hub.publish(topic, 'syncerror', context, { id: 's' });
    assert.equal((await subscriber.event()).id, 's');
    await subscriber.close();
  });
});

describe('frames that are too large or broken', () => {
  /** A client frame by hand, masked with zeros. */
  const frame = (opcode: number, payload: Buffer): Buffer =>
    Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload]);

  it('end their own connection only, and are reported', async () => {
    const topic = await hub.session();
    const watcher = await join(topic);
    const large = await join(topic, '*', { 'subscriber.name': 'Large' });
    large.socket.send('x'.repeat(100_000));
    assert.equal((await large.closed).code, 1009);
    assert.equal(cause(await next(watcher, 'SyncError'))[2], 'Large');
    const broken = await join(topic, '*', { 'subscriber.name': 'Broken' });
    const socket = (broken.socket as unknown as { _socket: Socket })._socket;
    // Half of a character, in a text frame.
    socket.write(frame(1, Buffer.from([0xe2, 0x82])));
    assert.equal((await broken.closed).code, 1007);
    assert.equal(cause(await next(watcher, 'SyncError'))[2], 'Broken');
    await watcher.close();
  });

  it('a character split over two fragments is one character', async () => {
    const topic = await hub.session();
    const watcher = await join(topic, 'SyncError');
    const subscriber = await join(topic, 'org.example.flush', { 'subscriber.name': 'Fragmented' });
    subscriber.answer = () => undefined;
    const id = 'event-€';
    await hub.publish(topic, 'org.example.flush', [], { id });
    assert.equal((await subscriber.event()).id, id);
    const text = Buffer.from(JSON.stringify({ id, status: 409 }));
    const middle = text.indexOf(0x82);
    subscriber.socket.send(text.subarray(0, middle), { binary: false, fin: false });
    subscriber.socket.send(text.subarray(middle), { binary: false, fin: true });
    assert.equal(cause(await watcher.event())[0], id);
    await Promise.all([watcher.close(), subscriber.close()]);
  });
});

describe('HeartBeat (RAD-154)', () => {
  it('comes as often as LOCKSTEP_HEARTBEAT_SECONDS says, and says so itself', () =>
    withLockstep(
      async ({ origin }) => {
        const client = await HubClient.backend(origin);
        const subscriber = await client.subscribe(await client.session(), 'HeartBeat');
        const [first, second] = [await subscriber.event(), await subscriber.event()];
        assert.equal(String(first.event.context[0].decimal), '1');
        assert.ok(Date.parse(second.timestamp) - Date.parse(first.timestamp) >= 900);
        await subscriber.close();
      },
      { heartbeatSeconds: 1 },
    ));
});

describe('ERR-7 a subscriber that stops reading', () => {
  it('does not slow the others, is closed with 1013 and reported', async () => {
    const topic = await hub.session();
    const watcher = await join(topic, '*');
    const stuck = await join(topic, '*', { 'subscriber.name': 'Stuck' });
    stuck.socket.pause();
    const ballast = { key: 'ballast', data: 'x'.repeat(900_000) };
    const ids = Array.from({ length: 25 }, () => crypto.randomUUID());
    for (const id of ids) {
      await hub.publish(topic, 'Patient-open', [patient('p1'), ballast], { id });
      while ((await watcher.event()).id !== id);
    }
    // It may have come between the others.
    const isSyncError = ({ event }: Json): boolean => event?.['hub.event'] === 'SyncError';
    const reported = watcher.received.find(isSyncError) ?? (await next(watcher, 'SyncError'));
    assert.equal(cause(reported)[2], 'Stuck');
    stuck.socket.resume();
    assert.equal((await stuck.closed).code, 1013);
    await watcher.close();
  });
});

describe('TOK-6', () => {
  it('a revoked token ends its subscriptions at once', async () => {
    const own = await Backend.register(origin);
    const token = await own.token();
    const client = new HubClient(hubUrl, token);
    const topic = await client.session();
    const subscriber = await client.subscribe(topic, '*');
    await subscriber.next();
    const bystander = await join(topic);
    await own.revoke(token);
    assert.equal((await subscriber.next())['hub.mode'], 'denied');
    assert.equal((await subscriber.closed).code, 1000);
    assert.equal((await client.request(`/${topic}`)).status, 401);
    await flush(topic, bystander);
    await bystander.close();
  });
});

describe('upgrades that are none', () => {
  /** Sends raw bytes. @returns the first line of the answer */
  const raw = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      let answer = '';
      socket.on('data', (data) => {
        answer += data.toString('latin1');
        if (answer.includes('\r\n')) {
          socket.destroy();
          resolve(answer.split('\r\n')[0] ?? '');
        }
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(answer));
    });

  it('are refused with a 4xx, whatever they ask for', async () => {
    const topic = await hub.session();
    const { endpoint } = await join(topic);
    const { pathname } = new URL(endpoint);
    const upgrade = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
    for (const request of [
      `GET // HTTP/1.1\r\n${upgrade}${key}Sec-WebSocket-Version: 13\r\n\r\n`,
      `GET http://[ HTTP/1.1\r\n${upgrade}${key}Sec-WebSocket-Version: 13\r\n\r\n`,
      `GET * HTTP/1.1\r\n${upgrade}${key}Sec-WebSocket-Version: 13\r\n\r\n`,
      `GET /hub/ws/%00 HTTP/1.1\r\n${upgrade}${key}Sec-WebSocket-Version: 13\r\n\r\n`,
      `GET ${pathname} HTTP/1.1\r\n${upgrade}Sec-WebSocket-Version: 13\r\n\r\n`,
      `GET ${pathname} HTTP/1.1\r\n${upgrade}${key}Sec-WebSocket-Version: 7\r\n\r\n`,
      `POST ${pathname} HTTP/1.1\r\n${upgrade}${key}Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n`,
      'NONSENSE\r\n\r\n',
    ]) {
      assert.match(await raw(request), /^HTTP\/1\.1 4\d\d /, request.split('\r\n')[0]);
    }
  });
});
