import type { RecordStore } from '@lockstep/store';
import type { Clock } from './ports.ts';
import { RecordRepository } from './repository.ts';
import { digest, randomToken } from './secrets.ts';

/** How long a request is kept while a person signs in, ms. */
const LIFE = 15 * 60_000;

/** Longest request that still travels in an address, characters. */
const LONGEST_ADDRESS = 2_000;

/** Authorization requests that are too long for an address (AUT-1), kept under an id that cannot be guessed. */
export class HeldRequests {
  readonly #records: RecordRepository<{ readonly form: string }>;
  readonly #clock: Clock;

  constructor(store: RecordStore, clock: Clock) {
    this.#records = new RecordRepository(store, clock, 'held-request');
    this.#clock = clock;
  }

  /** @param form the parameters, form-encoded. @returns our path at which the request goes on */
  async keep(form: string): Promise<string> {
    const id = randomToken();
    await this.#records.put(digest(id), { form }, { expiresAt: this.#clock.now() + LIFE });
    return `/auth/authorize/held/${id}`;
  }

  async find(id: string): Promise<string | undefined> {
    return (await this.#records.get(digest(id)))?.form;
  }

  /** Our path at which a request starts again. */
  async pathOf(form: URLSearchParams): Promise<string> {
    const text = form.toString();
    return text.length > LONGEST_ADDRESS ? this.keep(text) : `/auth/authorize?${text}`;
  }
}
