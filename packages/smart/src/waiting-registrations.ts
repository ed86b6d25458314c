import type { RecordStore } from '@lockstep/store';
import { OAuthError } from './oauth-error.ts';
import type { Clock } from './ports.ts';
import { RecordRepository, type RecordWrite } from './repository.ts';

/** Registrations of strangers that may wait for an administrator at a time, and how many of them from one network. */
export const MAX_WAITING = 50;
export const MAX_WAITING_OF_NETWORK = 10;

/** How long a registration waits before it expires, ms. */
export const WAITING_LIFE = 7 * 24 * 3_600_000;

interface Waiting {
  readonly clientId: string;
  readonly network: string;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

interface WaitingList {
  readonly waiting: readonly Waiting[];
}

const ID = 'all';

/**
 * Which registrations wait for an administrator: one small record, so that counting them reads no registration (REG-6).
 * Entries expire together with the registrations that they stand for.
 */
export class WaitingRegistrations {
  readonly #records: RecordRepository<WaitingList>;
  readonly #clock: Clock;

  constructor(store: RecordStore, clock: Clock) {
    this.#records = new RecordRepository<WaitingList>(store, clock, 'waiting-registrations');
    this.#clock = clock;
  }

  /**
   * The write that takes a place. It fails when another registration came first: ask for it again then.
   * @param expiresAt when the registration expires, ms since the epoch
   * @throws OAuthError with status 429 when too many wait, from all or from this network
   */
  async place(clientId: string, network: string, expiresAt: number): Promise<RecordWrite> {
    const stored = await this.#records.find(ID);
    const now = this.#clock.now();
    const waiting = (stored?.value.waiting ?? []).filter((one) => one.expiresAt > now);
    const ofNetwork = waiting.filter((one) => one.network === network).length;
    if (waiting.length >= MAX_WAITING || ofNetwork >= MAX_WAITING_OF_NETWORK) {
      const why = 'too many registrations wait for an administrator; use an initial access token';
      throw new OAuthError('invalid_request', why, 429);
    }
    const list = { waiting: [...waiting, { clientId, network, expiresAt }] };
    return this.#records.write(ID, list, { condition: stored?.revision ?? 'absent' });
  }

  /** Gives the place back: the registration was approved or deleted. */
  async leave(clientId: string): Promise<void> {
    await this.#records.update(ID, ({ waiting }) => ({ waiting: waiting.filter((one) => one.clientId !== clientId) }));
  }
}
