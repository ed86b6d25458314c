/**
 * `<lockstep-status>`: shows where the application stands against the session, in words, shape and colour.
 * Importing this module defines the element; set its `subscriber` property. Style it by `::part(mark)` and `::part(text)`
 * and the custom properties `--lockstep-good`, `--lockstep-busy`, `--lockstep-bad`, `--lockstep-off`; its attribute
 * `status` holds the state's name. Another language: the properties `words`, for the states, and `reasons`, for reasons.
 * With the attribute `brief` the state's name stands alone, for a page that says the reason elsewhere.
 */
import type { Subscriber } from './subscriber.ts';
import type { SyncState } from './sync-state.ts';

export type StatusWords = { readonly [status in SyncState['status']]: string };

const ENGLISH: StatusWords = {
  connecting: 'Connecting',
  'in-sync': 'In sync',
  unknown: 'Checking',
  behind: 'Catching up',
  'out-of-sync': 'Out of sync',
  closed: 'Not connected',
};

// One shape for each, so that colour is never all there is.
const MARKS: { readonly [status in SyncState['status']]: readonly [mark: string, tone: string] } = {
  connecting: ['◌', 'busy'],
  'in-sync': ['✓', 'good'],
  unknown: ['?', 'busy'],
  behind: ['…', 'busy'],
  'out-of-sync': ['!', 'bad'],
  closed: ['×', 'off'],
};

const STYLE = `
:host { display: inline-flex; align-items: center; gap: 0.4em; font: inherit; }
:host([hidden]) { display: none; }
[part=mark] { display: inline-grid; place-items: center; width: 1.3em; height: 1.3em; border-radius: 50%; color: #fff;
  font-weight: bold; line-height: 1; flex: none; }
[data-tone=good] { background: var(--lockstep-good, #1b7f3b); }
[data-tone=busy] { background: var(--lockstep-busy, #6b5900); }
[data-tone=bad] { background: var(--lockstep-bad, #b3261e); }
[data-tone=off] { background: var(--lockstep-off, #5f6368); }`;

/** Puts a reason, which comes in English and perhaps after a name and a colon, into other words. */
export type ReasonWords = (reason: string) => string;

const asSaid: ReasonWords = (reason) => reason;

/**
 * What the state means, for people: the name of the state, and who or what is in the way.
 * @param reasons puts the reason into the person's language
 */
export function describeState(state: SyncState, words: StatusWords = ENGLISH, reasons: ReasonWords = asSaid): string {
  const word = words[state.status];
  switch (state.status) {
    case 'in-sync':
    case 'unknown':
      return word;
    case 'behind':
      return state.who === undefined ? word : `${word}: ${reasons(state.reason)}`;
    case 'out-of-sync': {
      const who = state.who && !state.reason.includes(state.who) ? `${state.who}: ` : '';
      const more = state.others.length - (state.us ? 0 : 1);
      return `${word}: ${reasons(who + state.reason)}${more > 0 ? ` (+${more})` : ''}`;
    }
    case 'connecting':
      return state.attempt > 1 ? `${word} (${state.attempt})` : word;
    case 'closed':
      return `${word}: ${reasons(state.reason)}`;
  }
}

/**
 * Who does not follow, one a line: what it still shows, and since when.
 * @param locale a BCP 47 tag that times are written for; without one, the browser's
 */
export function describeOthers(state: SyncState, reasons: ReasonWords, locale: string | undefined): string {
  if (state.status !== 'out-of-sync') return 'reason' in state ? reasons(state.reason ?? '') : '';
  const lines = state.others.map(({ name, reason, shows, since }) => {
    const time = Number.isNaN(since) ? '' : `, ${new Date(since).toLocaleTimeString(locale)}`;
    return `${reasons(`${name}: ${reason}`)}${shows ? ` (${shows})` : ''}${time}`;
  });
  return [...(state.us ? [reasons(state.reason)] : []), ...lines].join('\n');
}

// Where there is no DOM, as when a server renders, the module does nothing.
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

export class LockstepStatus extends Base {
  static readonly observedAttributes = ['brief'];

  #subscriber: Subscriber | undefined;
  #words: StatusWords = ENGLISH;
  #reasons: ReasonWords = asSaid;
  #stop: (() => void) | undefined;
  #mark: HTMLElement | undefined;
  #text: HTMLElement | undefined;

  get subscriber(): Subscriber | undefined {
    return this.#subscriber;
  }

  set subscriber(subscriber: Subscriber | undefined) {
    this.#subscriber = subscriber;
    if (this.isConnected) this.#watch();
  }

  get words(): StatusWords {
    return this.#words;
  }

  set words(words: Partial<StatusWords>) {
    this.#words = { ...ENGLISH, ...words };
    this.#show();
  }

  get reasons(): ReasonWords {
    return this.#reasons;
  }

  set reasons(reasons: ReasonWords) {
    this.#reasons = reasons;
    this.#show();
  }

  connectedCallback(): void {
    this.#upgrade('subscriber');
    this.#upgrade('words');
    this.#upgrade('reasons');
    if (!this.shadowRoot) {
      const root = this.attachShadow({ mode: 'open' });
      // A style element would need 'unsafe-inline' in the page's content security policy.
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      this.#mark = document.createElement('span');
      this.#mark.setAttribute('part', 'mark');
      this.#mark.setAttribute('aria-hidden', 'true');
      this.#text = document.createElement('span');
      this.#text.setAttribute('part', 'text');
      root.append(this.#mark, this.#text);
    }
    // Announced when it changes, without interrupting.
    if (!this.hasAttribute('role')) this.setAttribute('role', 'status');
    this.#watch();
  }

  attributeChangedCallback(): void {
    this.#show();
  }

  disconnectedCallback(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  /** What was set before the element was defined lies over its accessor. */
  #upgrade(name: 'subscriber' | 'words' | 'reasons'): void {
    if (!Object.hasOwn(this, name)) return;
    const { value } = Object.getOwnPropertyDescriptor(this, name) ?? {};
    Reflect.deleteProperty(this, name);
    Reflect.set(this, name, value);
  }

  #watch(): void {
    this.#stop?.();
    this.#stop = this.#subscriber?.onState(() => this.#show());
    this.#show();
  }

  #show(): void {
    if (!this.#mark || !this.#text) return;
    const state = this.#subscriber?.state ?? { status: 'closed', reason: 'no session' };
    const [mark, tone] = MARKS[state.status];
    this.setAttribute('status', state.status);
    this.#mark.textContent = mark;
    this.#mark.dataset.tone = tone;
    this.#text.textContent = this.hasAttribute('brief')
      ? this.#words[state.status]
      : describeState(state, this.#words, this.#reasons);
    this.title = describeOthers(state, this.#reasons, this.closest<HTMLElement>('[lang]')?.lang || undefined);
  }
}

if (globalThis.customElements && !customElements.get('lockstep-status')) {
  customElements.define('lockstep-status', LockstepStatus);
}

declare global {
  interface HTMLElementTagNameMap {
    'lockstep-status': LockstepStatus;
  }
}
