import type { Clock } from '@lockstep/hub';
import { type AccessEnded, type Clients, REMEMBERED_FOR, type SignInEnded, type TokenVerifier } from '@lockstep/smart';
import type { SessionStore, StoreNotice } from '@lockstep/store';

/** No session has these names: topics that the Hub mints are UUIDs. */
const CHANNEL = 'lockstep:access';
/** What nodes of before do not know. */
const CHANNEL_OF_NODES = 'lockstep:access-nodes';

/** `id` numbers what `node` waits for. */
type Message =
  | { readonly ended: AccessEnded; readonly node: string; readonly id: number }
  | { readonly client: string };

type NodeMessage =
  /** `node` has done what `to` asked for under this number. */
  | { readonly kind: 'heard'; readonly to: string; readonly id: number; readonly node: string }
  | { readonly kind: 'signed-out'; readonly signedOut: SignInEnded; readonly node: string; readonly id: number };

/** What has ended is waited for until every node has said that it knows. */
interface Waiting {
  readonly heard: Set<string>;
  /** How many nodes there are, this one too; undefined until that is known. */
  expected?: number;
  readonly done: () => void;
}

export interface AccessEndOptions {
  /** This node's name. */
  readonly nodeId: string;
  /** The other nodes that are alive, as far as is known. */
  readonly others: () => readonly string[];
  readonly clock: Pick<Clock, 'after'>;
  /** Called when something could not be announced. */
  readonly failed: (error: unknown) => void;
}

type Authorization = TokenVerifier & {
  readonly clients?: Pick<Clients, 'onChanged' | 'invalidate'>;
  readonly onSignedOut?: (listener: (ended: SignInEnded) => void | Promise<void>) => () => void;
  readonly signedOutElsewhere?: (ended: SignInEnded) => void;
};

/**
 * Access that ended at one node ends at all of them (TOK-6), and a registration that changed is read again. Whoever ended it is
 * answered once every node has said that it lets nobody in by it any more. A node that cannot say so is waited for as long as nodes
 * remember tokens (`REMEMBERED_FOR`): then it has asked the store. A node that may not have heard asks the store too.
 * @returns ends it, once what other nodes tell is heard
 */
export async function shareAccessEnds(
  sessions: SessionStore,
  authorization: Authorization,
  { nodeId, others, clock, failed }: AccessEndOptions,
): Promise<() => void> {
  const waiting = new Map<number, Waiting>();
  let nextId = 1;
  let hearing = false;

  function look({ heard, expected, done }: Waiting): void {
    if (expected !== undefined && heard.size >= expected) done();
  }

  function hear(id: number, node: string): void {
    const one = waiting.get(id);
    if (!one) return;
    one.heard.add(node);
    look(one);
  }

  /** Says it to all nodes, and waits until all have done it. */
  async function tell(channel: string, message: (id: number) => Message | NodeMessage): Promise<void> {
    // What was heard from another node is no news for it.
    if (hearing) return;
    const id = nextId++;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(REMEMBERED_FOR, resolve);
      const done = (): void => {
        cancel();
        resolve();
      };
      const one: Waiting = { heard: new Set(), done };
      waiting.set(id, one);
      const known = 1 + others().length;
      sessions.announce(channel, JSON.stringify(message(id))).then((reached) => {
        one.expected = Math.max(reached, known);
        look(one);
      }, failed);
    });
    waiting.delete(id);
  }

  /** Does what another node has told, without telling it on, and says that it is done. */
  function heard({ node, id }: { readonly node?: string; readonly id?: number }, act: () => void): void {
    hearing = true;
    try {
      act();
    } finally {
      hearing = false;
    }
    if (node === undefined || id === undefined) return;
    const answer: NodeMessage = { kind: 'heard', to: node, id, node: nodeId };
    sessions.announce(CHANNEL_OF_NODES, JSON.stringify(answer)).catch(failed);
  }

  function hearOf({ topic, local, body }: Extract<StoreNotice, { kind: 'announcement' }>): void {
    if (topic === CHANNEL) {
      const message = JSON.parse(body) as Message;
      if ('client' in message) {
        if (!local) authorization.clients?.invalidate(message.client);
      } else if (local) hear(message.id, nodeId);
      else heard(message, () => authorization.invalidate(message.ended));
    } else if (topic === CHANNEL_OF_NODES) {
      const message = JSON.parse(body) as NodeMessage;
      if (message.kind === 'heard') {
        if (message.to === nodeId) hear(message.id, message.node);
      } else if (local) hear(message.id, nodeId);
      else heard(message, () => authorization.signedOutElsewhere?.(message.signedOut));
    }
  }

  const ends = [
    authorization.onAccessEnded((ended) => tell(CHANNEL, (id) => ({ ended, node: nodeId, id }))),
    authorization.clients?.onChanged((client) => {
      return sessions.announce(CHANNEL, JSON.stringify({ client })).then(() => undefined, failed);
    }),
    authorization.onSignedOut?.((signedOut) =>
      tell(CHANNEL_OF_NODES, (id) => ({ kind: 'signed-out', signedOut, node: nodeId, id })),
    ),
    sessions.watch((notice) => {
      if (notice.kind === 'gap' && notice.topic === undefined) authorization.doubt();
      if (notice.kind === 'announcement') hearOf(notice);
    }),
  ];
  const listening = [CHANNEL, CHANNEL_OF_NODES].map((channel) => sessions.listen(channel));
  await Promise.all(listening.map(({ ready }) => ready));
  return () => {
    for (const end of ends) end?.();
    for (const one of listening) one.end();
    for (const { done } of waiting.values()) done();
  };
}
