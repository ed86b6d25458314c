/**
 * `npm run bench [-- SCENARIO …]`: measures Lockstep next to floors in the same run, prints tables, and keeps the run in
 * `docs/benchmarks/`, which `docs/benchmarks.md` shows. A scenario is a file of this folder; with no name given, all run.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import process from 'node:process';
import { access } from './access.ts';
import { client } from './client.ts';
import { cluster } from './cluster.ts';
import { pages } from './console.ts';
import { contexts } from './contexts.ts';
import { Control, STEADY } from './control.ts';
import { dialects } from './dialects.ts';
import { gateway } from './gateway.ts';
import { hostile } from './hostile.ts';
import { hub } from './hub.ts';
import { idle } from './idle.ts';
import { isolation } from './isolation.ts';
import { issuers } from './issuers.ts';
import { path } from './program.ts';
import { repaint } from './repaint.ts';
import { describeRun, type Run, sectionChart, sectionText } from './report.ts';
import { type Scenario, SHORT } from './scenario.ts';
import { sessions } from './sessions.ts';
import { deployments } from './simulate.ts';
import { storm } from './storm.ts';
import { webhook } from './webhook.ts';

const SCENARIOS: readonly Scenario[] = [
  hub,
  idle,
  sessions,
  contexts,
  isolation,
  storm,
  hostile,
  access,
  gateway,
  issuers,
  webhook,
  dialects,
  cluster,
  deployments,
  client,
  pages,
  repaint,
];
const FOLDER = path('../docs/benchmarks/');
const BEGIN = '<!-- runs: written by npm run bench -->';
const END = '<!-- end of runs -->';

function chosen(names: readonly string[]): readonly Scenario[] {
  if (names.length === 0) return SCENARIOS;
  return names.map((name) => {
    const scenario = SCENARIOS.find((one) => one.name === name);
    if (!scenario) throw new Error(`${name} is no scenario; there are ${SCENARIOS.map((one) => one.name).join(', ')}`);
    return scenario;
  });
}

async function keep(name: string, run: Run): Promise<void> {
  await writeFile(`${FOLDER}${name}.json`, `${JSON.stringify(run, undefined, 2)}\n`);
  for (const section of run.sections) {
    const chart = sectionChart(section);
    if (chart) await writeFile(`${FOLDER}${name}.svg`, chart);
  }
}

/** The latest run of each scenario, as the page shows it. */
async function latest(): Promise<string> {
  const parts: string[] = [];
  for (const { name } of SCENARIOS) {
    const text = await readFile(`${FOLDER}${name}.json`, 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    // Runs of earlier versions have no control.
    const { date, machine, node, sections, control } = JSON.parse(text) as Omit<Run, 'control'> & Partial<Run>;
    const steady = control === undefined ? '' : `; control within ${(control * 100).toFixed(1)} %`;
    for (const section of sections) {
      parts.push(sectionText(section), `${date}; ${machine}; Node ${node}${steady}.\n`);
      if (section.chart) parts.push(`![${section.chart.title}](benchmarks/${name}.svg)\n`);
    }
  }
  return parts.join('\n');
}

async function showLatest(): Promise<void> {
  const page = path('../docs/benchmarks.md');
  const text = await readFile(page, 'utf8');
  const [before] = text.split(BEGIN);
  const [, after] = text.split(END);
  if (before === undefined || after === undefined) throw new Error('docs/benchmarks.md has no place for the runs');
  await writeFile(page, `${before}${BEGIN}\n\n${await latest()}\n${END}${after}`);
}

/** Runs a scenario between two measurements of the control. */
async function measured(scenario: Scenario): Promise<Run> {
  const load = loadavg()[0]!;
  const say = (line: string): void => console.error(`${scenario.name}: ${line}`);
  const control = await Control.start();
  try {
    say('control: one program against itself');
    await control.measure();
    const sections = await scenario.run(say);
    say('control: once more');
    await control.measure();
    const spread = Math.max(control.spread, ...sections.map((section) => section.control ?? 0));
    return describeRun(sections, load, spread);
  } finally {
    await control.stop();
  }
}

await mkdir(FOLDER, { recursive: true });
for (const scenario of chosen(process.argv.slice(2))) {
  const run = await measured(scenario);
  for (const section of run.sections) console.log(`\n${sectionText(section)}`);
  const differs = `one program differed from itself by ${(run.control * 100).toFixed(1)} %`;
  if (run.control > STEADY) {
    console.error(`${scenario.name}: not kept: ${differs}`);
    process.exitCode = 1;
    continue;
  }
  console.error(`${scenario.name}: ${differs}`);
  if (process.env.BENCH_BEFORE === undefined && !SHORT) await keep(scenario.name, run);
}
await showLatest();
