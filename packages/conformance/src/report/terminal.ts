import {
  type CheckResult,
  conforms,
  countSafetyWarnings,
  isFailure,
  isSafetyWarning,
  type Report,
  type Verdict,
} from './report.ts';

const MARK: Readonly<Record<Verdict, string>> = { pass: '✔', fail: '✖', warning: '!', skip: '-' };
const COLOR: Readonly<Record<Verdict, number>> = { pass: 32, fail: 31, warning: 33, skip: 90 };

export interface TerminalOptions {
  readonly color?: boolean;
  /** Whether safety warnings count as failures. */
  readonly strict?: boolean;
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
    ...(result.waived ? [`    waived    until ${result.waived.expires}: ${result.waived.reason}`] : []),
    ...(isSafetyWarning(result) ? ['    safety    this may leave somebody at the wrong patient'] : []),
    `    expected  ${result.expected ?? ''}`,
    `    seen      ${(result.seen ?? '').replaceAll('\n', '\n              ')}`,
    '',
  ];
}

/** The report as text for a terminal. */
export function renderTerminal(report: Report, options: TerminalOptions = {}): string {
  const color = options.color ?? false;
  const rank = (one: CheckResult) => (isFailure(one) ? 0 : isSafetyWarning(one) ? 1 : one.verdict === 'pass' ? 4 : 2);
  const shown = report.results
    .filter(({ verdict }) => options.all || verdict === 'fail' || verdict === 'warning')
    .sort((a, b) => rank(a) - rank(b));
  const { pass, warning, skip } = report.counts;
  const fail = report.results.filter(isFailure).length;
  const waived = report.results.filter((one) => one.waived).length;
  const seconds = (report.durationMs / 1000).toFixed(1);
  const outcome = conforms(report, { strict: options.strict ?? false })
    ? paint('pass', 'conforms', color)
    : paint('fail', 'does not conform', color);
  return [
    '',
    ...(report.diagnosis ?? []).map(({ sentence }) => sentence),
    ...shown.flatMap((result) => details(result, color)),
    `${report.target.name}: FHIRcast ${report.versions.join(', ')}: ${outcome}`,
    `${pass} passed, ${fail} failed, ${warning} warnings (${countSafetyWarnings(report)} of safety), ${skip} skipped${waived > 0 ? `, ${waived} waived` : ''}, in ${seconds} s`,
    '',
  ].join('\n');
}
