/** Writes the tables of docs/conformance.md from the checks: `node packages/conformance/scripts/coverage.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  HUB_CHECKS,
  type HubVersion,
  REQUIREMENTS,
  type Requirement,
  SUBSCRIBER_CHECKS,
  VERSIONS,
} from '../src/index.ts';

export const DOCUMENT = fileURLToPath(new URL('../../../docs/conformance.md', import.meta.url));

const BEGIN = '<!-- coverage: written by packages/conformance/scripts/coverage.ts -->';
const END = '<!-- end of coverage -->';

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function checksOf(requirement: Requirement): string {
  const all: readonly { id: string; requirements: readonly string[] }[] = [...HUB_CHECKS, ...SUBSCRIBER_CHECKS];
  const ids = all.filter(({ requirements }) => requirements.includes(requirement.id)).map(({ id }) => `\`${id}\``);
  if (ids.length > 0) return ids.join(', ');
  return `— ${requirement.unobservable ?? ''}`;
}

function table(requirements: readonly Requirement[]): string {
  const rows = requirements.map((one) => {
    const quote = cell(one.quote);
    return `| [${cell(one.section)}](${one.link}) | ${one.level} | ${quote} | ${checksOf(one)} |`;
  });
  return ['| Section | Level | Requirement | Checks |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

const HEADS: Readonly<Record<HubVersion, string>> = {
  '3.0.0': 'FHIRcast 3.0.0',
  STU2: 'FHIRcast STU2 webhooks',
  IRA: 'IHE Radiology, Integrated Reporting Applications',
};

/** The part of the document between its marks. */
export function renderCoverage(): string {
  const hub = VERSIONS.flatMap((version) => [
    `### Hub: ${HEADS[version]}`,
    '',
    table(REQUIREMENTS.filter((one) => one.on === 'Hub' && one.version === version)),
    '',
  ]);
  const app = (['3.0.0', 'IRA'] as const).flatMap((version) => [
    `### Application: ${HEADS[version]}`,
    '',
    table(REQUIREMENTS.filter((one) => one.on === 'Subscriber' && one.version === version)),
    '',
  ]);
  const counts = `${HUB_CHECKS.length} checks on a Hub, ${SUBSCRIBER_CHECKS.length} on an application, ${REQUIREMENTS.length} requirements.`;
  return [counts, '', ...hub, ...app].join('\n');
}

/** The document with its tables renewed. */
export function renewed(document: string): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`the marks "${BEGIN}" and "${END}" are not in the document`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${renderCoverage()}\n${document.slice(end)}`;
}

if (import.meta.main) writeFileSync(DOCUMENT, renewed(readFileSync(DOCUMENT, 'utf8')));
