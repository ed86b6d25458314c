/** The commands that read reports. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { certify, newSigningKey, verifyPackage } from '../certificate.ts';
import { replay } from '../replay.ts';
import { renderCurl } from '../report/har.ts';
import { readReport } from '../report/json.ts';
import { renderMatrix } from '../report/matrix.ts';
import { type CheckResult, conforms, type Report } from '../report/report.ts';
import { given, needed, number, type SuiteValues, UsageError } from './arguments.ts';
import { EXIT } from './help.ts';
import { callbackOf } from './hub-options.ts';
import { put, type SuiteTerminal } from './terminal.ts';

export function load(file: string | undefined): Report {
  if (file === undefined) throw new UsageError('the file of a report (--json) is missing');
  return readReport(readFileSync(file, 'utf8'));
}

/** Signs a report; `--new-key` makes the key first. */
export function certifyReport(file: string | undefined, values: SuiteValues, terminal: SuiteTerminal): number {
  const to = needed(values.package, 'certify needs --package FILE');
  const keyFile = needed(values.key ?? values['new-key'], 'certify needs --key FILE, or --new-key FILE to make one');
  if (values['new-key'] !== undefined) {
    const { privateKey, publicKey } = newSigningKey();
    writeFileSync(keyFile, privateKey, { mode: 0o600, flag: 'wx' });
    writeFileSync(`${keyFile}.pub`, publicKey);
    terminal.err(`The key is in ${keyFile}, its public part in ${keyFile}.pub\n`);
  }
  const text = certify(load(file), readFileSync(keyFile, 'utf8'));
  put(to, text, terminal);
  terminal.err(`Signed by ${verifyPackage(text).fingerprint}\n`);
  return EXIT.conforms;
}

export function verifyFile(file: string | undefined, values: SuiteValues, terminal: SuiteTerminal): number {
  const text = readFileSync(needed(file, 'verify needs the file of a package'), 'utf8');
  const trusted = values.key === undefined ? undefined : readFileSync(values.key, 'utf8');
  const { problems, fingerprint, summary } = verifyPackage(text, trusted);
  terminal.out(`${summary}\nsigned by ${fingerprint}${trusted === undefined ? ' (no --key to compare with)' : ''}\n`);
  for (const problem of problems) terminal.err(`${problem}\n`);
  terminal.out(problems.length === 0 ? 'the package is as it was signed\n' : 'the package is not to be believed\n');
  return problems.length === 0 ? EXIT.conforms : EXIT.fails;
}

export function matrix(files: readonly string[], values: SuiteValues, terminal: SuiteTerminal): number {
  if (files.length === 0) throw new UsageError('matrix needs the files of reports (--json)');
  const columns = files.map((file) => {
    const page = file.replace(/\.json$/, '.html');
    return { report: load(file), ...(page !== file && existsSync(page) && { page: relativeTo(values.html, page) }) };
  });
  put(values.html ?? '-', renderMatrix(columns), terminal);
  return columns.every(({ report }) => conforms(report, { strict: values.strict ?? false }))
    ? EXIT.conforms
    : EXIT.fails;
}

const relativeTo = (from: string | undefined, file: string): string =>
  from === undefined || from === '-' ? file : relative(dirname(from), file);

/** A check of a report, with its exchange. */
function checkOf(report: Report, wanted: string): CheckResult {
  const result = report.results.find((one) => one.id === wanted);
  if (!result) throw new UsageError(`the report holds no check ${wanted}`);
  if (!result.exchange) throw new UsageError(`the report keeps no exchange of ${wanted}: run with --all`);
  return result;
}

export function curl(file: string | undefined, id: string | undefined, terminal: SuiteTerminal): number {
  const wanted = needed(id, 'curl needs the id of a check');
  terminal.out(renderCurl(checkOf(load(file), wanted)));
  return EXIT.conforms;
}

/** Longest time for one answer or frame of a replay, ms. */
const REPLAY_STEP_MS = 3000;

export async function replayCheck(
  file: string | undefined,
  id: string | undefined,
  values: SuiteValues,
  terminal: SuiteTerminal,
): Promise<number> {
  const wanted = needed(id, 'replay needs the id of a check');
  const report = load(file);
  const { sent, differences, leftOut, unreachable } = await replay(checkOf(report, wanted), {
    ...given({ token: values.token ?? terminal.env.FHIRCAST_TOKEN }),
    ...(values.url !== undefined && { hub: { from: report.target.name, to: values.url } }),
    rejectUnauthorized: !values.insecure,
    callback: callbackOf(values),
    timeoutMs: REPLAY_STEP_MS * (number(values, 'slow') ?? 1),
    tell: (line) => terminal.out(`${line}\n`),
  });
  if (unreachable !== undefined) {
    terminal.err(`${unreachable}\n`);
    return EXIT.unreachable;
  }
  terminal.out(`${sent} requests sent, ${differences} differences, ${leftOut} left out\n`);
  return differences === 0 && leftOut === 0 ? EXIT.conforms : EXIT.fails;
}
