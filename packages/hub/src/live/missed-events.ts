import { keyText } from '@lockstep/fhircast';
import type { LogBytes } from '@lockstep/store';
import { newInterest, selected } from '../rules/audience.ts';
import type { Made } from '../rules/commands.ts';
import { askedAgain, type Believed, closesAndOpens, correction, currentFirst, newcomersOpens } from '../rules/gap.ts';
import { withLastSeen } from '../rules/seen-ids.ts';
import type { SessionState, Subscription } from '../rules/session-state.ts';
import { lastTold } from '../rules/told.ts';
import { fromEntryBytes } from '../stored/log-record.ts';
import { type DeliveryPage, type Missed, SENT_AT_ONCE } from './catch-up.ts';
import { Delivery } from './delivery.ts';
import type { HeldLog } from './held-log.ts';
import type { LogPages } from './log-pages.ts';

/** A page of a log as deliveries, up to a number: what was committed since is not for everybody yet. */
export function within(page: LogBytes | undefined, upTo: number): DeliveryPage | undefined {
  if (!page) return undefined;
  const entries = page.entries.filter(({ number }) => number <= upTo);
  return { deliveries: entries.map((entry) => new Delivery(fromEntryBytes(entry))), release: () => page.release() };
}

/** Where the ids of a log's entries are looked up. */
type Ids = Pick<HeldLog, 'idOf'>;

/** What a subscriber of one topic is sent that missed something: from the log, or what makes its screen right instead (SUB-11). */
export class MissedEvents {
  readonly #topic: string;
  readonly #pages: LogPages;
  readonly #made: () => Made;

  /** @param made what each event that the Hub makes needs */
  constructor(topic: string, pages: LogPages, made: () => Made) {
    this.#topic = topic;
    this.#pages = pages;
    this.#made = made;
  }

  /**
   * What the log has after a number, up to another: as much of it as is sent in one go, and where the rest begins. Where a logout has
   * erased the next entries, what came from the logout on.
   * @returns undefined where that is not known
   */
  async fromLog(state: SessionState, log: Ids, after: number, upTo: number): Promise<Missed | undefined> {
    const deliveries: Delivery[] = [];
    const from = Math.max(after, state.loggedOutAt - 1);
    let [last, size] = [from, 0];
    while (last < upTo && size < SENT_AT_ONCE) {
      const page = within(await this.#pages.readBytes(this.#topic, last), upTo);
      if (!page || page.deliveries.length === 0) return undefined;
      for (const one of page.deliveries) {
        deliveries.push(one);
        size += one.size;
        last = one.number;
      }
    }
    // Of so much the current context would come late: it goes first as well.
    const isMuch = last < upTo || (size > SENT_AT_ONCE && deliveries.length > 1);
    const made = this.#madeAfter(log, from);
    return { first: isMuch ? this.#currentFirst(state, made, deliveries) : deliveries, after: last };
  }

  /**
   * What was read, and what is current now: its subscriber has seen that, and is asked for its answer once more (ERR-8). That comes last,
   * as it has the latest version, but first where the rest is still to be read.
   * @param after number of the last event that it has seen
   */
  askedAgain(
    state: SessionState,
    log: Ids,
    after: number,
    { events }: Subscription,
    derivesOpens: boolean,
    read: Missed,
  ): Missed {
    const upTo = lastTold(state, { events }, derivesOpens);
    const isWhole = read.after >= state.nextNumber - 1;
    const made = this.#madeAfter(log, isWhole ? read.after : after);
    const questions = askedAgain(state, upTo, made).map((one) => new Delivery(one));
    const interest = newInterest(events, derivesOpens);
    const asked = questions.filter((one) => selected(interest, one).length > 0).slice(0, 1);
    return { ...read, first: isWhole ? [...read.first, ...asked] : [...asked, ...read.first] };
  }

  /** For an event whose subscriber was sent everything up to a number before it. */
  #madeAfter(log: Ids, number: number): Made {
    const made = this.#made();
    return { ...made, eventId: withLastSeen(made.eventId, log.idOf(number)) };
  }

  #currentFirst(state: SessionState, made: Made, deliveries: readonly Delivery[]): readonly Delivery[] {
    const current = currentFirst(state, made);
    return current ? [new Delivery(current), ...deliveries] : deliveries;
  }

  /** The standing opens, for one that was sent nothing yet (SUB-8). */
  standing(state: SessionState, log: Ids): Missed {
    const opens = newcomersOpens(state, this.#madeAfter(log, state.nextNumber - 1)).map((one) => new Delivery(one));
    return this.#insteadOfLog(state, opens);
  }

  /**
   * For a returning subscriber of whom it is not known what it missed: closes of what it may believe open, then the standing opens,
   * under new ids where it said what it had seen (SUB-8, SUB-11).
   */
  rightScreen(state: SessionState, log: Ids, believed: readonly Believed[], saidWhatItSaw: boolean): Missed {
    // What is closed and still open, for it lost content, is opened again with the rest of it, and under a new id.
    const isOpenedAgain = believed.some(({ key }) => state.anchors.has(keyText(key)));
    if (saidWhatItSaw || isOpenedAgain) return this.#insteadOfLog(state, this.correction(state, log, believed));
    const last = this.#madeAfter(log, state.nextNumber - 1);
    const events = closesAndOpens(state, believed, this.#made(), last).map((one) => new Delivery(one));
    return this.#insteadOfLog(state, events);
  }

  /**
   * Closes and opens under new ids that make the screen right of one that believes these contexts open.
   * @param upTo leaves out the opens of later entries: they go out as the log has them
   */
  correction(
    state: SessionState,
    log: Ids,
    believed: readonly Believed[],
    upTo = state.nextNumber - 1,
  ): readonly Delivery[] {
    const events = correction(state, believed, this.#made(), this.#madeAfter(log, upTo), upTo);
    return events.map((one) => new Delivery(one));
  }

  /** Opens and closes that stand for everything that has happened. */
  #insteadOfLog(state: SessionState, deliveries: readonly Delivery[]): Missed {
    const all = deliveries.reduce((sum, { size }) => sum + size, 0);
    const first = all > SENT_AT_ONCE ? this.#currentFirst(state, this.#made(), deliveries) : deliveries;
    return { first, after: state.nextNumber - 1 };
  }
}
