import { type CheckResult, conforms, type Report, type Verdict } from './report.ts';

const MARK: Readonly<Record<Verdict, string>> = { pass: '✔', fail: '✖', warning: '!', skip: '-' };
const COLOR: Readonly<Record<Verdict, number>> = { pass: 32, fail: 31, warning: 33, skip: 90 };

export interface TerminalOptions {
  readonly color?: boolean;
  /** Every check, not only those that did not pass. */
  readonly all?: boolean;
}

function paint(verdict: Verdict, text: string, color: boolean): string {
  return color ? `\u001b[${COLOR[verdict]}m${text}\u001b[0m` : text;
}

/** One line for a check that has just ended. */
export function renderProgress(
  { done, total, result }: { done: number; total: number; result: CheckResult },
  color: boolean,
): string {
  const count = `${String(done).padStart(String(total).length)}/${total}`;
  return `${count} ${paint(result.verdict, `${MARK[result.verdict]} ${result.id}`, color)} (${result.durationMs} ms)`;
}

function details(result: CheckResult, color: boolean): readonly string[] {
  const head = paint(result.verdict, `${MARK[result.verdict]} ${result.id}  ${result.title}`, color);
  if (result.verdict === 'pass') return [head];
  if (result.verdict === 'skip') return [`${head}\n    ${result.reason ?? ''}`];
  const { section, quote, link } = result.requirement;
  return [
    head,
    `    ${result.level} ${section}: “${quote}”`,
    `    ${link}`,
    `    expected  ${result.expected ?? ''}`,
    `    seen      ${(result.seen ?? '').replaceAll('\n', '\n              ')}`,
    '',
  ];
}

/** The report as text for a terminal. */
export function renderTerminal(report: Report, options: TerminalOptions = {}): string {
  const color = options.color ?? false;
  const shown = report.results.filter(({ verdict }) => options.all || verdict === 'fail' || verdict === 'warning');
  const { pass, fail, warning, skip } = report.counts;
  const seconds = (report.durationMs / 1000).toFixed(1);
  const outcome = conforms(report) ? paint('pass', 'conforms', color) : paint('fail', 'does not conform', color);
  return [
    '',
    ...shown.flatMap((result) => details(result, color)),
    `${report.target.name}: FHIRcast ${report.versions.join(', ')}: ${outcome}`,
    `${pass} passed, ${fail} failed, ${warning} warnings, ${skip} skipped, in ${seconds} s`,
    '',
  ].join('\n');
}
