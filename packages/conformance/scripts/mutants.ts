/** `npm run mutants [-- WORD…]`: every Hub and application with one defect, and whether the check that claims it finds it. */
import process from 'node:process';
import { APP_MUTANTS, judgeApp } from '../test/mutants/apps.ts';
import { SEEDED_HUBS } from '../test/mutants/mutants.ts';

interface Row {
  readonly name: string;
  readonly by: string;
  readonly check: string;
  readonly verdict: string;
  readonly found: boolean;
}

/** Runs jobs, so many at once. */
async function inParallel<T>(width: number, jobs: readonly (() => Promise<T>)[]): Promise<readonly T[]> {
  const results: T[] = new Array(jobs.length);
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < jobs.length; at = next++) results[at] = await jobs[at]!();
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}

const words = process.argv.slice(2);
const meant = (name: string) => words.length === 0 || words.some((word) => name.includes(word));

const hubs = SEEDED_HUBS.filter(({ name }) => meant(name)).map(
  ({ name, check, by, judge }) =>
    async (): Promise<Row> => {
      const result = (await judge()).results.find(({ id }) => id === check);
      const found = result?.verdict === 'fail' || result?.verdict === 'warning';
      const safety = result?.verdict === 'warning' && result.safety ? 'safety warning' : (result?.verdict ?? 'not run');
      return { name, by: `hub, ${by}`, check, verdict: safety, found };
    },
);
const apps = APP_MUTANTS.filter(({ name }) => meant(name)).map(({ name, check, by }) => async (): Promise<Row> => {
  const [result] = (await judgeApp(name, [check])).results;
  const found = result?.verdict === 'fail' || result?.verdict === 'warning';
  return { name, by: `application, ${by}`, check, verdict: result?.verdict ?? 'not run', found };
});

const rows = await inParallel(8, [...hubs, ...apps]);
const width = (key: 'name' | 'by' | 'check' | 'verdict') => Math.max(...rows.map((row) => row[key].length));
const [name, by, check] = [width('name'), width('by'), width('check')];
for (const row of rows) {
  const mark = row.found ? '✔' : '✖';
  process.stdout.write(
    `${mark} ${row.name.padEnd(name)}  ${row.by.padEnd(by)}  ${row.check.padEnd(check)}  ${row.verdict}\n`,
  );
}
const missed = rows.filter(({ found }) => !found).length;
process.stdout.write(`\n${rows.length} seeded defects, ${rows.length - missed} found, ${missed} missed\n`);
process.exitCode = missed === 0 ? 0 : 1;
