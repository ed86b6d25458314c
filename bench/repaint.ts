/** How soon a change of context is on the screens. */
import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import { path } from './program.ts';
import type { Scenario, Section } from './scenario.ts';

/** What the console's own program prints: medians, ms. */
interface Measured {
  readonly turns: number;
  readonly bareMs: number;
  readonly chartMs: number;
  readonly viewerMs: number;
}

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  say('a browser paints each change of context, a bare page the same in turn');
  const program = path('../packages/console/bench/repaint.ts');
  const { stdout } = await promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', program]);
  const { turns, bareMs, chartMs, viewerMs } = JSON.parse(stdout) as Measured;
  const row = (label: string, ms: number) => ({ label, values: { ms, ratio: ms / bareMs } });
  return [
    {
      title: 'From a change of context to the paint',
      note: `Patient-open from its POST to the first frame with the new name, on loopback, median of ${turns} turns in one browser. The bare page sets its heading to what comes over a WebSocket from a program that relays each POST. The EHR and the viewer read the patient from the record before they show them.`,
      columns: [
        { key: 'ms', title: 'ms', digits: 0 },
        { key: 'ratio', title: '×', digits: 2 },
      ],
      rows: [
        row('bare page on a WebSocket', bareMs),
        row('chart of the EHR', chartMs),
        row('sample viewer, docked in the EHR', viewerMs),
      ],
      goals: [
        { what: 'the viewer shows the new context', reached: viewerMs, limit: 100, unit: 'ms' },
        { what: 'the chart shows the new context', reached: chartMs, limit: 100, unit: 'ms' },
      ],
    },
  ];
}

export const repaint: Scenario = { name: 'repaint', run };
