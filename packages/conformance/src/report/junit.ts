import { type CheckResult, isFailure, isSafetyWarning, type Report } from './report.ts';
import { escapeXml } from './xml.ts';

const attribute = (name: string, value: string | number) => ` ${name}="${escapeXml(String(value))}"`;

export interface JunitOptions {
  /** Whether safety warnings are failures. */
  readonly strict?: boolean;
}

/** What was exchanged, as text: what a reader of the log needs to see why. */
function exchanged(result: CheckResult): string {
  const lines = (result.exchange ?? []).map(({ at, who, kind, text }) => `${at} ms ${who} ${kind}: ${text}`);
  return lines.length === 0 ? '' : `<system-out>${escapeXml(lines.join('\n'))}</system-out>`;
}

function body(result: CheckResult, strict: boolean): string {
  const detail = [
    `Requirement: ${result.requirement.section}: "${result.requirement.quote}"`,
    result.requirement.link,
    `Expected: ${result.expected}`,
    `Seen: ${result.seen}`,
  ].join('\n');
  const failure = `<failure${attribute('message', result.reason ?? '')}${attribute('type', result.level)}>${escapeXml(detail)}</failure>${exchanged(result)}`;
  if (result.waived) {
    const message = `Waived until ${result.waived.expires}: ${result.waived.reason}`;
    return `<skipped${attribute('message', message)}/><system-out>${escapeXml(detail)}</system-out>`;
  }
  if (strict && isSafetyWarning(result)) return failure;
  switch (result.verdict) {
    case 'pass':
      return '';
    case 'fail':
      return failure;
    case 'skip':
      return `<skipped${attribute('message', result.reason ?? '')}/>`;
    // JUnit knows no warnings: a SHOULD that is not kept passes, with its words.
    case 'warning':
      return `<system-out>${escapeXml(`${isSafetyWarning(result) ? 'SAFETY WARNING' : 'WARNING'} ${detail}`)}</system-out>`;
  }
}

/** What judged and how, for the reader of the log. */
function properties({ suite, claims = [], options, diagnosis = [] }: Report): string {
  const pairs: readonly (readonly [string, string])[] = [
    ['suite', `${suite?.name ?? 'conformance'} ${suite?.version ?? ''}`.trim()],
    ...Object.entries(suite?.specifications ?? {}),
    ['claims', claims.join(' ')],
    ['options', JSON.stringify(options ?? {})],
    ...diagnosis.map(({ stage, sentence }) => [`preflight.${stage}`, sentence] as const),
  ];
  return pairs.map(([name, value]) => `<property${attribute('name', name)}${attribute('value', value)}/>`).join('');
}

/** The report as JUnit XML, for continuous integration. */
export function renderJunit(report: Report, { strict = false }: JunitOptions = {}): string {
  const seconds = (ms: number) => (ms / 1000).toFixed(3);
  const cases = report.results.map((result) => {
    const name = attribute('name', `${result.id}: ${result.title}`);
    const group = attribute('classname', `fhircast.${result.requirement.section}`);
    return `    <testcase${name}${group}${attribute('time', seconds(result.durationMs))}>${body(result, strict)}</testcase>`;
  });
  const counts = (result: CheckResult) => isFailure(result) || (strict && isSafetyWarning(result));
  const failures = report.results.filter(counts).length;
  const passedOver = report.results.filter(({ verdict, waived }) => verdict === 'skip' || waived).length;
  const numbers = [
    attribute('tests', report.results.length),
    attribute('failures', failures),
    attribute('errors', 0),
    attribute('time', seconds(report.durationMs)),
  ].join('');
  const skipped = attribute('skipped', passedOver);
  const suite = attribute('name', `FHIRcast ${report.versions.join(', ')}: ${report.target.name}`);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${numbers}>`,
    `  <testsuite${suite}${numbers}${skipped}${attribute('timestamp', report.startedAt)}>`,
    `    <properties>${properties(report)}</properties>`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}
