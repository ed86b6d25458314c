/** Runs of the conformance suite that administrators started in the console: one at a time each; what they found is kept. */
import { randomUUID } from 'node:crypto';
import type { ConformanceOptions, OnProgress, Report, SubscriberTesterOptions } from '@lockstep/conformance';
import type { ConformanceQuestion, ConformanceRun, ConformanceSpec } from '@lockstep/console/wire';

/** Longest run, ms: there may be a person in it. */
const LONGEST = 3_600_000;
/** Administrators whose last report is kept in memory. */
const MOST_KEPT = 20;

/** What to test; `signal`, `ask` and the versions are the run's own. */
export type Assignment =
  | { readonly kind: 'hub'; readonly spec: ConformanceSpec; readonly options: ConformanceOptions }
  | { readonly kind: 'subscriber'; readonly spec: '3.0.0' | 'IRA'; readonly options: SubscriberTesterOptions };

/** Keeps what a run found. @returns the id of the kept report */
export type Keep = (run: ConformanceRun, report: Report) => Promise<string>;

export type RunWatcher = (run: ConformanceRun) => void;

const NONE = { pass: 0, fail: 0, warning: 0, skip: 0 };

/** One run, from its beginning until the administrator begins another. */
export class Run {
  #view: ConformanceRun;
  #report: Report | undefined;
  #answer: ((done: boolean) => void) | undefined;
  #questions = 0;
  readonly #cancel = new AbortController();
  readonly #watchers = new Set<RunWatcher>();
  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>;

  readonly #keep: Keep;
  /** What it tests, so that one check of it can be run again. */
  readonly assignment: Assignment;

  constructor(assignment: Assignment, now: number, keep: Keep) {
    this.#keep = keep;
    this.assignment = assignment;
    const { kind, spec, options } = assignment;
    const name = assignment.kind === 'hub' ? assignment.options.hubUrl : assignment.options.name;
    this.#view = {
      id: randomUUID(),
      kind,
      name,
      spec,
      startedAt: now,
      status: 'running',
      done: 0,
      total: 0,
      counts: NONE,
    };
    this.ended = this.#run(assignment, options.signal).catch(() => undefined);
  }

  get view(): ConformanceRun {
    return this.#view;
  }

  /** Undefined while it runs, and where it failed. */
  get report(): Report | undefined {
    return this.#report;
  }

  /** Tells how it is, now and after every change. @returns ends the watch */
  watch(watcher: RunWatcher): () => void {
    this.#watchers.add(watcher);
    watcher(this.#view);
    return () => this.#watchers.delete(watcher);
  }

  /** Ends it; checks that did not run are skipped. */
  cancel(): void {
    this.#cancel.abort();
    this.#answer?.(false);
  }

  /** Answers its question. @returns false when that is not its question any more */
  answer(number: number, done: boolean): boolean {
    if (this.#view.question?.number !== number || !this.#answer) return false;
    this.#answer(done);
    return true;
  }

  #tell(change: Partial<ConformanceRun>): void {
    this.#view = { ...this.#view, ...change };
    for (const watcher of this.#watchers) watcher(this.#view);
  }

  async #run(assignment: Assignment, outer: AbortSignal | undefined): Promise<void> {
    const signals = [this.#cancel.signal, AbortSignal.timeout(LONGEST), ...(outer ? [outer] : [])];
    const signal = AbortSignal.any(signals);
    const counts = { ...NONE };
    const onProgress: OnProgress = ({ done, total, result: { id, title, verdict } }) => {
      counts[verdict]++;
      this.#tell({ done, total, counts: { ...counts }, latest: { id, title, verdict } });
    };
    try {
      // Few servers ever run it: it is read when somebody does.
      const { runConformance, runSubscriberConformance } = await import('@lockstep/conformance');
      this.#report =
        assignment.kind === 'hub'
          ? await runConformance({ ...assignment.options, versions: [assignment.spec], signal }, onProgress)
          : await runSubscriberConformance(
              {
                ...assignment.options,
                versions: [assignment.spec],
                signal,
                ask: (text, invitation) => this.#ask({ text, ...(invitation && { invitation }) }),
              },
              onProgress,
            );
      const { counts: found } = this.#report;
      if (this.#cancel.signal.aborted) return this.#tell({ status: 'cancelled', counts: found });
      const report = await this.#keep(this.#view, this.#report).catch(() => undefined);
      this.#tell({ status: 'done', counts: found, ...(report !== undefined && { report }) });
    } catch (error) {
      // Options that make no sense, or an address to listen on that cannot be had.
      this.#tell({ status: 'failed', problem: error instanceof Error ? error.message : String(error) });
    }
  }

  async #ask(question: Omit<ConformanceQuestion, 'number'>): Promise<boolean> {
    if (this.#cancel.signal.aborted) return false;
    this.#tell({ question: { number: ++this.#questions, ...question } });
    const done = await new Promise<boolean>((resolve) => {
      this.#answer = resolve;
    });
    this.#answer = undefined;
    const { question: _answered, ...rest } = this.#view;
    this.#view = rest;
    this.#tell({});
    return done;
  }
}

/** The runs of all administrators of this node. */
export class ConformanceRuns {
  readonly #runs = new Map<string, Run>();
  readonly #now: () => number;
  readonly #keep: (user: string, run: ConformanceRun, report: Report) => Promise<string>;

  /**
   * @param now ms since the epoch
   * @param keep keeps what an administrator's run found
   */
  constructor(now: () => number, keep: (user: string, run: ConformanceRun, report: Report) => Promise<string>) {
    this.#now = now;
    this.#keep = keep;
  }

  /** Runs of other administrators that are under way. */
  beside(user: string): readonly ConformanceRun[] {
    const others = [...this.#runs].filter(([owner, { view }]) => owner !== user && view.status === 'running');
    // Their questions, with tokens in them, are for their own page.
    return others.map(
      ([
        ,
        {
          view: { question: _question, ...view },
        },
      ]) => view,
    );
  }

  of(user: string): Run | undefined {
    return this.#runs.get(user);
  }

  /** @returns undefined while another run of the same administrator is under way */
  start(user: string, assignment: Assignment): Run | undefined {
    if (this.#runs.get(user)?.view.status === 'running') return undefined;
    this.#runs.delete(user);
    const ended = [...this.#runs].filter(([, run]) => run.view.status !== 'running');
    for (const [oldest] of ended.slice(0, Math.max(0, this.#runs.size - MOST_KEPT + 1))) this.#runs.delete(oldest);
    const run = new Run(assignment, this.#now(), (view, report) => this.#keep(user, view, report));
    this.#runs.set(user, run);
    return run;
  }

  /** Ends what is under way, and waits for it a little: the Hub under test may hang. */
  async close(): Promise<void> {
    for (const run of this.#runs.values()) run.cancel();
    const all = Promise.all([...this.#runs.values()].map(({ ended }) => ended));
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise((resolve) => {
      timer = setTimeout(resolve, 2000);
    });
    await Promise.race([all, enough]);
    clearTimeout(timer);
  }
}
