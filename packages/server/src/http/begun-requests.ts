import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { Hub } from '@lockstep/hub';
import type { FoundToken, TokenInfo } from '@lockstep/smart';
import type { DoorRow } from './doors/door.ts';

/** Who calls, and from which network (SUB-13). */
export type Caller = TokenInfo & { readonly address: string };

/** What has happened to a request before the web framework gets it: nothing of it is done twice. */
export interface Begun {
  /** The door at which the request was counted by the limiter already. */
  readonly counted?: DoorRow;
  /** The token that was looked up; nothing has been decided about it where this is there. */
  readonly token?: { readonly found: FoundToken | undefined };
  /** Who was let in. */
  readonly caller?: Caller;
  /** The body, which has been read: the bytes again, or what went wrong with them. */
  readonly body?: () => Readable;
  /** What becomes of the event. */
  readonly published?: ReturnType<Hub['publish']>;
}

const begun = new WeakMap<IncomingMessage, Begun>();

export function begin(request: IncomingMessage, what: Begun): void {
  begun.set(request, what);
}

/** What has happened to a request already; undefined where nothing has. */
export function begunOf(request: IncomingMessage): Begun | undefined {
  return begun.get(request);
}
