/** The audit trail: makes records of acts, chains them, and writes them to every sink, again where that fails. */
import { auditEvent } from './audit-event.ts';
import type { AuditedAct } from './audited-act.ts';
import { type ChainEnd, chained } from './chain.ts';
import type { AuditSink } from './sink.ts';

/** Records that wait for a sink; beyond them the oldest are lost, which is counted. */
const MAX_WAITING = 50_000;
/** Records in one write. */
const BATCH = 500;
/** ms until a write that failed is tried again, doubling from the first to the longest. */
const FIRST_RETRY = 1000;
const LONGEST_RETRY = 30_000;
/** ms that a server which stops gives its sinks. */
const CLOSE_WITHIN = 5000;

export interface AuditTrailOptions {
  readonly sinks: readonly AuditSink[];
  /** The server's address, as records name it. */
  readonly server: string;
  /** Where the chain of earlier records stands. */
  readonly end: ChainEnd;
  /** Whether acts are refused while records cannot be written. */
  readonly refuses: boolean;
  readonly clock: { now(): number; after(ms: number, run: () => void): () => void };
  readonly log: { info(fields: object, text: string): void; error(fields: object, text: string): void };
}

/** One sink and what waits for it. */
class Outlet {
  readonly sink: AuditSink;
  readonly waiting: string[] = [];
  failures = 0;
  lost = 0;
  /** Writes that failed since the last one that did not. */
  inARow = 0;
  isWriting = false;
  cancelRetry: (() => void) | undefined;

  constructor(sink: AuditSink) {
    this.sink = sink;
  }
}

export class ServerAuditTrail {
  readonly #options: AuditTrailOptions;
  readonly #outlets: readonly Outlet[];
  #end: ChainEnd;
  #idle: (() => void)[] = [];

  constructor(options: AuditTrailOptions) {
    this.#options = options;
    this.#outlets = options.sinks.map((sink) => new Outlet(sink));
    this.#end = options.end;
  }

  /** Records an act. Never throws, and never waits for a sink. */
  record(done: Omit<AuditedAct, 'at'>): void {
    const event = auditEvent({ at: this.#options.clock.now(), ...done }, this.#options.server);
    const { line, end } = chained(event, this.#end);
    this.#end = end;
    for (const outlet of this.#outlets) {
      if (outlet.waiting.length >= MAX_WAITING) {
        outlet.waiting.shift();
        outlet.lost += 1;
      }
      outlet.waiting.push(line);
      if (!outlet.isWriting && !outlet.cancelRetry) void this.#write(outlet);
    }
  }

  async #write(outlet: Outlet): Promise<void> {
    outlet.isWriting = true;
    while (outlet.waiting.length > 0) {
      // Records of one moment go in one write.
      await Promise.resolve();
      const batch = outlet.waiting.slice(0, BATCH);
      const lost = outlet.lost;
      try {
        await outlet.sink.write(batch);
      } catch (error) {
        this.#failed(outlet, error);
        break;
      }
      if (outlet.inARow > 0) this.#options.log.info({ sink: outlet.sink.name }, 'the audit can be written again');
      outlet.inARow = 0;
      // What was pushed out meanwhile stood before.
      outlet.waiting.splice(0, Math.max(0, batch.length - (outlet.lost - lost)));
    }
    outlet.isWriting = false;
    for (const told of this.#idle.splice(0)) told();
  }

  #failed(outlet: Outlet, error: unknown): void {
    outlet.failures += 1;
    outlet.inARow += 1;
    this.#options.log.error({ err: error, sink: outlet.sink.name }, 'the audit cannot be written');
    const wait = Math.min(FIRST_RETRY * 2 ** (outlet.inARow - 1), LONGEST_RETRY);
    outlet.cancelRetry = this.#options.clock.after(wait, () => {
      outlet.cancelRetry = undefined;
      void this.#write(outlet);
    });
  }

  /** Whether acts are refused while records cannot be written. */
  get refuses(): boolean {
    return this.#options.refuses;
  }

  /** Whether acts may be done: always, or while every sink takes records. */
  get admits(): boolean {
    return !this.refuses || this.#outlets.every(({ inARow }) => inARow === 0);
  }

  /**
   * For an answer that must not go out before its record is kept: resolves once no record waits, where acts are refused
   * otherwise; at once where they are not.
   * @returns false when a record cannot be kept
   */
  async kept(): Promise<boolean> {
    if (this.refuses) await this.written();
    return this.admits;
  }

  /** Writes that failed, records that wait and records that were lost, by sink. */
  get counts(): readonly {
    readonly sink: string;
    readonly failures: number;
    readonly waiting: number;
    readonly lost: number;
  }[] {
    return this.#outlets.map(({ sink, failures, waiting, lost }) => ({
      sink: sink.name,
      failures,
      waiting: waiting.length,
      lost,
    }));
  }

  /** Where the chain stands: what `lockstep audit verify` can be given. */
  get end(): ChainEnd {
    return this.#end;
  }

  /** Opens files again that were renamed (SIGHUP), once what waits for them is written. */
  async reopen(): Promise<void> {
    await this.written();
    const { number, hash } = this.#end;
    this.#options.log.info({ number, hash }, 'the audit stands here');
    for (const { sink } of this.#outlets) await sink.reopen?.();
  }

  /** Resolves once no record waits, or as soon as a sink has failed. */
  async written(): Promise<void> {
    while (this.#outlets.some(({ waiting, inARow }) => waiting.length > 0 && inARow === 0)) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** Writes what waits, for a few seconds at most, and closes the sinks. */
  async close(): Promise<void> {
    const { clock, log } = this.#options;
    await Promise.race([
      this.written(),
      new Promise<void>((resolve) => {
        clock.after(CLOSE_WITHIN, resolve);
      }),
    ]);
    const { number, hash } = this.#end;
    log.info({ number, hash }, 'the audit stands here');
    for (const { sink, cancelRetry, waiting } of this.#outlets) {
      cancelRetry?.();
      if (waiting.length > 0) log.error({ sink: sink.name, records: waiting.length }, 'audit records were not written');
      await sink.close();
    }
  }
}
