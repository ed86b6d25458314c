import assert from 'node:assert/strict';
import test from 'node:test';
import type { AuthorizationServer, SignInEnded } from '@lockstep/smart';
import type { SessionStore, StoreNotice } from '@lockstep/store';
import { shareAccessEnds } from './access-ends.ts';

type Ended = Parameters<AuthorizationServer['invalidate']>[0];
type Tell<T> = (one: T) => void | Promise<void>;

/** Time that passes when it is told to. */
class Time {
  now = 0;
  readonly #due = new Set<{ readonly at: number; readonly run: () => void }>();

  after(ms: number, run: () => void): () => void {
    const one = { at: this.now + ms, run };
    this.#due.add(one);
    return () => this.#due.delete(one);
  }

  pass(ms: number): void {
    this.now += ms;
    for (const one of this.#due) {
      if (one.at > this.now) continue;
      this.#due.delete(one);
      one.run();
    }
  }
}

/** A node's authorization server, as far as others are told of it. */
class Node {
  readonly seen: string[] = [];
  end: Tell<Ended> = () => undefined;
  change: Tell<string> = () => undefined;
  signOut: Tell<SignInEnded> = () => undefined;
  notice: (notice: StoreNotice) => void = () => undefined;

  constructor(time: Time, announce: SessionStore['announce'], name = 'a', others: readonly string[] = []) {
    const authorization = {
      onAccessEnded: (listener: Tell<Ended>) => {
        this.end = listener;
        return () => undefined;
      },
      onSignedOut: (listener: Tell<SignInEnded>) => {
        this.signOut = listener;
        return () => undefined;
      },
      signedOutElsewhere: (ended: SignInEnded) => {
        this.seen.push(`user ${ended.user}`);
        void this.signOut(ended);
      },
      clients: {
        onChanged: (listener: Tell<string>) => {
          this.change = listener;
          return () => undefined;
        },
        invalidate: (id: string) => this.seen.push(`client ${id}`),
      },
      invalidate: (ended: Ended) => {
        this.seen.push(`grant ${ended.grantId}`);
        // Its own listeners hear of it too.
        void this.end(ended);
      },
      doubt: () => this.seen.push('doubt'),
    };
    const sessions = {
      announce,
      listen: () => ({ ready: Promise.resolve(), end: () => undefined }),
      watch: (listener: Node['notice']) => {
        this.notice = listener;
        return () => undefined;
      },
    };
    void shareAccessEnds(sessions as unknown as SessionStore, authorization as unknown as AuthorizationServer, {
      nodeId: name,
      others: () => others,
      clock: time,
      failed: (error) => this.seen.push((error as Error).message),
    });
  }
}

/** Two nodes, and a way between them that delivers when it is told to. */
function twoNodes(time: Time) {
  const nodes: Node[] = [];
  const onTheWay: (() => void)[] = [];
  const said: string[] = [];
  const add = (own: number, name: string, others: readonly string[]) =>
    new Node(
      time,
      async (topic, body) => {
        said.push(body);
        for (const [n, { notice }] of nodes.entries()) {
          onTheWay.push(() => notice({ kind: 'announcement', topic, body, local: n === own }));
        }
        return nodes.length;
      },
      name,
      others,
    );
  nodes.push(add(0, 'a', ['b']), add(1, 'b', ['a']));
  return { nodes: nodes as [Node, Node], onTheWay, said };
}

/** Whether it is over after everything that can happen by itself has happened. */
async function isOver(work: void | Promise<void>): Promise<boolean> {
  let over = false;
  void Promise.resolve(work).then(() => {
    over = true;
  });
  await new Promise(setImmediate);
  return over;
}

const ENDED = { grantId: 'g', reason: 'revoked' };
const SIGNED_OUT = { user: 'Practitioner/1', topic: 't' };

for (const [what, seen, act] of [
  ['access that ends', 'grant g', (node: Node) => node.end(ENDED)],
  ['a sign-in that ends', 'user Practitioner/1', (node: Node) => node.signOut(SIGNED_OUT)],
] as const) {
  test(`TOK-6 ${what} at one node is over once every node has said that it knows, and is told once`, async () => {
    const time = new Time();
    const { nodes, onTheWay, said } = twoNodes(time);
    const [a, b] = nodes;
    const ending = act(a);
    assert.equal(await isOver(ending), false);
    // To itself, to the other, and the other's answer.
    for (const expected of [[], [seen], [seen]]) {
      assert.equal(await isOver(ending), false);
      onTheWay.shift()?.();
      assert.deepEqual(b.seen, expected);
    }
    assert.equal(await isOver(ending), true);
    for (const deliver of onTheWay.splice(0)) deliver();
    await isOver(undefined);
    assert.deepEqual([a.seen, said.length, onTheWay.length], [[], 2, 0]);
  });

  test(`TOK-6 ${what} is over two seconds later at a node that does not say so: its memory of tokens is`, async () => {
    const time = new Time();
    const { nodes, onTheWay } = twoNodes(time);
    const ending = act(nodes[0]);
    assert.equal(await isOver(ending), false);
    // Its own notice comes back, and the other's never arrives.
    onTheWay[0]?.();
    time.pass(1999);
    assert.equal(await isOver(ending), false);
    time.pass(1);
    assert.equal(await isOver(ending), true);
  });

  test(`TOK-6 ${what} is waited for also at a node that is known and does not listen now`, async () => {
    const time = new Time();
    const node: Node = new Node(
      time,
      async (topic, body) => {
        setImmediate(() => node.notice({ kind: 'announcement', topic, body, local: true }));
        return 1;
      },
      'a',
      ['deaf'],
    );
    const ending = act(node);
    await isOver(undefined);
    assert.equal(await isOver(ending), false);
    time.pass(2000);
    assert.equal(await isOver(ending), true);
  });
}

test('TOK-6 a registration that changes at one node is told to the others before that is answered', async () => {
  const { nodes, onTheWay } = twoNodes(new Time());
  await nodes[0].change('c');
  for (const deliver of onTheWay.splice(0)) deliver();
  assert.deepEqual(
    nodes.map(({ seen }) => seen),
    [[], ['client c']],
  );
});

test('TOK-6 what nodes of an older version tell is done', async () => {
  const { nodes, said } = twoNodes(new Time());
  const body = JSON.stringify({ ended: ENDED });
  nodes[1].notice({ kind: 'announcement', topic: 'lockstep:access', body, local: false });
  assert.deepEqual([nodes[1].seen, said], [['grant g'], []]);
});

test('TOK-6 notices that may have been missed or cannot be sent are reported', async () => {
  const time = new Time();
  const node = new Node(time, () => Promise.reject(new Error('away')));
  const ending = node.end(ENDED);
  assert.equal(await isOver(ending), false);
  time.pass(2000);
  await ending;
  node.notice({ kind: 'gap', topic: 'one session' });
  node.notice({ kind: 'gap' });
  assert.deepEqual(node.seen, ['away', 'doubt']);
});
