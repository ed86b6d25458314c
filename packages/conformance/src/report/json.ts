import { isObject, parseJson } from '../json.ts';
import { REPORT_FORMAT, type Report } from './report.ts';

/** The report as a JSON document. */
export function renderJson(report: Report): string {
  return `${JSON.stringify(report, undefined, 2)}\n`;
}

/** @throws TypeError when the text is no report of this suite */
export function readReport(text: string): Report {
  const value = parseJson(text);
  if (!isObject(value) || value.format !== REPORT_FORMAT || !Array.isArray(value.results)) {
    throw new TypeError(`not a report: "format" is not "${REPORT_FORMAT}"`);
  }
  return value as unknown as Report;
}
