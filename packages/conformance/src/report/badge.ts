import { conforms, type Report } from './report.ts';
import { escapeXml } from './xml.ts';

/** The outcome as a small SVG image. */
export function renderBadge(report: Report): string {
  const label = `FHIRcast ${report.versions.join(' + ')}`;
  const { pass, fail, warning } = report.counts;
  const outcome =
    fail > 0 ? `${fail} of ${pass + fail + warning} failed` : pass > 0 ? `${pass} passed` : 'nothing tested';
  const color = conforms(report) ? (warning > 0 ? '#7a6a00' : '#1f7a3d') : '#b3261e';
  // Verdana at 11 px is about 6.6 px a character; textLength makes it exact everywhere.
  const width = (text: string) => Math.round(text.length * 6.6) + 12;
  const [left, right] = [width(label), width(outcome)];
  const text = (value: string, x: number, space: number) =>
    `<text x="${x + space / 2}" y="14" textLength="${space - 12}" text-anchor="middle">${escapeXml(value)}</text>`;
  const title = escapeXml(`${label}: ${outcome}`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + right}" height="20" role="img" aria-label="${title}">`,
    `<title>${title}</title>`,
    `<rect width="${left + right}" height="20" rx="3" fill="#444"/>`,
    `<path d="M${left} 0h${right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-${right - 3}z" fill="${color}"/>`,
    '<g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">',
    text(label, 0, left),
    text(outcome, left, right),
    '</g></svg>',
    '',
  ].join('');
}
