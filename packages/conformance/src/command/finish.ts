/** What a run ends with: its report in the forms asked for, and the exit code. */
import { withWaivers } from '../config.ts';
import { renderBadge } from '../report/badge.ts';
import { renderHar } from '../report/har.ts';
import { renderHtml } from '../report/html.ts';
import { renderJson } from '../report/json.ts';
import { renderJunit } from '../report/junit.ts';
import { conforms, type Report } from '../report/report.ts';
import { renderTerminal } from '../report/terminal.ts';
import { renderTestReport } from '../report/test-report.ts';
import { NO_SETTINGS, type SuiteSettings, type SuiteValues } from './arguments.ts';
import { EXIT } from './help.ts';
import { colored, put, type SuiteTerminal } from './terminal.ts';

function write(report: Report, values: SuiteValues, terminal: SuiteTerminal): void {
  const strict = values.strict ?? false;
  const forms: readonly (readonly [string | undefined, () => string])[] = [
    [values.json, () => renderJson(report)],
    [values.junit, () => renderJunit(report, { strict })],
    [values.html, () => renderHtml(report)],
    [values['test-report'], () => `${JSON.stringify(renderTestReport(report), undefined, 2)}\n`],
    [values.badge, () => renderBadge(report)],
    [values.har, () => renderHar(report)],
  ];
  for (const [file, render] of forms) if (file !== undefined) put(file, render(), terminal);
}

export function finish(
  found: Report,
  values: SuiteValues,
  terminal: SuiteTerminal,
  { waivers }: SuiteSettings = NO_SETTINGS,
): number {
  const { report, notes } = withWaivers(found, waivers, new Date().toISOString().slice(0, 10));
  const strict = values.strict ?? false;
  const stopped = report.diagnosis?.find(({ stops }) => stops);
  // Before the files: one that cannot be written must not take a long run with it.
  if (stopped) terminal.err(`${stopped.sentence}\n`);
  else {
    // What goes to the terminal as data is not mixed with words.
    const say = [values.json, values.junit, values.har].includes('-') ? terminal.err : terminal.out;
    for (const note of notes) terminal.err(`${note}\n`);
    say(renderTerminal(report, { color: colored(values, terminal), all: values.all ?? false, strict }));
  }
  write(report, values, terminal);
  if (stopped) return EXIT.unreachable;
  return conforms(report, { strict }) ? EXIT.conforms : EXIT.fails;
}
