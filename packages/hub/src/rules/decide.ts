/**
 * The rules of a FHIRcast session as one pure function: `decide(state, command, now)` says what a command changes, what follows
 * from it, or why it is refused. No socket, no store, no clock, no randomness, and nothing of HTTP.
 */
import { answer, delayed, noAnswer } from './answer.ts';
import type { Decision, SessionCommand } from './commands.ts';
import { connect, disconnect, elapse, takeOver } from './connection.ts';
import { invite, join, leave, UNKNOWN_INVITATION, withdraw } from './guests.ts';
import { deny } from './lease.ts';
import type { Policy } from './policy.ts';
import { publish } from './publish.ts';
import { NOTHING_TO_DO, refuse, UNKNOWN_ENDPOINT, UNKNOWN_TOPIC } from './reasons.ts';
import { begin, cannotWriteSessions, end } from './session.ts';
import type { SessionState } from './session-state.ts';
import { accessEnded, confirm, subscribe, unsubscribe } from './subscribe.ts';

/**
 * Decides one command.
 * @param state undefined where there is no such session
 * @param now ms since the epoch
 * @param pausedMs by which the ends of subscriptions come later, since the Hub stood still within the last minute (ERR-4)
 */
export type Decide = (
  state: SessionState | undefined,
  command: SessionCommand,
  now: number,
  pausedMs?: number,
) => Decision;

/** What a command is answered where there is no session. */
function withoutSession(command: Exclude<SessionCommand, { kind: 'begin' }>): Decision {
  const { kind } = command;
  if (kind === 'publish') return refuse('unknown-topic-of-event', UNKNOWN_TOPIC.reason);
  if (kind === 'connect') return UNKNOWN_ENDPOINT;
  if (kind === 'end') return (command.access && cannotWriteSessions(command.access)) ?? UNKNOWN_TOPIC;
  if (kind === 'join') return UNKNOWN_INVITATION;
  if (kind === 'invite' || kind === 'withdraw') return cannotWriteSessions(command.access) ?? UNKNOWN_TOPIC;
  return kind === 'subscribe' || kind === 'unsubscribe' || kind === 'leave' ? UNKNOWN_TOPIC : NOTHING_TO_DO;
}

function decided(
  state: SessionState,
  command: Exclude<SessionCommand, { kind: 'begin' }>,
  now: number,
  policy: Policy,
  pausedMs: number,
) {
  switch (command.kind) {
    case 'end':
      return end(state, command, now, policy);
    case 'invite':
      return invite(state, command, now);
    case 'join':
      return join(state, command, now);
    case 'withdraw':
      return withdraw(state, command, now);
    case 'leave':
      return leave(state, command, now);
    case 'publish':
      return publish(state, command, now, policy);
    case 'subscribe':
      return subscribe(state, command, now, policy, pausedMs);
    case 'confirm':
      return confirm(state, command, now, policy, pausedMs);
    case 'unsubscribe':
      return unsubscribe(state, command, now);
    case 'connect':
      return connect(state, command, now, policy, pausedMs);
    case 'disconnect':
      return disconnect(state, command, now, policy);
    case 'elapse':
      return elapse(state, command, now, policy, pausedMs);
    case 'answer':
      return answer(state, command, now, policy);
    case 'delayed':
      return delayed(state, command, now);
    case 'no-answer':
      return noAnswer(state, command, now, policy);
    case 'deny':
      return deny(state, command.ids, command.reason, now, command.left === true);
    case 'access-ended':
      return accessEnded(state, command, now);
    case 'take-over':
      return takeOver(state, command, now, policy);
  }
}

/** The rules of a deployment. */
export function sessionRules(policy: Policy): Decide {
  return (state, command, now, pausedMs = 0) => {
    if (command.kind === 'begin') return begin(state, command, now, policy);
    return state ? decided(state, command, now, policy, pausedMs) : withoutSession(command);
  };
}
