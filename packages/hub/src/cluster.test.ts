import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SessionStore, StoreNotice } from '@lockstep/store';
import { eventually, FakeCallbacks, FakeCursors } from '../test/callbacks.ts';
import { body, observation, parameters, patient, put, reference, report, study, updates } from '../test/events.ts';
import { type Node, Nodes } from '../test/nodes.ts';
import { access, good, type Peer, refusal } from '../test/rig.ts';
import { Hub } from './hub.ts';
import { CORE, IRA, STU2 } from './rules/versions.ts';

const names = (peer: Peer): string[] => peer.events.map(({ event }) => event['hub.event']);

describe('several nodes on one store', () => {
  it('PUB-3 subscribers of every node get the events in one order, whichever node they were published at', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b', 'c']);
    const topic = await nodes[0]!.session();
    const peers = await Promise.all(nodes.map((node) => node.join(topic)));
    const ids = Array.from({ length: 60 }, (_, n) => `e${n}`);
    const statuses = await Promise.all(
      ids.map((id, n) => nodes[n % 3]!.publish(topic, 'Patient-open', [patient(`p${n % 7}`)], { id })),
    );
    assert.deepEqual(new Set(statuses), new Set([202]));
    for (const peer of peers) await peer.until(() => peer.events.length >= 60);
    assert.deepEqual([...peers[0]!.ids].sort(), [...ids].sort());
    for (const peer of peers) {
      assert.deepEqual(peer.ids, peers[0]!.ids);
      assert.deepEqual(peer.received, peers[0]!.received, 'versions too');
    }
    const contexts = await Promise.all(nodes.map((node) => node.hub.currentContext(access(), topic)));
    for (const context of contexts) assert.deepEqual(good(context), good(contexts[0]!));
  });

  it('CON-5, PUB-9 what one node has answered, another knows before its notice arrives', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b']);
    const [a, b] = [nodes[0]!, nodes[1]!];
    const topic = await a.session();
    const peer = await b.join(topic);
    const current = async (node: Node) =>
      JSON.parse(good(await node.hub.currentContext(access(), topic))).context[0]?.resource?.id;
    await b.publish(topic, 'Patient-open', [patient('p1')], { id: 'e1' });
    b.holdNotices();
    assert.equal(await a.publish(topic, 'Patient-open', [patient('p2')], { id: 'e2' }), 202);
    assert.equal(await current(b), 'p2');
    assert.equal(await a.publish(topic, 'ImagingStudy-open', [study()]), 202);
    assert.equal(await b.publish(topic, 'ImagingStudy-close', [study()]), 202, 'it is open');
    const endpoint = await a.subscribe(topic, 'Patient-open');
    assert.ok(await b.hub.findEndpoint(endpoint.split('/').at(-1)!));
    b.hear();
    await b.publish(topic, 'Patient-open', [patient('p3')], { id: 'e3' });
    assert.deepEqual(
      peer.events.map(({ event, id }) => (/^e\d$/.test(id) ? id : event['hub.event'])),
      ['e1', 'e2', 'ImagingStudy-open', 'ImagingStudy-close', 'e3'],
      'each once',
    );
    b.holdNotices();
    await a.hub.endSession(topic, 'Done');
    assert.equal(refusal(await b.hub.currentContext(access(), topic)), 404);
  });

  it('SUB-9 a subscriber gets the reason of another node, though its own node has read the session before the notice', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b']);
    const [a, b] = [nodes[0]!, nodes[1]!];
    for (const notice of ['comes late', 'never comes'] as const) {
      const topic = await a.session();
      const peer = await b.join(topic);
      await b.publish(topic, 'Patient-open', [patient('p1')]);
      b.holdNotices();
      await a.unsubscribe(topic, peer.endpoint);
      assert.equal(
        await b.publish(topic, 'Patient-open', [patient('p2')], { id: 'later' }),
        202,
        'the session is read',
      );
      assert.ok(!peer.ids.includes('later'), 'it gets nothing more');
      assert.equal(peer.denial, undefined);
      if (notice === 'comes late') b.hear();
      else b.clock.advance(1000);
      await eventually('it is denied', async () => peer.denial !== undefined);
      const reason = notice === 'comes late' ? 'Unsubscribed' : 'The subscription has ended';
      assert.equal(peer.denial?.['hub.reason'], reason);
      b.hear();
    }
  });

  it('SUB-11 a node that was behind sends a logout and what followed; what the logout erased is gone', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b']);
    const [a, b] = [nodes[0]!, nodes[1]!];
    const topic = await a.session();
    const peer = await b.join(topic);
    await b.publish(topic, 'Patient-open', [patient('p1')], { id: 'e1' });
    b.holdNotices();
    await a.publish(topic, 'Patient-open', [patient('p2')], { id: 'e2' });
    await a.publish(topic, 'UserLogout', [parameters], { id: 'e3' });
    await a.publish(topic, 'Patient-open', [patient('p3')], { id: 'e4' });
    good(await b.hub.currentContext(access(), topic));
    assert.deepEqual(peer.ids, ['e1', 'e3', 'e4']);
    b.hear();
    for (const { hub } of nodes) {
      assert.deepEqual(
        (await hub.log(topic)).map(({ id }) => id),
        ['e3', 'e4'],
      );
    }
    // Also where a node was told in time, an id that is gone is not known any more.
    await a.publish(topic, 'UserLogout', [parameters], { id: 'e5' });
    await peer.until(() => peer.ids.at(-1) === 'e5');
    assert.equal(await b.publish(topic, 'Patient-open', [patient('p4')], { id: 'e4' }), 202);
    await peer.until(() => peer.ids.at(-1) === 'e4');
    assert.deepEqual(peer.ids, ['e1', 'e3', 'e4', 'e5', 'e4']);
  });

  it('PUB-7 a retry at another node is not sent again once a newer context was accepted', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b']);
    const [a, b] = [nodes[0]!, nodes[1]!];
    const topic = await a.session();
    const peer = await b.join(topic);
    await a.publish(topic, 'Patient-open', [patient('p1')], { id: 'e1' });
    await peer.until(() => peer.ids.includes('e1'));
    b.holdNotices();
    await a.publish(topic, 'Patient-open', [patient('p2')], { id: 'e2' });
    assert.equal(await b.publish(topic, 'Patient-open', [patient('p1')], { id: 'e1' }), 202);
    b.hear();
    await peer.until(() => peer.ids.includes('e2'));
    assert.deepEqual(peer.ids, ['e1', 'e2']);
  });

  it('CON-8 of updates of one version at several nodes exactly one wins', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b', 'c']);
    const topic = await nodes[0]!.session();
    const peers = await Promise.all(nodes.map((node) => node.join(topic)));
    await nodes[0]!.publish(topic, 'DiagnosticReport-open', [report(), patient()]);
    for (let round = 1; round <= 10; round++) {
      for (const peer of peers) await peer.until(() => peer.events.length === round);
      const based = peers[0]!.events.at(-1)!.event['context.versionId'];
      const context = (n: number) => [reference('report', 'DiagnosticReport/r1'), updates(put(observation('o', n)))];
      const results = await Promise.all(
        [0, 1, 2, 0, 1, 2].map((node, n) =>
          nodes[node]!.publish(topic, 'DiagnosticReport-update', context(n), { 'context.versionId': based }),
        ),
      );
      assert.deepEqual(results.sort(), [202, 409, 409, 409, 409, 409]);
    }
    for (const peer of peers) await peer.until(() => peer.events.length === 11);
    for (const peer of peers) assert.deepEqual(peer.events, peers[0]!.events);
    const versions = peers[0]!.events.map(({ event }) => [event['context.priorVersionId'], event['context.versionId']]);
    for (let i = 1; i < versions.length; i++) assert.equal(versions[i]![0], versions[i - 1]![1], 'no version forked');
  });

  it('DER-1, ERR-2 derived opens and SyncErrors cross nodes', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b']);
    const [a, b] = [nodes[0]!, nodes[1]!];
    const topic = await a.session();
    const reader = await b.join(topic, 'Patient-open,SyncError', { 'subscriber.name': 'Reader' });
    const viewer = await a.join(topic, 'ImagingStudy-open,SyncError', { 'subscriber.name': 'Viewer' });
    await a.publish(topic, 'ImagingStudy-open', [study(), patient()], { id: 'e1' });
    await reader.until(() => reader.events.length === 1);
    assert.deepEqual(names(reader), ['Patient-open']);
    reader.answer(409);
    await viewer.until(() => viewer.syncErrors.length === 1);
    const issue = viewer.syncErrors[0]!.event.context[0].resource.issue[0];
    assert.match(issue.diagnostics, /Reader/);
    assert.deepEqual(
      issue.details.coding.map(({ code }: { code: string }) => code),
      ['e1', 'ImagingStudy-open', 'Reader'],
    );
    assert.equal(reader.syncErrors.length, 0, 'who caused it is not told');
  });

  it('PUB-7 a retry at another node reaches those on every node that have not acknowledged', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b', 'c']);
    const topic = await nodes[0]!.session();
    const peers = await Promise.all(nodes.map((node) => node.join(topic)));
    await nodes[0]!.publish(topic, 'Patient-open', [patient()], { id: 'once' });
    for (const peer of peers) await peer.until(() => peer.events.length === 1);
    peers[0]!.answer(200);
    peers[1]!.answer(200);
    assert.equal(await nodes[1]!.publish(topic, 'Patient-open', [patient()], { id: 'once' }), 202);
    await peers[2]!.until(() => peers[2]!.events.length === 2);
    assert.deepEqual(peers[2]!.ids, ['once', 'once']);
    assert.deepEqual(
      peers.map(({ events }) => events.length),
      [1, 1, 2],
    );
    assert.equal((await nodes[0]!.hub.log(topic)).length, 1);
  });

  it('SUB-6, SUB-9 an endpoint is renewed and unsubscribed at any node', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b']);
    const [a, b] = [nodes[0]!, nodes[1]!];
    const topic = await a.session();
    const peer = await a.join(topic, 'Patient-open');
    await b.subscribe(topic, 'ImagingStudy-open', { 'hub.channel.endpoint': peer.endpoint });
    await peer.until(() => peer.confirmations.length === 2);
    assert.equal(peer.confirmations[1]!['hub.events'], 'ImagingStudy-open');
    await b.unsubscribe(topic, peer.endpoint);
    await peer.until(() => peer.closed !== undefined);
    assert.equal(peer.closed?.code, 1000);
    assert.equal(peer.denial?.['hub.reason'], 'Unsubscribed');
  });

  it('SUB-7 a second connection at another node takes the endpoint over', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b']);
    const [a, b] = [nodes[0]!, nodes[1]!];
    const topic = await a.session();
    const first = await a.join(topic);
    const second = await b.connect(first.endpoint);
    await first.until(() => first.closed !== undefined);
    assert.equal(first.denial, undefined);
    first.connection?.closed(1000);
    await a.publish(topic, 'Patient-open', [patient()]);
    await second.until(() => second.events.length === 1);
    assert.equal(first.events.length, 0);
  });

  it('SUB-11 a subscriber that comes back to another node gets what it missed, and its grace time ends', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b'], { holdOffMs: 0 });
    const [a, b] = [nodes[0]!, nodes[1]!];
    const topic = await a.session();
    const watcher = await b.join(topic, 'SyncError');
    const peer = await a.join(topic, 'Patient-open');
    await a.publish(topic, 'Patient-open', [patient('p1')], { id: 'e1' });
    peer.connection?.closed(1006);
    await watcher.until(() => watcher.syncErrors.length === 1);
    for (const n of [2, 3]) await a.publish(topic, 'Patient-open', [patient(`p${n}`)], { id: `e${n}` });
    const back = await b.connect(peer.endpoint, 'e1');
    await back.until(() => back.events.length === 2);
    a.clock.advance(200_000);
    await a.publish(topic, 'Patient-open', [patient('p4')], { id: 'e4' });
    await back.until(() => back.events.length === 3);
    assert.deepEqual(back.ids, ['e2', 'e3', 'e4'], 'in order, once, and not denied by the node it left');
    assert.equal(back.denial, undefined);
  });

  it('SUB-5 a lease that was renewed at another node does not end at the old time', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b']);
    const [a, b] = [nodes[0]!, nodes[1]!];
    const topic = await a.session();
    const peer = await a.join(topic, 'Patient-open', { 'hub.lease_seconds': '10' });
    const renewal = { 'hub.channel.endpoint': peer.endpoint, 'hub.lease_seconds': '60' };
    await b.subscribe(topic, 'Patient-open', renewal);
    await peer.until(() => peer.confirmations.length === 2);
    a.clock.advance(11_000);
    await a.publish(topic, 'Patient-open', [patient()]);
    await peer.until(() => peer.events.length === 1);
    a.clock.advance(60_000);
    await peer.until(() => peer.closed !== undefined);
    assert.equal(peer.denial?.['hub.reason'], 'The lease has ended');
  });

  it('SES-5, TOK-6 the end of a session, or of access, reaches every node', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b']);
    const [a, b] = [nodes[0]!, nodes[1]!];
    const topic = await a.session();
    const [mine, other] = [
      await b.join(topic),
      await b.connect(await a.subscribe(topic, '*', {}, access({ grantId: 'other' }))),
    ];
    await a.hub.accessEnded({ grantId: 'grant', reason: 'The token was revoked' });
    await mine.until(() => mine.closed !== undefined);
    assert.equal(mine.denial?.['hub.reason'], 'The token was revoked');
    assert.equal(other.open, true);
    await a.hub.endSession(topic, 'Done');
    await other.until(() => other.closed !== undefined);
    assert.notEqual(other.denial, undefined);
    assert.equal(await b.publish(topic, 'Patient-open', [patient()]), 404);
  });

  it('TOK-6 access that ends while the store does not answer ends its subscriptions once the store is back', async (t) => {
    const all = await Nodes.start(t, ['a']);
    const a = all.nodes[0]!;
    const peer = await a.join(await a.session());
    await all.server.kill();
    await a.hub.accessEnded({ grantId: 'grant', reason: 'The token was revoked' });
    assert.equal(peer.open, true);
    await all.server.restart();
    await all.whenBack();
    await eventually('it is denied', async () => {
      a.clock.advance(1000);
      return !peer.open;
    });
    assert.equal(peer.denial?.['hub.reason'], 'The token was revoked');
  });

  it('ERR-3 subscribers of a node that died are reported once when they do not come back to any node', async (t) => {
    const all = await Nodes.start(t, ['a', 'b', 'c']);
    const [a, b, c] = [all.nodes[0]!, all.nodes[1]!, all.nodes[2]!];
    const topic = await a.session();
    const watcher = await b.join(topic, 'SyncError');
    const lost = await a.join(topic, 'Patient-open', { 'subscriber.name': 'Lost' });
    const returning = await a.join(topic, 'Patient-open', { 'subscriber.name': 'Returning' });
    const living = [b, c];
    await all.pass(5000);
    assert.equal(b.lease.alive('a'), true);
    await a.crash();
    await all.pass(10_000, living);
    assert.equal(b.lease.alive('a'), false);
    assert.equal(watcher.syncErrors.length, 0, 'there is a time to come back');
    const back = await c.connect(returning.endpoint);
    await all.pass(130_000, living);
    await watcher.until(() => watcher.syncErrors.length > 0);
    await all.pass(10_000, living);
    assert.equal(watcher.syncErrors.length, 1);
    assert.match(watcher.syncErrors[0]!.event.context[0].resource.issue[0].diagnostics, /Lost/);
    assert.equal(await b.hub.findEndpoint(lost.endpoint.split('/').at(-1)!), undefined);
    await b.publish(topic, 'Patient-open', [patient()]);
    await back.until(() => back.events.length === 1);
    assert.deepEqual(await b.store.records.list('node', b.clock.now()).then((list) => list.map(({ id }) => id)), [
      'b',
      'c',
    ]);
  });

  it('a node that was cut off and returns within the grace time keeps its subscribers', async (t) => {
    const all = await Nodes.start(t, ['a', 'b']);
    const [a, b] = [all.nodes[0]!, all.nodes[1]!];
    const topic = await a.session();
    const watcher = await b.join(topic, 'SyncError');
    const peer = await a.join(topic, 'Patient-open');
    await all.pass(10_000, [b]);
    assert.equal(b.lease.alive('a'), false);
    await all.pass(3000);
    assert.equal(b.lease.alive('a'), true);
    await all.pass(130_000);
    await b.publish(topic, 'Patient-open', [patient()]);
    await peer.until(() => peer.events.length === 1);
    assert.equal(watcher.syncErrors.length, 0);
  });

  it('a node that stops in good order hands its subscribers over without a SyncError', async (t) => {
    const all = await Nodes.start(t, ['a', 'b']);
    const [a, b] = [all.nodes[0]!, all.nodes[1]!];
    const topic = await a.session();
    const watcher = await b.join(topic, 'SyncError');
    const peer = await a.join(topic, 'Patient-open');
    await a.lease.stop();
    await a.hub.stop();
    assert.equal(peer.closed?.code, 1012);
    const back = await b.connect(peer.endpoint);
    await all.pass(130_000, [b]);
    await b.publish(topic, 'Patient-open', [patient()]);
    await back.until(() => back.events.length === 1);
    assert.equal(watcher.syncErrors.length, 0);
  });

  it('WEB-3 the callbacks of a node that died are called by another', async (t) => {
    const callbacks = new FakeCallbacks();
    const all = await Nodes.start(t, ['a', 'b'], { webhooks: { callbacks, cursors: new FakeCursors() } });
    const [a, b] = [all.nodes[0]!, all.nodes[1]!];
    const topic = await a.session();
    const delivered = (id: string) => callbacks.until(() => callbacks.ids.at(-1) === id);
    await a.subscribe(topic, 'Patient-open', {
      'hub.channel.type': 'webhook',
      'hub.callback': 'https://app.example/cb',
    });
    await eventually('it is confirmed', async () => (await a.hub.inspect(topic))?.state.subscriptions.size === 1);
    await b.publish(topic, 'Patient-open', [patient('p1')], { id: 'e1' });
    await delivered('e1');
    await all.pass(3000);
    await a.crash();
    await b.publish(topic, 'Patient-open', [patient('p2')], { id: 'e2' });
    await all.pass(10_000, [b]);
    await delivered('e2');
    await b.publish(topic, 'Patient-open', [patient('p3')], { id: 'e3' });
    await delivered('e3');
    assert.deepEqual(callbacks.ids, ['e1', 'e2', 'e3']);
  });

  it('nodes whose clocks differ by five seconds agree on order, versions and leases', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b'], { maxLeaseSeconds: 60 });
    const [a, b] = [nodes[0]!, nodes[1]!];
    b.clock.advance(5000);
    const topic = await a.session();
    const peers = [await a.join(topic), await b.join(topic)];
    for (let n = 0; n < 20; n++)
      await nodes[n % 2]!.publish(topic, 'Patient-open', [patient(`p${n}`)], { id: `e${n}` });
    for (const peer of peers) await peer.until(() => peer.events.length === 20);
    assert.deepEqual(peers[0]!.events, peers[1]!.events);
    assert.deepEqual(
      peers[0]!.ids,
      Array.from({ length: 20 }, (_, n) => `e${n}`),
    );
    a.clock.advance(59_000);
    b.clock.advance(59_000);
    await a.publish(topic, 'Patient-open', [patient()], { id: 'late' });
    for (const peer of peers) await peer.until(() => peer.ids.includes('late'));
    b.clock.advance(1000);
    await peers[1]!.until(() => !peers[1]!.open);
    assert.equal(peers[0]!.open, true, 'a lease ends by the clock of the node that holds the socket');
  });

  it('a session that is doubted while it is read is not taken for absent', async (t) => {
    const { nodes } = await Nodes.start(t, ['a']);
    const [a] = nodes;
    const topic = await a!.session();
    const { sessions } = a!.store;
    let tell: (notice: StoreNotice) => void = () => undefined;
    // Doubts come in every turn after the session was read.
    const doubting = new Proxy(sessions, {
      get:
        (_, name: keyof SessionStore) =>
        async (...args: never[]) => {
          const result = await Reflect.apply(sessions[name], sessions, args);
          if (name === 'load') queueMicrotask(() => void doubts());
          return result;
        },
    });
    const doubts = async (): Promise<void> => {
      for (let turn = 0; turn < 30; turn++) await tell({ kind: 'gap' });
    };
    const watch = (listener: typeof tell) => {
      tell = listener;
      return () => undefined;
    };
    const ids = { uuid: () => crypto.randomUUID(), secret: () => crypto.randomUUID() };
    const hub = new Hub(
      { hubUrl: '', endpointUrl: (id) => id },
      { store: Object.assign(Object.create(doubting), { watch }), clock: a!.clock, ids },
    );
    await hub.start();
    t.after(() => hub.stop());
    for (let round = 0; round < 10; round++) {
      tell({ kind: 'gap' });
      assert.equal(
        good(await hub.publish(access(), JSON.stringify(body('Patient-open', [patient()], { topic })))),
        202,
      );
      tell({ kind: 'gap' });
      assert.equal(JSON.parse(good(await hub.currentContext(access(), topic)))['context.type'], 'Patient');
    }
  });

  it('while the store does not answer publishing fails, and afterwards all subscribers catch up by themselves', async (t) => {
    const all = await Nodes.start(t, ['a', 'b']);
    const [a, b] = [all.nodes[0]!, all.nodes[1]!];
    const topic = await a.session();
    const peers = [await a.join(topic), await b.join(topic)];
    await a.publish(topic, 'Patient-open', [patient('p1')], { id: 'e1' });
    for (const peer of peers) await peer.until(() => peer.events.length === 1);
    await all.server.kill();
    await assert.rejects(a.publish(topic, 'Patient-open', [patient('p2')], { id: 'e2' }), { name: 'StoreUnavailable' });
    const answer = () => b.hub.currentContext(access(), topic).catch((error: Error) => error.name);
    await eventually('nobody is told what may be stale', async () => (await answer()) === 'StoreUnavailable');
    await all.server.restart();
    await all.whenBack();
    for (const { clock } of all.nodes) clock.advance(2000);
    assert.equal(await b.publish(topic, 'Patient-open', [patient('p3')], { id: 'e3' }), 202);
    for (const peer of peers) await peer.until(() => peer.ids.includes('e3'));
    assert.deepEqual(
      peers[0]!.ids.filter((id) => id !== 'e2'),
      ['e1', 'e3'],
    );
    assert.deepEqual(peers[1]!.ids, peers[0]!.ids);
    for (const peer of peers) assert.equal(peer.open, true);
  });

  it('SES-5 an idle session that somebody joins at another node while it is being ended goes on', async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b'], { idleMs: 10_000 });
    const [a, b] = [nodes[0]!, nodes[1]!];
    const topic = await a.session();
    const { sessions } = a.store;
    const erase = sessions.erase.bind(sessions);
    let peer: Peer | undefined;
    sessions.erase = async (...args) => {
      peer ??= await b.join(topic);
      return erase(...args);
    };
    a.clock.advance(11_000);
    await a.hub.endIdle();
    assert.ok(peer, 'somebody joined in between');
    assert.equal(peer.open, true);
    assert.equal(await a.publish(topic, 'Patient-open', [patient('p1')], { id: 'e1' }), 202);
    await peer.until(() => peer?.ids.includes('e1') ?? false);
    await b.hub.endSession(topic, 'Done');
  });

  it('PUB-4 an event that got the number of one that Redis has lost reaches everybody', async (t) => {
    // Less than is asked for where nothing may be lost: it comes back as it was saved last.
    const all = await Nodes.start(t, ['a', 'b'], {}, { appendonly: 'no' });
    const [a, b] = [all.nodes[0]!, all.nodes[1]!];
    const topic = await a.session();
    const peer = await a.join(topic);
    await a.publish(topic, 'Patient-open', [patient('p1')], { id: 'saved' });
    await peer.until(() => peer.ids.includes('saved'));
    await all.server.command('SAVE');
    await a.publish(topic, 'Patient-open', [patient('p2')], { id: 'lost' });
    await peer.until(() => peer.ids.includes('lost'));
    await all.server.kill();
    await all.server.restart();
    await all.whenBack();
    // The first node has not looked since: its clock stands still.
    await b.publish(topic, 'Patient-close', [patient('p1')], { id: 'instead' });
    await peer.until(() => peer.ids.includes('instead'));
    a.clock.advance(2000);
    await b.publish(topic, 'Patient-open', [patient('p3')], { id: 'next' });
    await peer.until(() => peer.ids.includes('next'));
    const given = ['saved', 'lost', 'instead', 'next'];
    assert.deepEqual(
      peer.ids.filter((id) => given.includes(id)),
      given,
    );
    const undone = peer.events.find(
      ({ event }) => event.context[0]?.resource.id === 'p2' && event['hub.event'] === 'Patient-close',
    );
    assert.ok(undone, 'SUB-11 what was lost is closed for who was sent it');
  });

  it('ERR-8 who followed events that Redis has lost is told of where it does not answer what came in their place', async (t) => {
    const all = await Nodes.start(t, ['a', 'b'], { acknowledgements: 'strict' }, { appendonly: 'no' });
    const [a, b] = [all.nodes[0]!, all.nodes[1]!];
    const topic = await a.session();
    const peer = await a.join(topic);
    await a.publish(topic, 'Patient-open', [patient('p1')], { id: 'saved' });
    await peer.until(() => peer.ids.includes('saved'));
    peer.answer(200, 'saved');
    await all.server.command('SAVE');
    for (const id of ['lost-1', 'lost-2', 'lost-3', 'lost-4', 'lost-5']) {
      await a.publish(topic, 'Patient-open', [patient(id)], { id });
      await peer.until(() => peer.ids.includes(id));
      peer.answer(200, id);
    }
    await all.server.kill();
    await all.server.restart();
    await all.whenBack();
    await b.publish(topic, 'Patient-open', [patient('p3')], { id: 'instead' });
    a.clock.advance(2000);
    await peer.until(() => peer.ids.includes('instead'));
    for (const id of peer.ids) if (id !== 'instead') peer.answer(200, id);
    const marks = async () => (await a.hub.sessions())[0]?.notFollowing.map(({ why }) => why) ?? [];
    a.clock.advance(600);
    await eventually('its answer is waited for', async () => (await marks()).includes('waiting'));
    a.clock.advance(10_000);
    await eventually('it is silent', async () => (await marks()).includes('silent'));
    peer.answer(200, 'instead');
    await eventually('it follows', async () => (await marks()).length === 0);
  });

  it('PUB-4 a lost event that is published again, and gets its old number, goes out with its new version', async (t) => {
    const all = await Nodes.start(t, ['a', 'b'], {}, { appendonly: 'no' });
    const [a, b] = [all.nodes[0]!, all.nodes[1]!];
    const topic = await a.session();
    const peer = await a.join(topic);
    await a.publish(topic, 'Patient-open', [patient('p1')], { id: 'saved' });
    await all.server.command('SAVE');
    await a.publish(topic, 'Patient-open', [patient('p2')], { id: 'lost' });
    await peer.until(() => peer.ids.includes('lost'));
    await all.server.kill();
    await all.server.restart();
    await all.whenBack();
    assert.equal(await b.publish(topic, 'Patient-open', [patient('p2')], { id: 'lost' }), 202);
    a.clock.advance(2000);
    const lost = () => peer.events.filter(({ event }) => event.context[0]?.resource.id === 'p2');
    const versions = () => new Set(lost().map(({ event }) => event['context.versionId']));
    // Sent before the loss, and as it was accepted afterwards. Had the next patient been opened by then, that would be all.
    await peer.until(() => versions().size === 2);
    await b.publish(topic, 'Patient-open', [patient('p3')], { id: 'next' });
    await peer.until(() => peer.ids.includes('next'));
    assert.equal(new Set(lost().map(({ id }) => id)).size, 2, 'SUB-11 under an id that is no repeat');
  });
});

/** An application at one node, with the EHR at another. */
interface Desk {
  readonly here: Node;
  readonly nodes: Nodes;
  readonly app: Peer;
}

/** Why an application does not follow, and what happens to it once the second patient was opened. */
const WAYS: Readonly<Record<string, (desk: Desk) => unknown>> = {
  refused: ({ app }) => app.answer(409, 'e2'),
  failed: ({ app }) => app.answer(500, 'e2'),
  waiting: ({ here }) => here.clock.advance(600),
  silent: ({ nodes }) => nodes.pass(11_000),
  lost: ({ app }) => app.connection?.closed(4001),
};

/** Who does not follow, and why, as a subscriber was last told. */
function toldTo(peer: Peer): readonly string[] {
  const last = peer.events.findLast(({ event }) => event['hub.event'] === 'org.lockstep.following');
  return last?.event.context.map(({ subscriber, why }: Record<string, string>) => `${subscriber} ${why}`) ?? [];
}

describe('ERR-8 of an application at another node', () => {
  for (const profile of [CORE, STU2, IRA])
    it(`who does not follow is told at the EHR's node until it follows, whatever the reason (${profile.name})`, async (t) => {
      const nodes = await Nodes.start(t, ['a', 'b'], { profile });
      const [a, b] = [nodes.nodes[0]!, nodes.nodes[1]!];
      for (const [why, happen] of Object.entries(WAYS)) {
        const topic = await a.session();
        const ehr = await a.join(topic, 'Patient-open,org.lockstep.following', { 'subscriber.name': 'EHR' });
        const join = () => b.join(topic, 'Patient-open', { 'subscriber.name': 'PACS' });
        const app = await join();
        const told = () => toldTo(ehr);
        const tells = (...marks: readonly string[]) =>
          eventually(`${why}: the EHR is told ${marks}, and not ${told()}`, () => `${told()}` === `${marks}`);
        const open = async (id: string, peers: readonly Peer[]): Promise<void> => {
          await a.publish(topic, 'Patient-open', [patient(`patient-${id}`)], { id });
          for (const peer of peers) await peer.until(() => peer.ids.includes(id));
          ehr.answer(200, id);
        };
        await open('e1', [ehr, app]);
        app.answer(200, 'e1');
        await tells();
        await open('e2', [ehr, app]);
        await happen({ here: b, nodes, app });
        await tells(`PACS ${why}`);
        // Who is lost comes back: where the loss ended its subscription, with a new one.
        const again = why === 'lost' ? await (profile === IRA ? join() : b.connect(app.endpoint)) : app;
        await open('e3', [ehr, again]);
        assert.notDeepEqual(told(), [], 'it lasts');
        again.answer(200, 'e3');
        await tells();
      }
    });

  it('whose callback does not follow is told at the EHR’s node until it follows, whatever it answers (WEB-3)', async (t) => {
    const callbacks = new FakeCallbacks();
    const webhooks = { callbacks, cursors: new FakeCursors() };
    const { nodes } = await Nodes.start(t, ['a', 'b'], { profile: STU2, webhooks });
    const [a, b] = [nodes[0]!, nodes[1]!];
    const topic = await a.session();
    const ehr = await a.join(topic, 'Patient-open,org.lockstep.following', { 'subscriber.name': 'EHR' });
    await b.subscribe(topic, 'Patient-open', {
      'hub.channel.type': 'webhook',
      'hub.callback': 'https://app.example/cb',
      'subscriber.name': 'PACS',
    });
    await eventually('it is confirmed', async () => (await a.hub.inspect(topic))?.state.subscriptions.size === 2);
    const open = async (id: string): Promise<void> => {
      await a.publish(topic, 'Patient-open', [patient(`patient-${id}`)], { id });
      await ehr.until(() => ehr.ids.includes(id));
      ehr.answer(200, id);
      await callbacks.until(() => callbacks.ids.includes(id));
    };
    for (const [status, why] of [
      [409, 'refused'],
      [500, 'failed'],
      [0, 'failed'],
    ] as const) {
      callbacks.answer = () => status;
      await open(`not-${status}`);
      await eventually(`${status} is told`, () => `${toldTo(ehr)}` === `PACS ${why}`);
      callbacks.answer = () => 200;
      await open(`after-${status}`);
      await eventually(`${status} is over`, () => toldTo(ehr).length === 0);
    }
  });
});
