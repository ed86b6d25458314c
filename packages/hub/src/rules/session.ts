/** How sessions begin and end (SES-1, SES-2, SES-5, SES-8, SUB-12, SUB-13). */
import { isPlainText, MISLEADING_NAME } from '@lockstep/fhircast';
import { type Begin, type Decision, done, type SessionCommand } from './commands.ts';
import { unexpired } from './lease.ts';
import { type Access, guestOf, isSameName, mayJoin, mayOpen } from './permission.ts';
import type { Policy } from './policy.ts';
import { NOTHING_TO_DO, type Rejection, refuse, UNKNOWN_TOPIC } from './reasons.ts';
import { newSession, type SessionInfo, type SessionState } from './session-state.ts';

/** Whether a topic that a subscriber made up can be part of an address; guessing it is the subscriber's own risk (SUB-12). */
export function isTopicName(name: string): boolean {
  return /^[A-Za-z0-9._~:-]{1,256}$/.test(name) && name !== 'session';
}

/** SUB-12: why no session can be created for a topic, where subscriptions create them; undefined where one can. */
export function unusableTopic(name: string, { createsSessions }: Policy): Rejection | undefined {
  if (!createsSessions || isTopicName(name)) return undefined;
  return refuse('unusable-topic', 'hub.topic must be 1 to 256 letters, digits and . _ ~ : - to start a session');
}

/** SES-2, SES-5: why the token may neither create nor end sessions, if so. */
export function cannotWriteSessions({ scopes }: Access): Rejection | undefined {
  return scopes.maySession('write')
    ? undefined
    : refuse('scope-missing', 'The token lacks the scope hub/session.write');
}

const NONE_STARTED = { byClient: 0, forUser: 0, fromAddress: 0 };

/** A session is started, by a permitted client (SES-2) or by the server itself (SES-1). */
export function begin(state: SessionState | undefined, command: Begin, now: number, policy: Policy): Decision {
  const { topic, access, started = NONE_STARTED } = command;
  if (state) return refuse('topic-taken', 'The topic is taken');
  const { user, aliases, workstation, label } = command.info;
  for (const [field, ...names] of [
    ['user', user, ...aliases],
    ['workstation', workstation ?? ''],
    ['label', label ?? ''],
  ]) {
    if (!names.every(isPlainText)) return refuse('invalid', `${field} ${MISLEADING_NAME}`);
  }
  if (access && !mayOpen(access, command.info)) {
    return refuse('session-not-allowed', 'The token may not open a session for this user and workstation');
  }
  if (command.info.known === false && !policy.startsForUnknownUsers) {
    return refuse('user-unknown', `There is no user ${JSON.stringify(command.info.user)} on this server`);
  }
  const own = isSameName(access?.user, command.info.user);
  if (access && started.forUser >= policy.maxSessionsPerUser) {
    return refuse(
      'too-many-sessions',
      `The client has started ${policy.maxSessionsPerUser} sessions for this user already`,
    );
  }
  if (access && !own && started.byClient >= policy.maxSessionsPerClient) {
    return refuse('too-many-sessions', `The client has started ${policy.maxSessionsPerClient} sessions already`);
  }
  if (access && !own && started.fromAddress >= policy.maxSessionsPerAddress) {
    return refuse(
      'too-many-sessions',
      `${policy.maxSessionsPerAddress} sessions were started from this address already`,
    );
  }
  const info: SessionInfo = {
    ...command.info,
    startedAt: now,
    ...(access && { startedBy: access.clientId }),
    ...(access?.address !== undefined && { startedFrom: access.address }),
  };
  return done(newSession(topic, info), { kind: 'begun' });
}

/** A session is over: its subscriptions are denied, its contexts and content erased (SES-5). */
export function end(
  state: SessionState,
  { access, reason, ifIdle }: Extract<SessionCommand, { kind: 'end' }>,
  now: number,
  { idleMs }: Policy,
): Decision {
  const unable = access && cannotWriteSessions(access);
  if (unable) return unable;
  if (access && !mayJoin(access, state.topic, state.info)) return UNKNOWN_TOPIC;
  if (access && guestOf(access, state.info)) {
    return refuse('session-not-allowed', 'A guest leaves the session, and does not end it for the others');
  }
  if (ifIdle && (state.changedAt + idleMs > now || unexpired(state, now).length > 0)) return NOTHING_TO_DO;
  return done(undefined, { kind: 'erase', reason });
}
