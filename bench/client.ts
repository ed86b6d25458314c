/** What the client library costs an application, and how soon it is back after the Hub was killed. */
import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import { path } from './program.ts';
import type { Scenario, Section } from './scenario.ts';

const KILLS = 100;

/** What the library's own program prints. */
interface Measured {
  readonly events: number;
  readonly cpuMicrosecondsPerEvent: number;
  readonly bytesPerFrame: number;
  readonly heapMbAfter5000: number;
  readonly heapMbAfter50000: number;
  readonly heapMbAtEnd: number;
  readonly comparisonMicroseconds: number;
  readonly backInSync: {
    readonly kills: number;
    readonly medianMs: number;
    readonly p95Ms: number;
    readonly worstMs: number;
  };
}

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  say(`100,000 events, then ${KILLS} times kill -9: some minutes`);
  const program = path('../packages/client/bench/client.ts');
  const flags = ['--expose-gc', '--disable-warning=ExperimentalWarning'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, program, '--kills', String(KILLS)]);
  const measured = JSON.parse(stdout) as Measured;
  const { cpuMicrosecondsPerEvent: cpu, heapMbAfter5000: first, heapMbAtEnd: last, backInSync } = measured;
  const events: Section = {
    title: 'Client library',
    note: `${measured.events.toLocaleString('en-US')} DiagnosticReport-updates of ${measured.bytesPerFrame} bytes, parsed, applied to the content, handled and answered, in one process without a network. Heap after a full collection.`,
    columns: [
      { key: 'cpu', title: 'CPU µs/event', digits: 1 },
      { key: 'first', title: 'heap MB after 5,000', digits: 2 },
      { key: 'middle', title: 'after 50,000', digits: 2 },
      { key: 'last', title: 'after 100,000', digits: 2 },
    ],
    rows: [{ label: 'Subscriber', values: { cpu, first, middle: measured.heapMbAfter50000, last } }],
    goals: [
      { what: 'CPU of an event in the client', reached: cpu, limit: 50, unit: 'µs' },
      {
        what: 'comparison of what is shown with the Hub’s context',
        reached: measured.comparisonMicroseconds,
        limit: 50,
        unit: 'µs',
      },
      { what: 'memory after 100,000 events, against after 5,000', reached: last / first, limit: 1.1, unit: '×' },
    ],
  };
  const { kills, medianMs, p95Ms, worstMs } = backInSync;
  const back: Section = {
    title: 'Back in sync',
    note: 'The Hub is killed with SIGKILL and started again on its data; time from its ready line to the client in sync, through the client’s own backoff.',
    columns: [
      { key: 'kills', title: 'kills', digits: 0 },
      { key: 'median', title: 'median ms', digits: 0 },
      { key: 'p95', title: 'p95 ms', digits: 0 },
      { key: 'worst', title: 'worst ms', digits: 0 },
    ],
    rows: [{ label: 'Subscriber', values: { kills, median: medianMs, p95: p95Ms, worst: worstMs } }],
    goals: [{ what: 'back in sync after the Hub’s return, median', reached: medianMs, limit: 1000, unit: 'ms' }],
  };
  return [events, back];
}

export const client: Scenario = { name: 'client', run };
