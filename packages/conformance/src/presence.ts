import { pause } from './pause.ts';
import type { Finding } from './report/report.ts';
import { type HttpLimits, send } from './target/http.ts';
import { Transcript } from './transcript.ts';

const BROKEN_OFF = /ECONNREFUSED|ECONNRESET|EPIPE|closed with 1006/;

/** How long a Hub that stopped may take to come back, ms. */
const COMING_BACK = 5000;

/**
 * Whether the Hub is still there. A Hub that one check brought down fails the checks beside it too; those are run again, one
 * by one, so that a report names the check that did it and not its neighbours.
 */
export class TargetPresence {
  readonly #url: string;
  readonly #limits: HttpLimits;
  readonly #patienceMs: number;
  /** Whether it answered at all when the run began. */
  readonly there: boolean;
  #gone = false;

  static async of(url: string, limits: HttpLimits, slowness: number): Promise<TargetPresence> {
    const presence = new TargetPresence(url, limits, COMING_BACK * slowness, false);
    return new TargetPresence(url, limits, COMING_BACK * slowness, await presence.answers());
  }

  /** Of a Hub that was not looked for yet. */
  static none(url: string, limits: HttpLimits): TargetPresence {
    return new TargetPresence(url, limits, 0, false);
  }

  constructor(url: string, limits: HttpLimits, patienceMs: number, there: boolean) {
    this.#url = url;
    this.#limits = limits;
    this.#patienceMs = patienceMs;
    this.there = there;
  }

  /** Whether the Hub was given up. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Whether a finding may be the fault of another check that brought the Hub down. */
  doubts(found: Finding): boolean {
    return this.there && (found.verdict === 'fail' || found.verdict === 'warning') && BROKEN_OFF.test(found.seen ?? '');
  }

  /** Waits until the Hub answers. @returns false, from then on at once, when it does not come back */
  async back(): Promise<boolean> {
    const deadline = performance.now() + this.#patienceMs;
    while (!this.#gone) {
      if (await this.answers()) return true;
      if (performance.now() > deadline) this.#gone = true;
      else await pause(200);
    }
    return false;
  }

  async answers(): Promise<boolean> {
    try {
      const url = `${this.#url}/.well-known/fhircast-configuration`;
      await send({ method: 'GET', url }, this.#limits, new Transcript());
      return true;
    } catch {
      return false;
    }
  }
}
