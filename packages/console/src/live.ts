/** The server's live view of a session: entries as they happen, and word when they may have been missed. */
import { noteSignedOut, type TimelineEntry } from './api.ts';
import { serverUrl } from './base.ts';

export interface LiveHandlers {
  /** The view is open: what happened before must be read. Again after every interruption. */
  ready(): void;
  entries?(entries: readonly TimelineEntry[]): void;
  /** The latest that happened before the view opened. */
  recent?(entries: readonly TimelineEntry[]): void;
  /** The list of sessions is not what it was. */
  changed?(): void;
  /** The view is interrupted; it comes back by itself. */
  lost?(): void;
}

const FIRST_WAIT = 300;
const LONGEST_WAIT = 5000;
/** The close code for somebody who signed out, or was signed out. */
const SIGNED_OUT = 4401;

/**
 * Opens a live view.
 * @param topic one session, or undefined for the list of all
 * @returns closes it
 */
export function watchLive(topic: string | undefined, handlers: LiveHandlers): () => void {
  let socket: WebSocket | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wait = FIRST_WAIT;
  let ended = false;

  function open(): void {
    const path = topic === undefined ? '/api/console/live' : `/api/console/live/${topic}`;
    socket = new WebSocket(`${serverUrl().replace(/^http/, 'ws')}${path}`);
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data)) as { kind: string; entries?: readonly TimelineEntry[] };
      if (message.kind === 'ready') {
        wait = FIRST_WAIT;
        handlers.ready();
      } else if (message.kind === 'changed') handlers.changed?.();
      else if (message.kind === 'recent') handlers.recent?.(message.entries ?? []);
      else if (message.kind === 'entries') handlers.entries?.(message.entries ?? []);
    };
    socket.onclose = ({ code }) => {
      if (ended) return;
      handlers.lost?.();
      if (code === SIGNED_OUT) {
        noteSignedOut();
        return;
      }
      timer = setTimeout(open, wait * (0.7 + Math.random() * 0.6));
      wait = Math.min(wait * 2, LONGEST_WAIT);
    };
  }

  open();
  return () => {
    ended = true;
    clearTimeout(timer);
    socket?.close();
  };
}
