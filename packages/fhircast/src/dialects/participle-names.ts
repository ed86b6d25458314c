import type { Dialect } from './dialect.ts';

const ACTIONS = new Map([
  ['opened', 'open'],
  ['closed', 'close'],
  ['updated', 'update'],
  ['selected', 'select'],
]);
const PARTICIPLES = new Map([...ACTIONS].map(([participle, action]) => [action, participle]));

const NAME = /^([A-Za-z]+)-([a-z]+)$/i;

/** The name with another last word, where there is one for it. */
function renamed(name: string, word: (action: string) => string | undefined): string {
  const [, type = '', last = ''] = NAME.exec(name) ?? [];
  const found = word(last.toLowerCase());
  return found === undefined ? name : `${type}-${found}`;
}

/** `DiagnosticReport-opened` for `DiagnosticReport-open`, and so on, in both directions. */
export const participleNames: Dialect = {
  name: 'participleNames',
  source: 'Samples of reporting connectors that were published before FHIRcast STU1 settled the names',
  nameIn: (name) => renamed(name, (last) => ACTIONS.get(last)),
  nameOut: (name) => renamed(name, (last) => PARTICIPLES.get(last)),
};
