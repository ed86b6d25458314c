/** One line of what went over the wire in a scenario. */
export interface WireExchange {
  /** Milliseconds since the scenario began. */
  readonly at: number;
  readonly kind: 'request' | 'response' | 'connect' | 'received' | 'sent' | 'closed' | 'note';
  /** Which of the scenario's parties: a subscriber's name, or `suite`. */
  readonly who: string;
  readonly text: string;
}

const LONGEST_TEXT = 6000;
const MOST_LINES = 150;

/** A text of its own: a part of a long one keeps the whole of it in memory. */
const copied = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le');

/** Keeps what was exchanged, bounded, without secrets. */
export class Transcript {
  #lines: WireExchange[] = [];
  #dropped = 0;
  readonly #started = performance.now();
  readonly #secrets = new Set<string>();

  /** Text that must never show in a report. */
  hide(secret: string): void {
    if (secret !== '') this.#secrets.add(secret);
  }

  add(kind: WireExchange['kind'], who: string, text: string): void {
    if (this.#lines.length >= MOST_LINES) {
      this.#dropped++;
      return;
    }
    let shown =
      text.length > LONGEST_TEXT ? `${copied(text.slice(0, LONGEST_TEXT))}… (${text.length} characters)` : text;
    for (const secret of this.#secrets) shown = shown.replaceAll(secret, '(hidden)');
    this.#lines.push({ at: Math.round(performance.now() - this.#started), kind, who, text: shown });
  }

  get lines(): readonly WireExchange[] {
    if (this.#dropped === 0) return this.#lines;
    return [...this.#lines, { at: 0, kind: 'note', who: 'suite', text: `${this.#dropped} more lines were not kept` }];
  }
}
