/** What the console loads at first, and how soon it paints. */
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

const LABELS = {
  bare: 'bare page of React and Vite',
  'signed-out': 'console, nobody signed in',
  shell: 'console, signed in, its shell',
  'signed-in': 'console, signed in, all',
} as const;

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  say('a browser loads three pages in turn');
  const program = path('../packages/console/bench/first-load.ts');
  const { stdout } = await promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', program]);
  const measured = JSON.parse(stdout) as readonly Measured[];
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
  ];
}

export const pages: Scenario = { name: 'console', run };
