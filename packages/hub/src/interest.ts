import { eventKey } from '@lockstep/fhircast';
import type { Delivery, Sendable } from './delivery.ts';

/** What one subscriber is sent of what happens in its session. */
export class Interest {
  readonly #derivesOpens: boolean;
  #granted: ReadonlySet<string> = new Set();
  #everything = false;
  /** What the subscriber was last told to open, by resource type (DER-2). */
  readonly #lastOpen = new Map<string, string>();

  constructor(derivesOpens: boolean) {
    this.#derivesOpens = derivesOpens;
  }

  /** @param events granted events, or `*` */
  grant(events: readonly string[]): void {
    this.#granted = new Set(events.map(eventKey));
    this.#everything = this.#granted.has('*');
  }

  #wants(key: string): boolean {
    return this.#everything || this.#granted.has(key);
  }

  /** The event if it was subscribed to, or else the opens derived from it that were (PUB-3, DER-1, DER-2). */
  select(delivery: Delivery): readonly Sendable[] {
    if (this.#wants(delivery.key)) {
      this.#remember(delivery);
      return [delivery.sendable];
    }
    if (!this.#derivesOpens || !delivery.key.endsWith('-open')) return [];
    return delivery.derived.filter(({ name, opens }) => {
      if (!opens || !this.#wants(eventKey(name)) || this.#lastOpen.get(opens.type) === opens.resourceId) return false;
      this.#lastOpen.set(opens.type, opens.resourceId);
      return true;
    });
  }

  #remember({ key, sendable }: Delivery): void {
    const { opens, closes } = sendable;
    if (opens) this.#lastOpen.set(opens.type, opens.resourceId);
    else if (closes && this.#lastOpen.get(closes.type) === closes.resourceId) this.#lastOpen.delete(closes.type);
    else if (key === 'home-open' || key === 'userlogout') this.#lastOpen.clear();
  }
}
