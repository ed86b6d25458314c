import type { AccessEnded, Clients, TokenVerifier } from '@lockstep/smart';
import type { SessionStore } from '@lockstep/store';

/** No session has this name: topics that the Hub mints are UUIDs. */
const CHANNEL = 'lockstep:access';

type Message = { readonly ended: AccessEnded } | { readonly client: string };

/**
 * Access that ended at one node ends at all of them (TOK-6), and a registration that changed is read again. A client that asked for
 * it is answered after it was announced to the other nodes. A node that may not have heard asks the store.
 * @param failed called when it could not be announced
 * @returns ends it, once what other nodes tell is heard
 */
export async function shareAccessEnds(
  sessions: SessionStore,
  authorization: TokenVerifier & { readonly clients?: Pick<Clients, 'onChanged' | 'invalidate'> },
  failed: (error: unknown) => void,
): Promise<() => void> {
  let hearing = false;
  const tell = (message: Message): Promise<void> => sessions.announce(CHANNEL, JSON.stringify(message)).catch(failed);
  // What was heard from another node is no news for it.
  const endOwn = authorization.onAccessEnded((ended) => (hearing ? undefined : tell({ ended })));
  const endChanges = authorization.clients?.onChanged((client) => tell({ client }));
  const endWatch = sessions.watch((notice) => {
    if (notice.kind === 'gap' && notice.topic === undefined) authorization.doubt();
    if (notice.kind !== 'announcement' || notice.local || notice.topic !== CHANNEL) return;
    const message = JSON.parse(notice.body) as Message;
    if ('client' in message) return authorization.clients?.invalidate(message.client);
    hearing = true;
    try {
      authorization.invalidate(message.ended);
    } finally {
      hearing = false;
    }
  });
  const listening = sessions.listen(CHANNEL);
  await listening.ready;
  return () => {
    endOwn();
    endChanges?.();
    endWatch();
    listening.end();
  };
}
