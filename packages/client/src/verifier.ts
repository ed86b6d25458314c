import type { Context } from './context.ts';
import type { Core } from './core.ts';
import { HubEvent } from './events.ts';

/** A gentle check leaves the state alone for this long. */
const GENTLE = 2000;
/** Between two readings that must agree before they overrule the socket. */
const SETTLE = 100;
/** A Hub that cannot be asked gets this long to send the open contexts (SUB-8). */
const RESEND = 1000;
/** Events are to arrive this soon after a reading showed them, or the Hub took them from us. */
const OWED = 2500;
/** Readings of what is past already, until one is believed. */
const MAX_PAST = 5;

/** Reads the Hub's context and makes sure that ours equals it. */
export class Verifier {
  readonly #core: Core;
  readonly #tell: (event: HubEvent) => void;
  /** Why ours may not be the Hub's; '' when it was when it was last read, and nothing spoke against it since. */
  uncertainty = '';
  /** The Hub cannot be read: what the socket says is all there is. */
  trusted = false;
  /** The current context came again over this connection. */
  resent = false;
  /** By id: context changes of ours that the Hub has taken, and of which neither the event nor a reading came since. */
  readonly owed = new Set<string>();
  #resumed = false;
  #confirmedAt = 0;
  #verifiedAt = 0;
  /** Counts what asked for a check. */
  #asked = 0;
  #checking: Promise<boolean> | undefined;
  /** The Hub's context was read at least once. */
  #readable = false;

  /** @param tell called with changes that no event reported */
  constructor(core: Core, tell: (event: HubEvent) => void) {
    this.#core = core;
    this.#tell = tell;
  }

  /** A new connection. @param resumed the Hub was asked for what was missed */
  confirmed(resumed: boolean): void {
    this.#confirmedAt = this.#core.ports.clock.now();
    this.#resumed = resumed;
    this.resent = false;
    this.trusted = false;
    this.#checking = undefined;
  }

  /** The Hub was read just now: an event that comes may be from before. */
  get isFresh(): boolean {
    return this.#core.ports.clock.now() - this.#verifiedAt < OWED;
  }

  /**
   * The Hub has taken a context change of ours: before its event comes, what is held is not the Hub's any more.
   * @param comes whether the event is sent to us too; else the Hub is read at once
   */
  owe(id: string, comes: boolean): void {
    this.#asked++;
    this.owed.add(id);
    this.#core.settle();
    this.#core.ports.clock.after(comes ? OWED : 0, () => {
      if (this.owed.delete(id)) void this.verify('an event did not come back');
    });
  }

  markUncertain(reason: string): void {
    this.uncertainty = reason;
    this.#core.settle();
  }

  /** Reads the Hub when it was not read for long. */
  routine(): void {
    const { checkEvery } = this.#core.options;
    // A check that is under way is enough: one more check with every tick, and the answers of a slow Hub never counted.
    if (this.#checking || checkEvery === 0) return;
    if (this.#core.ports.clock.now() - this.#verifiedAt > checkEvery) void this.verify('routine', true);
  }

  /**
   * @param gentle the uncertainty shows only when it takes longer
   * @returns false when the connection ended before
   */
  verify(reason: string, gentle = false): Promise<boolean> {
    this.#asked++;
    const core = this.#core;
    const { session } = core;
    if (gentle) {
      const before = this.#verifiedAt;
      core.ports.clock.after(GENTLE, () => {
        const open = this.#checking && this.#verifiedAt === before;
        if (open && session && session === core.session && !this.uncertainty) this.markUncertain(reason);
      });
    } else {
      this.markUncertain(reason);
    }
    if (!this.#checking) {
      const checking = this.#check(session)
        .catch((error: unknown) => {
          core.report(error);
          return false;
        })
        .finally(() => {
          if (this.#checking === checking) this.#checking = undefined;
        });
      this.#checking = checking;
    }
    return this.#checking;
  }

  async #check(session: number): Promise<boolean> {
    const core = this.#core;
    let insisted: string | undefined;
    let past = 0;
    let failures = 0;
    const here = () => session !== 0 && session === core.session;
    while (here()) {
      const asked = this.#asked;
      const { contexts } = core;
      const { epoch } = contexts;
      const reading = await core.api.read(core.options.topic);
      if (!here()) return false;
      if (!reading.ok) {
        if (reading.kind !== 'unavailable' && !this.#readable) return this.#trustSocket(here);
        failures++;
        const why = `the Hub cannot be read: ${reading.reason}`;
        if (reading.kind !== 'unavailable' && failures >= 3) core.link?.suspect(why);
        else if (failures > 1) this.markUncertain(why);
        await core.pause(Math.max(reading.retryAfter, Math.min(5000, 125 * 2 ** failures)));
        continue;
      }
      failures = 0;
      this.#readable = true;
      this.trusted = false;
      core.link?.heard();
      const quiet = contexts.epoch === epoch;
      const comparison = contexts.compare(reading, core.receives, quiet);
      if (comparison === 'same') {
        if (this.#asked === asked) return this.#certain();
        // Something happened while the Hub was being read; ask again, but not in a tight loop.
        await core.pause(SETTLE / 4);
      } else if (!quiet) {
        insisted = undefined;
        await core.pause(SETTLE / 2);
      } else {
        const said = JSON.stringify([reading.type, reading.versionId, reading.context]);
        if (comparison === 'past' ? ++past < MAX_PAST : insisted !== said) {
          insisted = said;
          await core.pause(SETTLE);
        } else {
          const before = contexts.current;
          if (contexts.adopt(reading, core.receives)) this.derive(before);
          this.#owe(session);
          if (this.#asked === asked) return this.#certain();
        }
      }
    }
    return false;
  }

  #certain(): true {
    this.uncertainty = '';
    if (!this.trusted) this.owed.clear();
    this.#verifiedAt = this.#core.ports.clock.now();
    this.#core.show();
    this.#core.settle();
    return true;
  }

  /** What a reading showed must come by the socket too; else it is dead though it looks alive. */
  #owe(session: number): void {
    const core = this.#core;
    const { clock } = core.ports;
    const fresh = clock.now() - this.#confirmedAt < OWED;
    clock.after(OWED, () => {
      if (session !== core.session || !core.contexts.awaiting) return;
      if (!fresh) core.link?.suspect('an event did not come back');
      // A Hub that sends no open contexts to a newcomer owes nothing.
      else if (!core.contexts.uncertainty) core.contexts.stopAwaiting();
      else this.#owe(session);
    });
  }

  /** A Hub that cannot be asked for its context: what it sends after the confirmation is all there is (SUB-8). */
  async #trustSocket(here: () => boolean): Promise<boolean> {
    const core = this.#core;
    const first = !this.trusted;
    this.trusted = true;
    if (core.link) core.link.since = undefined;
    await core.pause(Math.max(0, this.#confirmedAt + RESEND - core.ports.clock.now()));
    if (!here()) return false;
    const before = core.contexts.current;
    if (first && before && !this.#resumed && !this.resent) {
      core.contexts.drop();
      this.derive(before);
    }
    if (core.contexts.whole) return this.#certain();
    core.show();
    core.settle();
    return false;
  }

  /** Tells the application of a change that no event reported. */
  derive(before?: Context): void {
    const core = this.#core;
    const { current } = core.contexts;
    const event = current
      ? core.body(`${current.type}-open`, current.elements, current.versionId)
      : before && !core.receives('Home-open')
        ? core.body(`${before.type}-close`, before.elements)
        : core.body('Home-open', []);
    this.#tell(new HubEvent({ id: '', timestamp: '', event }, false, true));
  }
}
