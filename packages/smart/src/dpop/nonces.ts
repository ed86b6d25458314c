import { createHmac, randomBytes } from 'node:crypto';
import type { RecordStore } from '@lockstep/store';
import type { Clock } from '../ports.ts';
import { sameSecret } from '../secrets.ts';

/** How long a nonce is good, ms. */
const NONCE_LIFE = 300_000;
/** ms by which a nonce may come from the future: nodes differ a little. One of a clock that was set back since would be good for too long. */
const LEEWAY = 30_000;

/**
 * Nonces that this server hands out for DPoP proofs (RFC 9449 section 8): each holds the time at which it was made, signed
 * with a key that all nodes share, so that none has to be kept.
 */
export class DpopNonces {
  readonly #key: Buffer;
  readonly #clock: Clock;

  constructor(key: Buffer, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
  }

  static async open(records: RecordStore, clock: Clock): Promise<DpopNonces> {
    const made = { body: JSON.stringify(randomBytes(32).toString('base64url')) };
    await records.put('dpop', 'nonce-key', made, clock.now(), 'absent');
    const kept = await records.get('dpop', 'nonce-key', clock.now());
    if (!kept) throw new Error('the key of DPoP nonces is not kept by the store');
    return new DpopNonces(Buffer.from(JSON.parse(kept.body), 'base64url'), clock);
  }

  next(): string {
    const time = Math.floor(this.#clock.now() / 1000).toString(36);
    return `${time}.${this.#sign(time)}`;
  }

  /** @returns `renew` for one that is good, and soon is no more */
  check(nonce: string): 'good' | 'renew' | 'bad' {
    const [time = '', signature = ''] = nonce.split('.');
    if (!sameSecret(signature, this.#sign(time))) return 'bad';
    const age = this.#clock.now() - Number.parseInt(time, 36) * 1000;
    if (age >= NONCE_LIFE || age < -LEEWAY) return 'bad';
    return age < NONCE_LIFE / 2 ? 'good' : 'renew';
  }

  #sign(time: string): string {
    return createHmac('sha256', this.#key).update(time).digest('base64url');
  }
}
