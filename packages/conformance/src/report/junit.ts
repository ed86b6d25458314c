import type { CheckResult, Report } from './report.ts';
import { escapeXml } from './xml.ts';

const attribute = (name: string, value: string | number) => ` ${name}="${escapeXml(String(value))}"`;

function body(result: CheckResult): string {
  const detail = [
    `Requirement: ${result.requirement.section}: "${result.requirement.quote}"`,
    result.requirement.link,
    `Expected: ${result.expected}`,
    `Seen: ${result.seen}`,
  ].join('\n');
  switch (result.verdict) {
    case 'pass':
      return '';
    case 'fail':
      return `<failure${attribute('type', result.level)}${attribute('message', result.reason ?? '')}>${escapeXml(detail)}</failure>`;
    case 'skip':
      return `<skipped${attribute('message', result.reason ?? '')}/>`;
    // JUnit knows no warnings: a SHOULD that is not kept passes, with its words.
    case 'warning':
      return `<system-out>${escapeXml(`WARNING ${detail}`)}</system-out>`;
  }
}

/** The report as JUnit XML, for continuous integration. */
export function renderJunit(report: Report): string {
  const seconds = (ms: number) => (ms / 1000).toFixed(3);
  const cases = report.results.map((result) => {
    const name = attribute('name', `${result.id}: ${result.title}`);
    const group = attribute('classname', `fhircast.${result.requirement.section}`);
    return `    <testcase${name}${group}${attribute('time', seconds(result.durationMs))}>${body(result)}</testcase>`;
  });
  const numbers = [
    attribute('tests', report.results.length),
    attribute('failures', report.counts.fail),
    attribute('errors', 0),
    attribute('time', seconds(report.durationMs)),
  ].join('');
  const skipped = attribute('skipped', report.counts.skip);
  const suite = attribute('name', `FHIRcast ${report.versions.join(', ')}: ${report.target.name}`);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${numbers}>`,
    `  <testsuite${suite}${numbers}${skipped}${attribute('timestamp', report.startedAt)}>`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}
