/** What Lockstep does, counted for Prometheus. The hot path only counts; everything else happens when somebody asks. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import type { Hub } from '@lockstep/hub';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ServerAuditTrail } from './audit/audit-trail.ts';
import { SessionMetrics } from './session-metrics.ts';

/** Upper bounds of the commit histogram, s: a flush to a disk takes from a tenth of a millisecond to seconds. */
const COMMIT_BOUNDS = [0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5, 2];

/** ms between two looks at the event loop. */
const LAG_RESOLUTION = 20;

/** What the Hub counts by itself, and how it is published. */
const COUNTED = {
  published: ['events_total', 'Events accepted from publishers'],
  refused: ['refused_events_total', 'Events refused'],
  delivered: ['deliveries_total', 'Events sent to subscribers'],
  answered: ['answers_total', 'Answers of subscribers'],
  syncErrors: ['sync_errors_total', 'SyncErrors made by the Hub'],
  ignoredFrames: ['ignored_frames_total', 'Frames of disconnected subscribers that were no answer'],
} as const satisfies Partial<Record<keyof Hub['counts'], readonly [string, string]>>;

/** The numbers of one running Lockstep. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #commits: Histogram;
  readonly #lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION });

  /** What happens in sessions. */
  readonly sessions: SessionMetrics;

  /** @param build what the server says about itself */
  constructor(build: { readonly version: string; readonly node: string }) {
    const registers = [this.#registry];
    this.sessions = new SessionMetrics(this.#registry);
    new Gauge({
      name: 'lockstep_build_info',
      help: 'Always 1; its labels say which version runs',
      labelNames: ['version', 'node', 'runtime'],
      registers,
    }).set({ ...build, runtime: process.version }, 1);
    this.#commits = new Histogram({
      name: 'lockstep_commit_seconds',
      help: 'Time from a decision to its being on disk',
      buckets: COMMIT_BOUNDS,
      registers,
    });
    this.#lag.enable();
    const lag = this.#lag;
    new Gauge({
      name: 'lockstep_event_loop_lag_seconds',
      help: 'Delay of the event loop since the last scrape',
      labelNames: ['quantile'],
      registers,
      collect() {
        for (const quantile of [0.5, 0.99, 1]) {
          const late = lag.percentile(quantile * 100) / 1e9 - LAG_RESOLUTION / 1000;
          this.set({ quantile }, Math.max(0, late));
        }
        lag.reset();
      },
    });
    new Gauge({
      name: 'process_resident_memory_bytes',
      help: 'Resident memory',
      registers,
      collect() {
        this.set(process.memoryUsage.rss());
      },
    });
    new Counter({
      name: 'process_cpu_seconds_total',
      help: 'CPU time of all threads',
      registers,
      collect() {
        const { user, system } = process.cpuUsage();
        this.reset();
        this.inc((user + system) / 1e6);
      },
    });
  }

  /** @param ms from a decision to its being on disk */
  committed(ms: number): void {
    this.#commits.observe(ms / 1000);
  }

  /** Tells by how much this machine's clock differs from that of the store. @param skew ms */
  tellSkew(skew: () => number): void {
    new Gauge({
      name: 'lockstep_clock_skew_seconds',
      help: "What this machine's clock is ahead of the store's",
      registers: [this.#registry],
      collect() {
        this.set(skew() / 1000);
      },
    });
  }

  /** Tells of connections and of those that were refused. */
  tellOfConnections(room: {
    readonly connections: number;
    readonly forSockets: number;
    readonly refused: number;
  }): void {
    const registers = [this.#registry];
    new Gauge({
      name: 'lockstep_connections',
      help: 'Connections that there are, WebSockets among them',
      registers,
      collect() {
        this.set(room.connections);
      },
    });
    new Gauge({
      name: 'lockstep_connections_limit',
      help: 'Connections up to which WebSockets are taken',
      registers,
    }).set(room.forSockets);
    new Counter({
      name: 'lockstep_refused_connections_total',
      help: 'WebSockets refused because the process may open few files more',
      registers,
      collect() {
        this.reset();
        this.inc(room.refused);
      },
    });
  }

  /** Where more is counted. */
  get registry(): Registry {
    return this.#registry;
  }

  /** Tells how the audit trail fares. */
  tellOfAudit(trail: Pick<ServerAuditTrail, 'counts'>): void {
    const registers = [this.#registry];
    const told = [
      ['failures', 'lockstep_audit_failures_total', 'Writes of audit records that failed, and were tried again'],
      ['lost', 'lockstep_audit_lost_total', 'Audit records that were given up because too many waited'],
    ] as const;
    for (const [count, name, help] of told) {
      new Counter({
        name,
        help,
        labelNames: ['sink'],
        registers,
        collect() {
          this.reset();
          for (const { sink, [count]: value } of trail.counts) this.inc({ sink }, value);
        },
      });
    }
    new Gauge({
      name: 'lockstep_audit_waiting_records',
      help: 'Audit records that wait to be written',
      labelNames: ['sink'],
      registers,
      collect() {
        for (const { sink, waiting } of trail.counts) this.set({ sink }, waiting);
      },
    });
  }

  /** @param expiresAt when the certificate that the server shows ends, ms since the epoch */
  tellOfCertificate(expiresAt: () => number): void {
    new Gauge({
      name: 'lockstep_certificate_expiry_timestamp_seconds',
      help: 'When the certificate that the server shows ends',
      registers: [this.#registry],
      collect() {
        this.set(expiresAt() / 1000);
      },
    });
  }

  /** Tells what the Hub counts. */
  tellOf(hub: Hub): void {
    const registers = [this.#registry];
    for (const [count, [name, help]] of Object.entries(COUNTED) as [
      keyof typeof COUNTED,
      readonly [string, string],
    ][]) {
      new Counter({
        name: `lockstep_${name}`,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(hub.counts[count]);
        },
      });
    }
    new Gauge({
      name: 'lockstep_connected_sockets',
      help: 'Subscribers connected by WebSocket',
      registers,
      collect() {
        this.set(hub.counts.connected);
      },
    });
  }

  /** The text format of Prometheus. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Ends the watch over the event loop. */
  close(): void {
    this.#lag.disable();
  }
}
