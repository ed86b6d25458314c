import assert from 'node:assert/strict';
import test from 'node:test';
import type { AuthorizationServer } from '@lockstep/smart';
import type { SessionStore, StoreNotice } from '@lockstep/store';
import { shareAccessEnds } from './access-ends.ts';

type Ended = Parameters<AuthorizationServer['invalidate']>[0];
type Tell<T> = (one: T) => void | Promise<void>;

/** A node's authorization server, as far as others are told of it. */
class Node {
  readonly seen: string[] = [];
  end: Tell<Ended> = () => undefined;
  change: Tell<string> = () => undefined;
  notice: (notice: StoreNotice) => void = () => undefined;

  constructor(announce: SessionStore['announce']) {
    const authorization = {
      onAccessEnded: (listener: Tell<Ended>) => {
        this.end = listener;
        return () => undefined;
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
    void shareAccessEnds(
      sessions as unknown as SessionStore,
      authorization as unknown as AuthorizationServer,
      (error) => this.seen.push((error as Error).message),
    );
  }
}

test('TOK-6 what ends or changes at one node is told to the others before it is answered, and once', async () => {
  const nodes: Node[] = [];
  let announced = 0;
  const add = (own: number) =>
    new Node(async (topic, body) => {
      await new Promise(setImmediate);
      announced += 1;
      for (const [n, { notice }] of nodes.entries()) notice({ kind: 'announcement', topic, body, local: n === own });
    });
  nodes.push(add(0), add(1));
  const [a, b] = nodes as [Node, Node];
  await a.end({ grantId: 'g', reason: 'revoked' });
  assert.deepEqual(b.seen, ['grant g']);
  await a.change('c');
  assert.deepEqual(b.seen, ['grant g', 'client c']);
  assert.deepEqual(a.seen, []);
  await new Promise(setImmediate);
  assert.equal(announced, 2);
});

test('TOK-6 where notices may have been missed, or cannot be told, that is no secret', async () => {
  const node = new Node(() => Promise.reject(new Error('away')));
  await node.end({ grantId: 'g', reason: 'revoked' });
  node.notice({ kind: 'gap', topic: 'one session' });
  node.notice({ kind: 'gap' });
  assert.deepEqual(node.seen, ['away', 'doubt']);
});
