/**
 * Whether an application has unsaved text, for the page that it is embedded in or was opened by, which is about to close it,
 * move it or sign out. Asked and answered by `postMessage`; each side names the origins that it speaks with.
 */
import { isObject } from '@lockstep/fhircast';

const QUESTION = 'lockstep.has-unsaved';
const ANSWER = 'lockstep.unsaved';

/** What an application has unsaved: words for people, such as "a report is not signed", which must not name the patient; '' for nothing. */
export type Unsaved = string;

/** The part of a window that is used. */
export interface MessageWindow {
  postMessage(message: unknown, targetOrigin: string): void;
}

interface Listening extends EventTarget {
  readonly parent: MessageWindow | null;
  readonly opener: unknown;
}

function origin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || url.origin === 'null')
    throw new TypeError('an embedding page’s origin must be written out, such as https://ehr.example');
  return url.origin;
}

/**
 * Answers the embedding page, and lets the browser ask before the page is left.
 * @param unsaved says what is unsaved at this moment
 * @param embedders origins of pages that may ask
 * @returns a function that stops
 * @throws TypeError when an origin is not written out
 */
export function hasUnsaved(unsaved: () => Unsaved, embedders: readonly string[]): () => void {
  const allowed = new Set(embedders.map(origin));
  const page = globalThis as unknown as Listening;
  const stop = new AbortController();
  const answer = (event: Event) => {
    const { data, source, origin: from } = event as MessageEvent;
    const above = source !== null && (source === page.parent || source === page.opener);
    if (!above || !allowed.has(from) || !isObject(data) || data.type !== QUESTION) return;
    (source as MessageWindow).postMessage({ type: ANSWER, id: data.id, unsaved: unsaved() }, from);
  };
  const leaving = (event: Event) => {
    if (unsaved() !== '') event.preventDefault();
  };
  page.addEventListener('message', answer, { signal: stop.signal });
  page.addEventListener('beforeunload', leaving, { signal: stop.signal });
  return () => stop.abort();
}

let asked = 0;

/**
 * Asks an embedded or opened application whether it has unsaved text.
 * @param target its window: `iframe.contentWindow`, or what `window.open` gave
 * @param at the application's origin
 * @param within ms (default 1000)
 * @returns undefined when it does not answer: it does not know the question, or is busy
 * @throws TypeError when the origin is not written out
 */
export function askUnsaved(target: MessageWindow, at: string, within = 1000): Promise<Unsaved | undefined> {
  const from = origin(at);
  const page = globalThis as unknown as Listening;
  const id = `${QUESTION} ${++asked}`;
  const stop = new AbortController();
  return new Promise((resolve) => {
    const end = (unsaved: Unsaved | undefined) => {
      clearTimeout(timer);
      stop.abort();
      resolve(unsaved);
    };
    const timer = setTimeout(end, within, undefined);
    const hear = (event: Event) => {
      const { data, source, origin: sender } = event as MessageEvent;
      if (source !== target || sender !== from || !isObject(data) || data.type !== ANSWER || data.id !== id) return;
      if (typeof data.unsaved === 'string') end(data.unsaved);
    };
    page.addEventListener('message', hear, { signal: stop.signal });
    target.postMessage({ type: QUESTION, id }, from);
  });
}
