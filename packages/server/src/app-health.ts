/** How each app does, by weeks: whether it follows, and what of it is refused. Numbers and times only. */
import type { AppHealth } from '@lockstep/console/wire';
import type { Clock, Observation, Observer } from '@lockstep/hub';
import type { RecordStore } from '@lockstep/store';

const KIND = 'app-health';
const WEEK = 7 * 86_400_000;
/** Weeks that are kept, this one included. */
const WEEKS = 12;
/** ms that numbers may wait to be written: a crash loses those of that time. */
const SAVE_AFTER = 30_000;
/** Another node may be writing the same app's numbers: so often it is tried again. */
const TRIES = 5;
/** Apps whose numbers wait at a time; a stranger cannot make more, since only registered apps subscribe. */
const MAX_APPS = 10_000;

type Counted = Exclude<keyof AppHealth['weeks'][number], 'from'>;
type Counts = Record<Counted, number>;

interface Numbers {
  followedAt: number | undefined;
  /** By the week's first ms. */
  readonly weeks: Map<number, Counts>;
}

const NONE: Readonly<Counts> = { followed: 0, refused: 0, unanswered: 0, requestsRefused: 0 };

/** Midnight of the week's Monday in UTC. @param at ms since the epoch, whose first day was a Thursday */
export function weekOf(at: number): number {
  const monday = 4 * 86_400_000;
  return Math.floor((at - monday) / WEEK) * WEEK + monday;
}

function sum(one: Readonly<Counts>, other: Readonly<Counts>): Counts {
  return {
    followed: one.followed + other.followed,
    refused: one.refused + other.refused,
    unanswered: one.unanswered + other.unanswered,
    requestsRefused: one.requestsRefused + other.requestsRefused,
  };
}

function latest(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.max(one, other);
}

/** Both together, without the weeks that are too long ago. */
function merged(one: Numbers, other: Numbers, now: number): Numbers {
  const weeks = new Map(one.weeks);
  for (const [from, counts] of other.weeks) weeks.set(from, sum(weeks.get(from) ?? NONE, counts));
  const first = weekOf(now) - (WEEKS - 1) * WEEK;
  for (const from of weeks.keys()) if (from < first) weeks.delete(from);
  return { followedAt: latest(one.followedAt, other.followedAt), weeks };
}

interface Stored {
  readonly followedAt?: number;
  readonly weeks: readonly (readonly [number, Counts])[];
}

function parsed(body: string): Numbers {
  const { followedAt, weeks } = JSON.parse(body) as Stored;
  return { followedAt, weeks: new Map(weeks) };
}

function written({ followedAt, weeks }: Numbers): string {
  return JSON.stringify({ ...(followedAt !== undefined && { followedAt }), weeks: [...weeks] } satisfies Stored);
}

/** Counts what the Hub observes of apps, and keeps the sums of all nodes in the store. */
export class AppHealthCounts implements Observer {
  readonly #records: RecordStore;
  readonly #clock: Clock;
  /** What has been counted here and is not written yet, by client id. */
  #waiting = new Map<string, Numbers>();
  #cancel: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(records: RecordStore, clock: Clock) {
    this.#records = records;
    this.#clock = clock;
  }

  observe(_topic: string, at: number, observation: Observation): void {
    switch (observation.kind) {
      case 'answered': {
        const { clientId, status } = observation;
        if (clientId === undefined) return;
        // Without a status it could not be reached.
        this.#count(clientId, at, status === 0 ? 'unanswered' : status < 400 ? 'followed' : 'refused');
        break;
      }
      case 'unanswered':
        if (observation.clientId !== undefined) this.#count(observation.clientId, at, 'unanswered');
        break;
      case 'refused':
        this.#count(observation.clientId, at, 'requestsRefused');
        break;
      default:
    }
  }

  #count(clientId: string, at: number, what: Counted): void {
    let numbers = this.#waiting.get(clientId);
    if (!numbers) {
      if (this.#waiting.size >= MAX_APPS) return;
      numbers = { followedAt: undefined, weeks: new Map() };
      this.#waiting.set(clientId, numbers);
    }
    const week = weekOf(at);
    const counts = numbers.weeks.get(week) ?? { ...NONE };
    counts[what] += 1;
    numbers.weeks.set(week, counts);
    if (what === 'followed') numbers.followedAt = at;
    this.#cancel ??= this.#clock.after(SAVE_AFTER, () => void this.flush());
  }

  /** What is known of an app: from all nodes, as far as they have written it. @throws StoreUnavailable */
  async read(clientId: string): Promise<AppHealth> {
    await this.#writing;
    const now = this.#clock.now();
    const record = await this.#records.get(KIND, clientId, now);
    const none: Numbers = { followedAt: undefined, weeks: new Map() };
    const { followedAt, weeks } = merged(record ? parsed(record.body) : none, this.#waiting.get(clientId) ?? none, now);
    return {
      ...(followedAt !== undefined && { lastFollowAt: followedAt }),
      weeks: [...weeks].sort(([one], [other]) => other - one).map(([from, counts]) => ({ from, ...counts })),
    };
  }

  /** Writes what was counted; what cannot be written waits for the next time. */
  flush(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    this.#writing = this.#writing.then(async () => {
      for (const [clientId, numbers] of waiting) {
        if (!(await this.#add(clientId, numbers))) this.#keep(clientId, numbers);
      }
    });
    return this.#writing;
  }

  #keep(clientId: string, numbers: Numbers): void {
    const now = this.#clock.now();
    this.#waiting.set(clientId, merged(numbers, this.#waiting.get(clientId) ?? { ...numbers, weeks: new Map() }, now));
    this.#cancel ??= this.#clock.after(SAVE_AFTER, () => void this.flush());
  }

  async #add(clientId: string, numbers: Numbers): Promise<boolean> {
    try {
      for (let tries = 0; tries < TRIES; tries++) {
        const now = this.#clock.now();
        const record = await this.#records.get(KIND, clientId, now);
        const all = record ? merged(parsed(record.body), numbers, now) : numbers;
        const body = { body: written(all), expiresAt: now + WEEKS * WEEK };
        if ((await this.#records.put(KIND, clientId, body, now, record?.revision ?? 'absent')) !== undefined)
          return true;
      }
    } catch {
      // The store cannot be reached.
    }
    return false;
  }

  /** Of an app that is deleted: another one may be given its id. */
  async forget(clientId: string): Promise<void> {
    this.#waiting.delete(clientId);
    await this.#writing;
    await this.#records.delete(KIND, clientId);
  }
}
