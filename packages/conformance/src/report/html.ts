import { REQUIREMENTS } from '../requirements.ts';
import {
  type CheckResult,
  conforms,
  countSafetyWarnings,
  isFailure,
  isSafetyWarning,
  type Report,
  VERDICTS,
  type Verdict,
} from './report.ts';
import { escapeXml } from './xml.ts';

const WORD: Readonly<Record<Verdict, string>> = { fail: 'failed', warning: 'warning', pass: 'passed', skip: 'skipped' };

const count = (number: number, verdict: Verdict) =>
  `${number} ${WORD[verdict]}${verdict === 'warning' && number !== 1 ? 's' : ''}`;

const SECTIONS: readonly string[] = [...new Set(REQUIREMENTS.map(({ section }) => section))];

/** The colours of a report's pages, light and dark. */
export const CSS_COLORS = `
:root{color-scheme:light dark;--text:#1a1c1e;--dim:#5b6168;--back:#fff;--card:#f4f5f7;--line:#d5d9de;
--fail:#b3261e;--warning:#7a5b00;--pass:#1a6b34;--skip:#5b6168}
@media(prefers-color-scheme:dark){:root{--text:#e6e8ea;--dim:#a3abb3;--back:#15181b;--card:#1e2226;--line:#394047;
--fail:#ff8a80;--warning:#f2c55c;--pass:#7bd39a;--skip:#a3abb3}}
`;

const STYLE = `${CSS_COLORS}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);margin:0 auto;padding:1.5rem;max-width:62rem}
h1,summary{overflow-wrap:anywhere}h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p{margin:.25rem 0}.dim{color:var(--dim)}
fieldset{border:0;padding:0;margin:1.25rem 0;display:flex;flex-wrap:wrap;gap:.5rem 1.25rem}
legend{position:absolute;left:-99rem}
details{border:1px solid var(--line);border-radius:.4rem;margin:.4rem 0;background:var(--card)}
summary{cursor:pointer;padding:.5rem .75rem}
.inside{padding:0 .75rem .75rem;overflow-wrap:anywhere}
.verdict{font-weight:600}.fail{color:var(--fail)}.warning{color:var(--warning)}.pass{color:var(--pass)}.skip{color:var(--skip)}
blockquote{margin:.5rem 0;padding-left:.75rem;border-left:3px solid var(--line)}
dt{font-weight:600;margin-top:.5rem}dd{margin:0;white-space:pre-wrap}
ol{list-style:none;margin:.5rem 0;padding:0}
li{border-top:1px solid var(--line);padding:.35rem 0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.15rem 0;font-size:.85rem}
body:not(.show-fail) .is-fail,body:not(.show-warning) .is-warning,body:not(.show-pass) .is-pass,body:not(.show-skip) .is-skip{display:none}
section{display:none}
.show-fail section:has(.is-fail),.show-warning section:has(.is-warning),.show-pass section:has(.is-pass),.show-skip section:has(.is-skip){display:block}
@media print{details{break-inside:avoid}fieldset{display:none}}
`;

const SCRIPT = `
for (const box of document.querySelectorAll('input[data-verdict]')) {
  const show = () => document.body.classList.toggle('show-' + box.dataset.verdict, box.checked);
  box.addEventListener('change', show);
  show();
}
const search = document.querySelector('input[type=search]');
search.addEventListener('input', () => {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const entry of document.querySelectorAll('details[id]')) {
    const text = entry.textContent.toLowerCase();
    entry.hidden = !words.every((word) => text.includes(word));
  }
});
const reveal = () => {
  const entry = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!entry) return;
  for (const one of ['fail', 'warning', 'pass', 'skip']) {
    if (entry.classList.contains('is-' + one)) document.body.classList.add('show-' + one);
  }
  entry.open = true;
  entry.scrollIntoView();
};
addEventListener('hashchange', reveal);
reveal();
`;

const DIRECTION: Readonly<Record<string, string>> = {
  request: '→ HTTP',
  response: '← HTTP',
  connect: '→ connects',
  received: '← receives',
  sent: '→ sends',
  closed: '× closed',
  note: '·',
};

function exchange(result: CheckResult): string {
  if (!result.exchange || result.exchange.length === 0) return '';
  const lines = result.exchange.map(
    ({ at, who, kind, text }) =>
      `<li><span class="dim">${at} ms</span> ${escapeXml(who)} ${DIRECTION[kind] ?? escapeXml(kind)}<pre>${escapeXml(text)}</pre></li>`,
  );
  return `<details><summary>What was exchanged</summary><div class="inside"><ol>${lines.join('')}</ol></div></details>`;
}

function found(result: CheckResult): string {
  const rows: readonly (readonly [string, string | undefined])[] =
    result.verdict === 'skip'
      ? [['Why', result.reason]]
      : [
          ['Expected', result.expected],
          ['Seen', result.seen],
          ['Waived', result.waived && `until ${result.waived.expires}: ${result.waived.reason}`],
        ];
  const list = rows.filter(([, value]) => value !== undefined);
  if (list.length === 0) return '';
  return `<dl>${list.map(([name, value]) => `<dt>${name}</dt><dd>${escapeXml(value ?? '')}</dd>`).join('')}</dl>`;
}

/** A verdict in words, with what it means for patients. */
function wordOf(result: CheckResult): string {
  if (result.waived) return `${WORD[result.verdict]}, waived`;
  return isSafetyWarning(result) ? 'safety warning' : WORD[result.verdict];
}

/** What judged, and of what. */
function about(report: Report): string {
  const { suite, claims = [], diagnosis = [] } = report;
  const said = diagnosis.map(({ sentence }) => `<li>${escapeXml(sentence)}</li>`);
  const commits = Object.entries(suite?.specifications ?? {}).map(
    ([name, commit]) => `${name} at ${commit.slice(0, 10)}`,
  );
  const rows: readonly (readonly [string, string])[] = [
    ['Suite', suite ? `${suite.name} ${suite.version}; ${commits.join(', ')}` : ''],
    ['Claims', claims.join(', ')],
    ['Options', JSON.stringify(report.options ?? {})],
  ];
  const list = rows
    .filter(([, text]) => text !== '' && text !== '{}')
    .map(([name, text]) => `<dt>${name}</dt><dd>${escapeXml(text)}</dd>`);
  const before = said.length > 0 ? `<h2>Before the checks</h2><ul>${said.join('')}</ul>` : '';
  return `${before}<details><summary>What judged, and how</summary><div class="inside"><dl>${list.join('')}</dl></div></details>`;
}

function entry(result: CheckResult): string {
  const { verdict, requirement } = result;
  const open = verdict === 'fail' ? ' open' : '';
  // Only http addresses become links, whatever a report read from a file may hold.
  const link = /^https?:\/\//.test(requirement.link)
    ? `<a href="${escapeXml(requirement.link)}">${escapeXml(requirement.section)}</a>`
    : escapeXml(requirement.section);
  return `<details id="${escapeXml(result.id)}" class="is-${verdict}"${open}>
<summary><span class="verdict ${verdict}">${wordOf(result)}</span> ${escapeXml(result.title)} <span class="dim">${escapeXml(result.id)}</span></summary>
<div class="inside"><p>${escapeXml(result.level)} · ${link} · rule ${escapeXml(result.rule)} · ${result.durationMs} ms</p>
<blockquote>${escapeXml(requirement.quote)}</blockquote>${found(result)}${exchange(result)}</div></details>`;
}

/** The report as one page that needs nothing else. */
export function renderHtml(report: Report): string {
  // In the order of the specifications; a report of another version of the suite may name others.
  const named = new Set(report.results.map(({ requirement }) => requirement.section));
  const sections = [
    ...SECTIONS.filter((one) => named.has(one)),
    ...[...named].filter((one) => !SECTIONS.includes(one)),
  ];
  const boxes = VERDICTS.map((verdict) => {
    const checked = verdict === 'skip' ? '' : ' checked';
    return `<label><input type="checkbox" data-verdict="${verdict}"${checked}> <span class="verdict ${verdict}">${count(report.counts[verdict], verdict)}</span></label>`;
  });
  const first = (result: CheckResult) => isFailure(result) || isSafetyWarning(result);
  const part = (head: string, results: readonly CheckResult[]) =>
    results.length === 0 ? '' : `<section><h2>${escapeXml(head)}</h2>${results.map(entry).join('\n')}</section>`;
  const lists = [
    part('What failed', report.results.filter(isFailure)),
    part('Safety warnings', report.results.filter(isSafetyWarning)),
    ...sections.map((section) =>
      part(
        section,
        report.results.filter((result) => result.requirement.section === section && !first(result)),
      ),
    ),
  ];
  const outcome = conforms(report)
    ? '<span class="verdict pass">conforms</span>'
    : '<span class="verdict fail">does not conform</span>';
  const warnings = countSafetyWarnings(report);
  const safety =
    warnings === 0
      ? ''
      : `<p>${warnings} of the warnings ${warnings === 1 ? 'is a matter' : 'are matters'} of patient safety.</p>`;
  const title = `FHIRcast conformance of ${report.target.name}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>${STYLE}</style>
</head>
<body class="show-fail show-warning show-pass">
<main>
<h1>${escapeXml(title)}</h1>
<p>FHIRcast ${escapeXml(report.versions.join(', '))}: ${outcome}</p>
<p class="dim">${escapeXml(report.startedAt)}, ${(report.durationMs / 1000).toFixed(1)} s, ${report.results.length} checks</p>
${safety}
<p><label>Search <input type="search" placeholder="a check, a rule, a word"></label></p>
<fieldset><legend>Show</legend>${boxes.join('\n')}</fieldset>
${lists.join('\n')}
${about(report)}
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
}
