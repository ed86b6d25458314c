/** The checks as a list. */
import type { Check } from '../check.ts';
import { HUB_CHECKS } from '../hub/checks.ts';
import { requirement } from '../requirements.ts';
import type { HubVersion, Level } from '../specification.ts';
import { SUBSCRIBER_CHECKS } from '../subscriber/checks.ts';
import type { SuiteValues } from './arguments.ts';
import { EXIT } from './help.ts';
import { put, type SuiteTerminal } from './terminal.ts';

interface Listed {
  readonly id: string;
  readonly title: string;
  readonly level: Level;
  readonly safety: boolean;
  readonly on: 'hub' | 'subscriber';
  readonly versions: readonly HubVersion[];
  readonly rule: string;
  readonly chapter: string;
  readonly needs: readonly string[];
}

export const ON_HUBS: readonly Listed[] = HUB_CHECKS.map((check) => ({
  ...described(check),
  on: 'hub',
  versions: check.versions,
  needs: check.needs ?? [],
}));
export const ON_SUBSCRIBERS: readonly Listed[] = SUBSCRIBER_CHECKS.map((check) => ({
  ...described(check),
  on: 'subscriber',
  versions: check.versions ?? ['3.0.0', 'IRA'],
  needs: [],
}));

function described({ id, title, level, safety, rule, requirements }: Omit<Check, 'run' | 'versions' | 'needs'>) {
  return { id, title, level, safety: safety ?? false, rule, chapter: requirement(requirements[0]).section };
}

/** Lists checks, as lines or as JSON. */
export function list(checks: readonly Listed[], values: SuiteValues, terminal: SuiteTerminal): number {
  if (values.json !== undefined) {
    put(values.json, `${JSON.stringify(checks, undefined, 2)}\n`, terminal);
    return EXIT.conforms;
  }
  for (const { id, level, safety, on, versions, title } of checks) {
    const spec = `${on === 'subscriber' ? 'subscriber ' : ''}${versions.join(',')}`;
    terminal.out(`${id}\t${level}${safety ? ' safety' : ''}\t${spec}\t${title}\n`);
  }
  return EXIT.conforms;
}
