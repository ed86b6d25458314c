import { hash } from 'node:crypto';
import type { SessionStore } from '@lockstep/store';
import type { LiveSessions } from '../live/live-sessions.ts';
import type { Clock, Ids } from '../ports.ts';
import { UNKNOWN_INVITATION } from '../rules/guests.ts';
import { type Access, guestOf } from '../rules/permission.ts';
import type { Policy } from '../rules/policy.ts';
import { refuse } from '../rules/reasons.ts';
import { invitationKey } from '../stored/index-keys.ts';
import { type Answer, answerOf } from './answers.ts';
import type { Topics } from './topics.ts';

/** Seconds. */
const DEFAULT_LIFE = 3600;
const MAX_LIFE = 86_400;

/** An invitation as it is given to its maker, once. */
export interface Invited {
  /** By which it is withdrawn. */
  readonly id: string;
  /** What the guest shows: 128 random bits and more. Only its hash is kept. */
  readonly code: string;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

/** What a guest learns about the session. */
export interface Joined {
  readonly topic: string;
  /** The session's own user. */
  readonly user: string;
  readonly followingOnly: boolean;
}

export interface InvitationParts {
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly policy: Policy;
  readonly live: LiveSessions;
  readonly topics: Topics;
}

/** Who is invited to whose session, joins it and leaves it. */
export class Invitations {
  readonly #parts: InvitationParts;

  constructor(parts: InvitationParts) {
    this.#parts = parts;
  }

  /** `POST {hub.url}/session/{topic}/invitation`. @param life s; an hour unless given, a day at most */
  async invite(
    access: Access,
    topic: string,
    wanted: { readonly followingOnly: boolean; readonly life?: number },
  ): Promise<Answer<Invited>> {
    const { ids, clock, policy } = this.#parts;
    const { life = DEFAULT_LIFE, followingOnly } = wanted;
    if (!(Number.isSafeInteger(life) && life > 0 && life <= MAX_LIFE)) {
      return answerOf(refuse('invalid', `expires_in must be 1 to ${MAX_LIFE} seconds`), policy.profile.name);
    }
    const code = ids.secret();
    const id = hash('sha256', code, 'base64url');
    const expiresAt = clock.now() + life * 1000;
    const invitation = { id, expiresAt, ...(followingOnly && { followingOnly: true as const }) };
    const answer = await this.#execute(access, topic, { kind: 'invite', access, invitation });
    return answer.ok ? { ok: true, value: { id, code, expiresAt } } : answer;
  }

  /** `POST {hub.url}/invitation/{code}`. */
  async join(access: Access, code: string): Promise<Answer<Joined>> {
    const { store, live, policy } = this.#parts;
    const id = hash('sha256', code, 'base64url');
    const [topic] = await store.lookup(invitationKey(id));
    if (topic === undefined) return answerOf(UNKNOWN_INVITATION, policy.profile.name);
    const decision = await live.of(topic).execute({ kind: 'join', access, id });
    if (!decision.ok) return answerOf(decision, policy.profile.name);
    if (!decision.state) throw new Error('A session that was joined has a state');
    const { info } = decision.state;
    const followingOnly = guestOf(access, info)?.followingOnly === true;
    return { ok: true, value: { topic, user: info.user, followingOnly } };
  }

  /** `DELETE {hub.url}/session/{topic}/invitation/{id}`. */
  withdraw(access: Access, topic: string, id: string): Promise<Answer<undefined>> {
    return this.#execute(access, topic, { kind: 'withdraw', access, id });
  }

  /** `DELETE {hub.url}/session/{topic}/guest`. */
  leave(access: Access, topic: string): Promise<Answer<undefined>> {
    return this.#execute(access, topic, { kind: 'leave', access });
  }

  async #execute(
    access: Access,
    written: string,
    command: Parameters<ReturnType<LiveSessions['of']>['execute']>[0],
  ): Promise<Answer<undefined>> {
    const { topics, live, policy } = this.#parts;
    const own = await topics.own(access, written);
    if (!own.ok) return own;
    const session = live.of(own.value);
    const decision = await session.execute(command);
    live.dropUnused(session);
    return decision.ok ? { ok: true, value: undefined } : answerOf(decision, policy.profile.name);
  }
}
