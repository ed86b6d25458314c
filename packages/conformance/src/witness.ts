import { show } from './expecting.ts';
import { alteration, isMadeOf } from './fidelity.ts';
import type { Notification } from './target/subscriber.ts';

/** Keeps what was delivered in a run although it was not published so. */
export class Witness {
  readonly #found: string[] = [];
  #seen = 0;

  /** The first things that were not as they were published. */
  get found(): readonly string[] {
    return this.#found;
  }

  /** Deliveries that were looked at. */
  get seen(): number {
    return this.#seen;
  }

  saw(what?: string): void {
    this.#seen++;
    if (what !== undefined && this.#found.length < 20) this.#found.push(what);
  }
}

/** What one scenario published, to compare with what its subscribers receive. */
export class Ledger {
  readonly #witness: Witness;
  readonly #sent = new Map<string, string[]>();
  readonly #ira: boolean;
  /** Whether events may come that the scenario does not know: of other people, or completed by the Hub. */
  #open: boolean;

  constructor(witness: Witness, options: { shared: boolean; ira: boolean }) {
    this.#witness = witness;
    this.#open = options.shared;
    this.#ira = options.ira;
  }

  /** Notes what is posted to the Hub. */
  sends(text: string, id: unknown): void {
    // A Hub may complete a request that lacks something.
    if (typeof id !== 'string') this.#open = true;
    else this.#sent.set(id, [...(this.#sent.get(id) ?? []), text]);
  }

  /** Notes a message that is no event: what a Hub makes of it is not known. */
  sendsSomethingElse(): void {
    this.#open = true;
  }

  /** Looks at what came to a subscriber. */
  receives(check: string, subscriber: string, one: Notification): void {
    const sent = typeof one.id === 'string' ? this.#sent.get(one.id) : undefined;
    const told = `${check}: ${subscriber} was told a ${show(one.event['hub.event'])}`;
    if (sent) {
      const options = { ira: this.#ira };
      const differences = sent.map((text) => alteration(text, one.frame.text, options));
      const [first] = differences;
      const same = differences.includes(undefined) || first === undefined;
      this.#witness.saw(same ? undefined : `${told} with ${first.path}: ${first.came}; published: ${first.sent}`);
      return;
    }
    const foreign = /-(open|close)$/.test(one.name) && !this.#open;
    const made = !foreign || isMadeOf(one.frame.text, [...this.#sent.values()].flat());
    this.#witness.saw(made ? undefined : `${told} that nobody published: ${one.frame.text.slice(0, 300)}`);
  }
}
