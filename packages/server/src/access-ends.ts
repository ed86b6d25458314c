import type { AuthorizationServer } from '@lockstep/smart';
import type { SessionStore } from '@lockstep/store';

/** No session has this name: topics that the Hub mints are UUIDs. */
const CHANNEL = 'lockstep:access-ended';

type Ended = Parameters<AuthorizationServer['invalidate']>[0];

/**
 * Access that ended at one node ends at all of them (TOK-6). A node that does not hear of it asks the store about a token
 * within seconds all the same.
 * @param failed told that it could not be announced
 * @returns ends it
 */
export function shareAccessEnds(
  sessions: SessionStore,
  authorization: AuthorizationServer,
  failed: (error: unknown) => void,
): () => void {
  let hearing = false;
  const endOwn = authorization.onAccessEnded((ended) => {
    // What was heard from another node is no news for it.
    if (!hearing) sessions.announce(CHANNEL, JSON.stringify(ended)).catch(failed);
  });
  const endWatch = sessions.watch((notice) => {
    if (notice.kind !== 'announcement' || notice.local || notice.topic !== CHANNEL) return;
    hearing = true;
    try {
      authorization.invalidate(JSON.parse(notice.body) as Ended);
    } finally {
      hearing = false;
    }
  });
  return () => {
    endOwn?.();
    endWatch();
  };
}
