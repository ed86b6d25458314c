/** What the console loads at first, how soon it paints, and how soon its search answers. */
import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import { path } from './program.ts';
import type { Scenario, Section } from './scenario.ts';

/** What the console's own program prints. */
interface Measured {
  readonly page: 'bare' | 'signed-out' | 'shell' | 'signed-in';
  readonly bytes: number;
  /** First contentful paint, median. */
  readonly paintMs: number;
  /** Median of its paints by the bare page's of the same turn. */
  readonly paintRatio: number;
}

interface Searched {
  readonly patients: number;
  readonly measured: readonly {
    readonly what: string;
    /** From a key to the frame that shows what was found. */
    readonly medianMs: number;
    readonly p95Ms: number;
    /** From a key to the first frame after it, 95th percentile. */
    readonly echoMs: number;
  }[];
}

const LABELS = {
  bare: 'bare page of React and Vite',
  'signed-out': 'console, nobody signed in',
  shell: 'console, signed in, its shell',
  'signed-in': 'console, signed in, all',
} as const;

/** @param file of the console's benchmarks. @returns what it prints */
async function printed(file: string): Promise<unknown> {
  const program = path(`../packages/console/bench/${file}`);
  const { stdout } = await promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', program]);
  return JSON.parse(stdout);
}

async function searching(): Promise<Section> {
  const { patients, measured } = (await printed('search.ts')) as Searched;
  return {
    title: 'Console, search for patients',
    note: `From each key typed into the patient search to the frame that shows what was found, among ${patients.toLocaleString('en')} patients, in Chromium on the server’s machine, the sample data besides; each text typed three times. “Key” is the first frame after the key.`,
    columns: [
      { key: 'median', title: 'median ms', digits: 0 },
      { key: 'p95', title: 'p95 ms', digits: 0 },
      { key: 'echo', title: 'key, p95 ms', digits: 0 },
    ],
    rows: measured.map(({ what, medianMs: median, p95Ms: p95, echoMs: echo }) => ({
      label: what,
      values: { median, p95, echo },
    })),
    goals: measured.map(({ what, p95Ms }) => ({ what, reached: p95Ms, limit: 100, unit: 'ms' })),
  };
}

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  say('a browser loads three pages in turn');
  const measured = (await printed('first-load.ts')) as readonly Measured[];
  const bare = measured.find(({ page }) => page === 'bare')!;
  const rows = measured.map(({ page, bytes, paintMs, paintRatio }) => ({
    label: LABELS[page],
    values: {
      kb: bytes / 1000,
      ratio: bytes / bare.bytes,
      paint: paintMs,
      paintRatio,
    },
  }));
  const goals = measured.flatMap(({ page, bytes, paintRatio }) =>
    page === 'bare'
      ? []
      : [
          { what: `JavaScript: ${LABELS[page]}`, reached: bytes / bare.bytes, limit: 1.5, unit: '×' },
          { what: `first paint: ${LABELS[page]}`, reached: paintRatio, limit: 1.5, unit: '×' },
        ],
  );
  say('somebody types into the patient search');
  return [
    {
      title: 'Console, first load',
      note: 'JavaScript of `/` until the network is quiet, gzipped; first contentful paint on a CPU made four times slower, with an empty cache: medians of 15 turns, and the ratio is the median of each turn’s own; the console’s first paint is its name, which stands in the page until the script draws it. React and React DOM alone are the bare page. Who is signed in sees the shell first: where one can go, and who one is; what comes after its first paint, the client library and the EHR, is kept from coming for that row.',
      columns: [
        { key: 'kb', title: 'kB', digits: 1 },
        { key: 'ratio', title: '×', digits: 2 },
        { key: 'paint', title: 'paint ms', digits: 0 },
        { key: 'paintRatio', title: '×', digits: 2 },
      ],
      rows,
      goals,
    },
    await searching(),
  ];
}

export const pages: Scenario = { name: 'console', run };
