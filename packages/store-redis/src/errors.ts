import { StoreUnavailable } from '@lockstep/store';
import { ReplyError } from 'ioredis';

/**
 * Answers by which Redis says "not now": starting, full, a replica (also one that was demoted while it was to wait for its own),
 * without its own replicas, without its cluster.
 */
const NOT_NOW =
  /^(ERR WAIT cannot be used with replica instances|LOADING|READONLY|OOM|MISCONF|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|BUSY|NOAUTH|WRONGPASS|NOPERM|UNBLOCKED|LATE|ERR max number of clients)\b/;

const TIMED_OUT = 'Command timed out';

export function timedOut(error: unknown): boolean {
  return error instanceof Error && error.message === TIMED_OUT;
}

/** Answered by a server that was demoted: the connection leads to the wrong one. */
export function isReadOnly(error: Error): boolean {
  return error.message.startsWith('READONLY');
}

/** What callers of the store learn of an error of the client. */
export function translated(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof StoreUnavailable || error instanceof RangeError) return error;
  if (!(error instanceof ReplyError)) return new StoreUnavailable(`Redis cannot be reached: ${error.message}`, 1);
  const [code = ''] = error.message.replace(/^ERR /, '').split(' ', 1);
  if (NOT_NOW.test(error.message)) return new StoreUnavailable(`Redis cannot do this now: ${code}`, 1);
  return error;
}
