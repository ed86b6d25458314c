/** Reports of the conformance suite that the console keeps: the last fifty of each target, for every administrator. */
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Report } from '@lockstep/conformance';
import type { KeptReport } from '@lockstep/console/wire';
import type { RecordStore } from '@lockstep/store';

const KIND = 'conformance-report';
/** Reports that are kept of one target. */
const KEPT = 50;
/** Reports that a list holds at most. */
const LISTED = 500;

interface Stored {
  readonly summary: KeptReport;
  /** The report's JSON, gzip, Base64. */
  readonly report: string;
}

const HELD = /^\d{15}-[0-9a-f-]{36}$/;

export class ConformanceReports {
  readonly #records: RecordStore;
  readonly #now: () => number;

  /** @param now ms since the epoch */
  constructor(records: RecordStore, now: () => number) {
    this.#records = records;
    this.#now = now;
  }

  /**
   * Keeps a report, and drops what is older than the last fifty of its target.
   * @param run the id of the run, a UUID
   * @param by the name of who started it
   * @returns the report's id, good in links
   */
  async keep(run: string, by: string, report: Report): Promise<string> {
    const at = Date.parse(report.startedAt);
    const id = `${String(at).padStart(15, '0')}-${run}`;
    const { target, versions, counts, durationMs } = report;
    const summary: KeptReport = {
      id,
      kind: target.kind,
      name: target.name,
      versions,
      startedAt: at,
      durationMs,
      counts,
      safetyWarnings: report.results.filter(({ verdict, safety }) => verdict === 'warning' && safety).length,
      checks: report.results.length,
      by,
    };
    const stored: Stored = { summary, report: gzipSync(JSON.stringify(report)).toString('base64') };
    const indexes = { target: target.name };
    await this.#records.put(KIND, id, { body: JSON.stringify(stored), indexes }, this.#now());
    const all = await this.#records.find(KIND, 'target', target.name, this.#now());
    for (const old of all.slice(0, Math.max(0, all.length - KEPT))) await this.#records.delete(KIND, old.id);
    return id;
  }

  /** The kept reports, the newest first. */
  async list(): Promise<readonly KeptReport[]> {
    const records = await this.#records.list(KIND, this.#now(), { limit: LISTED });
    return records.map(({ body }) => (JSON.parse(body) as Stored).summary).reverse();
  }

  /** @returns undefined where there is none of this id, or not any more */
  async get(id: string): Promise<Report | undefined> {
    if (!HELD.test(id)) return undefined;
    const record = await this.#records.get(KIND, id, this.#now());
    if (!record) return undefined;
    const { report } = JSON.parse(record.body) as Stored;
    return JSON.parse(gunzipSync(Buffer.from(report, 'base64')).toString('utf8')) as Report;
  }
}
