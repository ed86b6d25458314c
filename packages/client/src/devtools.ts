/**
 * `<lockstep-devtools>`: for the developer of an application, what goes over the wire and why the state is what it is: messages in
 * both directions, how long the application took to answer each event, and every state with its reason. Not for a page in use:
 * it shows patients' data as they come.
 */
import type { Socket, SocketConstructor } from './ports.ts';
import { describeState } from './status.ts';
import type { Subscriber } from './subscriber.ts';

/** One message of the connection. */
export interface RecordedMessage {
  /** ms since the epoch. */
  readonly at: number;
  readonly direction: 'in' | 'out';
  readonly text: string;
  /** The id of the event or confirmation that it holds or answers. */
  readonly id?: string;
  /** What it is: the event's name, or `answer` with a status, or what the Hub says. */
  readonly what: string;
  /** ms from an event to this answer to it. */
  readonly took?: number;
}

/** How many messages are kept. */
const KEPT = 200;

function describe(text: string, direction: 'in' | 'out'): Pick<RecordedMessage, 'id' | 'what'> {
  let message: Record<string, unknown>;
  try {
    message = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { what: 'no JSON' };
  }
  if (typeof message !== 'object' || message === null) return { what: 'no object' };
  const id = typeof message.id === 'string' ? { id: message.id } : {};
  const event = message.event as Record<string, unknown> | undefined;
  if (typeof event?.['hub.event'] === 'string') return { ...id, what: event['hub.event'] };
  if (direction === 'out' && 'status' in message) return { ...id, what: `answer ${String(message.status)}` };
  return { ...id, what: String(message['hub.mode'] ?? message.type ?? 'message') };
}

/**
 * Keeps the messages of a subscriber's connections. Give it to the subscriber as its WebSocket:
 * `new Subscriber({ …, ports: { WebSocket: recorder.WebSocket } })`.
 */
export class MessageRecorder {
  readonly WebSocket: SocketConstructor;
  readonly #messages: RecordedMessage[] = [];
  readonly #arrived = new Map<string, number>();
  readonly #watchers = new Set<() => void>();
  readonly #now: () => number;

  /**
   * @param Inner the WebSocket that is recorded; by default the page's own
   * @param now ms since the epoch
   */
  constructor(Inner: SocketConstructor = globalThis.WebSocket, now: () => number = Date.now) {
    this.#now = now;
    const record = (text: string, direction: 'in' | 'out'): void => this.#record(text, direction);
    this.WebSocket = class extends (Inner as new (url: string) => Socket) {
      constructor(url: string) {
        super(url);
        this.addEventListener('message', ({ data }) => record(String(data), 'in'));
      }

      override send(text: string): void {
        record(text, 'out');
        super.send(text);
      }
    };
  }

  /** The newest 200 messages, oldest first. */
  get messages(): readonly RecordedMessage[] {
    return this.#messages;
  }

  /** Called with each message. @returns ends that */
  onMessage(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #record(text: string, direction: 'in' | 'out'): void {
    const at = this.#now();
    const described = describe(text, direction);
    const { id } = described;
    const arrived = id === undefined || direction === 'in' ? undefined : this.#arrived.get(id);
    if (id !== undefined && direction === 'in') this.#arrived.set(id, at);
    this.#messages.push({ at, direction, text, ...described, ...(arrived !== undefined && { took: at - arrived }) });
    for (const { id: old } of this.#messages.splice(0, this.#messages.length - KEPT)) {
      if (old !== undefined) this.#arrived.delete(old);
    }
    for (const watcher of this.#watchers) watcher();
  }
}

const STYLE = `
:host { display: block; font: 12px/1.5 ui-monospace, monospace; color: #1b1b1b; background: #fff; border: 1px solid #767676;
  max-height: 20em; overflow: auto; }
:host([hidden]) { display: none; }
section { padding: 0.5em; }
h2 { font: bold 1em system-ui, sans-serif; margin: 0; }
ol { list-style: none; margin: 0; padding: 0; }
summary { cursor: pointer; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }`;

// Where there is no DOM, as when a server renders, the module does nothing.
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

const time = (at: number): string => new Date(at).toISOString().slice(11, 23);

/** Set its `subscriber` and its `recorder`; both may come in either order, before or after it is in the page. */
export class LockstepDevtools extends Base {
  #subscriber: Subscriber | undefined;
  #recorder: MessageRecorder | undefined;
  #states: HTMLElement | undefined;
  #messages: HTMLElement | undefined;
  readonly #stops: (() => void)[] = [];

  get subscriber(): Subscriber | undefined {
    return this.#subscriber;
  }

  set subscriber(subscriber: Subscriber | undefined) {
    this.#subscriber = subscriber;
    if (this.isConnected) this.#watch();
  }

  get recorder(): MessageRecorder | undefined {
    return this.#recorder;
  }

  set recorder(recorder: MessageRecorder | undefined) {
    this.#recorder = recorder;
    if (this.isConnected) this.#watch();
  }

  connectedCallback(): void {
    if (!this.shadowRoot) {
      const root = this.attachShadow({ mode: 'open' });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      this.#states = this.#section(root, 'States');
      this.#messages = this.#section(root, 'Messages');
    }
    this.#watch();
  }

  disconnectedCallback(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  #section(root: ShadowRoot, title: string): HTMLElement {
    const section = document.createElement('section');
    const heading = document.createElement('h2');
    heading.textContent = title;
    const list = document.createElement('ol');
    list.setAttribute('aria-label', title);
    section.append(heading, list);
    root.append(section);
    return list;
  }

  #watch(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#states?.replaceChildren();
    this.#messages?.replaceChildren();
    const { subscriber, recorder } = this;
    if (subscriber) this.#stops.push(subscriber.onState(() => this.#showState()));
    if (recorder) this.#stops.push(recorder.onMessage(() => this.#showMessage(recorder.messages.at(-1)!)));
    for (const message of recorder?.messages ?? []) this.#showMessage(message);
  }

  #showState(): void {
    if (!this.#subscriber || !this.#states) return;
    const line = document.createElement('li');
    line.textContent = `${time(Date.now())} ${describeState(this.#subscriber.state)}`;
    this.#add(this.#states, line);
  }

  #showMessage({ at, direction, what, took, text }: RecordedMessage): void {
    if (!this.#messages) return;
    const line = document.createElement('li');
    const details = document.createElement('details');
    const summary = document.createElement('summary');
    summary.textContent = `${time(at)} ${direction === 'in' ? '←' : '→'} ${what}${took === undefined ? '' : ` after ${took} ms`}`;
    const whole = document.createElement('pre');
    whole.textContent = text;
    details.append(summary, whole);
    line.append(details);
    this.#add(this.#messages, line);
  }

  /** The newest stand on top. */
  #add(list: HTMLElement, line: HTMLElement): void {
    list.prepend(line);
    while (list.childElementCount > KEPT) list.lastElementChild?.remove();
  }
}

if (globalThis.customElements && !customElements.get('lockstep-devtools')) {
  customElements.define('lockstep-devtools', LockstepDevtools);
}

declare global {
  interface HTMLElementTagNameMap {
    'lockstep-devtools': LockstepDevtools;
  }
}
