/** A run of the benchmark as text for people, JSON for programs, and charts. */
import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import process from 'node:process';
import { pinned } from './program.ts';
import type { Column, Goal, Row, Section } from './scenario.ts';

export interface Run {
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  readonly revision: string;
  readonly sections: readonly Section[];
  /** How far a program that was measured against itself was from 1. */
  readonly control: number;
}

function revision(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return 'unknown';
  }
}

/** @param load the machine's load average before the run @param control see `Run` */
export function describeRun(sections: readonly Section[], load: number, control: number): Run {
  const cores = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const cpu = cores[0]?.model.trim() ?? 'unknown processor';
  const shared = pinned ? 'programs under test on one core, load on another' : 'programs and load share all cores';
  return {
    date: new Date().toISOString().slice(0, 10),
    // What others do at the same time shows in the times more than in the ratios.
    machine: `${cores.length} cores, ${cpu}, ${memory} GiB, Linux; ${shared}; load average before ${load.toFixed(1)}`,
    node: process.version,
    revision: revision(),
    sections,
    control,
  };
}

function cell({ values }: Row, { key, digits }: Column): string {
  const value = values[key];
  return value === undefined ? '' : value.toFixed(digits);
}

function goalLine({ what, reached, limit, unit }: Goal): string {
  const digits = unit === '×' ? 2 : 1;
  return `${reached <= limit ? 'met' : 'MISSED'}: ${what}: ${reached.toFixed(digits)} ${unit} (at most ${limit} ${unit})`;
}

/** The section as a Markdown table with its goals. */
export function sectionText({ title, note, columns, rows, goals }: Section): string {
  const table = [['', ...columns.map((column) => column.title)]];
  for (const row of rows) table.push([row.label, ...columns.map((column) => cell(row, column))]);
  const widths = table[0]!.map((_, i) => Math.max(3, ...table.map((line) => line[i]!.length)));
  const lines = table.map((line) =>
    line.map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join(' | '),
  );
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ');
  const text = [lines[0]!, rule, ...lines.slice(1)].map((line) => `| ${line} |`).join('\n');
  return `## ${title}\n\n${note}\n\n${text}\n\n${goals.map((goal) => `- ${goalLine(goal)}`).join('\n')}\n`;
}

const BAR = 22;
const LABELS = 330;
const BARS = 420;

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/** The section's chart, if it has one, as SVG that reads on light and dark pages. */
export function sectionChart({ chart, columns, rows }: Section): string | undefined {
  const column = columns.find(({ key }) => key === chart?.column);
  if (!chart || !column) return undefined;
  const largest = Math.max(...rows.map(({ values }) => values[column.key] ?? 0));
  const width = LABELS + BARS + 70;
  const height = 44 + rows.length * BAR;
  const bars = rows.map((row, i) => {
    const y = 36 + i * BAR;
    const length = Math.round(((row.values[column.key] ?? 0) / largest) * BARS);
    const color = /floor|bare/.test(row.label) ? '#8a94a3' : '#2f7d6d';
    return (
      `<text x="${LABELS - 8}" y="${y + 14}" text-anchor="end">${escapeText(row.label)}</text>` +
      `<rect x="${LABELS}" y="${y + 2}" width="${length}" height="${BAR - 6}" rx="2" fill="${color}"/>` +
      `<text x="${LABELS + length + 6}" y="${y + 14}">${cell(row, column)}</text>`
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeText(chart.title)}">
<style>text{font:12px system-ui,sans-serif;fill:#333}.title{font-weight:600;font-size:14px}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>
<text class="title" x="8" y="20">${escapeText(chart.title)}</text>
${bars.join('\n')}
</svg>
`;
}
