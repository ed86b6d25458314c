import { CSS_COLORS } from './html.ts';
import { conforms, countSafetyWarnings, isFailure, isSafetyWarning, type Report, type Verdict } from './report.ts';
import { escapeXml } from './xml.ts';

/** One column of the matrix. */
export interface MatrixColumn {
  readonly report: Report;
  /** Address of its page, where there is one. */
  readonly page?: string;
}

const MARK: Readonly<Record<Verdict, string>> = { pass: '✔', fail: '✖', warning: '!', skip: '–' };

const nameOf = ({ target, versions }: Report): string => `${target.name} (${versions.join(', ')})`;

/** Many reports on one page: a row for each check, a column for each report, what differs first. */
export function renderMatrix(columns: readonly MatrixColumn[]): string {
  const ids = [...new Set(columns.flatMap(({ report }) => report.results.map(({ id }) => id)))];
  const rows = ids.map((id) => {
    const found = columns.map(({ report }) => report.results.find((result) => result.id === id));
    const first = found.find((one) => one !== undefined);
    const verdicts = found.map((one) => one?.verdict);
    return {
      id,
      title: first?.title ?? id,
      section: first?.requirement.section ?? '',
      found,
      bad: verdicts.filter((one) => one === 'fail').length,
    };
  });
  rows.sort((a, b) => b.bad - a.bad);
  const heads = columns.map(({ report, page }) => {
    const name = escapeXml(nameOf(report));
    const outcome = conforms(report) ? 'conforms' : 'does not conform';
    const failures = report.results.filter(isFailure).length;
    const said = `${outcome}; ${failures} failed, ${countSafetyWarnings(report)} safety warnings`;
    const link = page === undefined ? name : `<a href="${escapeXml(page)}">${name}</a>`;
    return `<th scope="col">${link}<br><small>${said}</small></th>`;
  });
  const cells = ({ id, found }: (typeof rows)[number]) =>
    found.map((one, at) => {
      if (!one) return '<td class="none" title="not in this report"></td>';
      const page = columns[at]?.page;
      const safety = isSafetyWarning(one) ? ' safety' : '';
      const mark = `<span class="${one.verdict}">${MARK[one.verdict]}</span>${safety}`;
      const inner = page === undefined ? mark : `<a href="${escapeXml(`${page}#${id}`)}">${mark}</a>`;
      return `<td title="${escapeXml(one.reason ?? one.verdict)}">${inner}</td>`;
    });
  const body = rows.map(
    (row) =>
      `<tr><th scope="row" title="${escapeXml(row.section)}">${escapeXml(row.title)} <code>${escapeXml(row.id)}</code></th>${cells(row).join('')}</tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>FHIRcast conformance of ${columns.length}</title>
<style>${CSS_COLORS}
body{font:15px/1.4 system-ui,sans-serif;margin:1rem;color:var(--text);background:var(--back)}a{color:inherit}.fail{color:var(--fail)}.warning{color:var(--warning)}.pass{color:var(--pass)}.skip{color:var(--skip)}table{border-collapse:collapse}
th,td{border:1px solid var(--line);padding:.25rem .5rem;text-align:left}td{text-align:center}thead th{position:sticky;top:0;background:var(--back)}
</style></head><body>
<h1>FHIRcast conformance</h1>
<p>${rows.length} checks, ${columns.length} reports. What failed most often comes first.</p>
<table><thead><tr><th scope="col">Check</th>${heads.join('')}</tr></thead><tbody>
${body.join('\n')}
</tbody></table></body></html>
`;
}
