/** Hubs that are healthy but for one thing: the list, and what the suite says of each. */
import type { ConformanceOptions, Report } from '../../src/index.ts';
import { runConformance } from '../../src/index.ts';
import { DEFECTS, type DefectName, type Setup } from '../defects.ts';
import { ModelHub } from '../model-hub.ts';
import { type Change, Relay } from '../relay.ts';
import { BROADCAST_MUTANTS } from './broadcasts.ts';
import { CONDITIONAL_MUTANTS } from './conditional.ts';
import { OTHER_MUTANTS } from './others.ts';
import { REPEATED_MUTANTS } from './repeated.ts';
import { SELDOM_MUTANTS } from './seldom.ts';

/** A defect that is made by changing messages between the suite and a healthy Hub. */
export interface Mutant {
  /** The check that has to find it. */
  readonly check: string;
  readonly setup?: Setup;
  readonly make: () => Change;
}

/** One Hub with one defect. */
export interface SeededHub {
  readonly name: string;
  readonly check: string;
  /** Whether the defect is in the model hub or in the messages. */
  readonly by: 'model' | 'messages';
  /** @returns the report of the check that has to find it, and of others if asked for */
  readonly judge: (options?: Partial<ConformanceOptions>) => Promise<Report>;
}

const WAITS = { timeoutMs: 2000, settleMs: 90, concurrency: 12 } as const;

/** What the suite is told of a model hub. */
export function optionsFor(hub: { url: string; origin: string }, setup: Setup): ConformanceOptions {
  return {
    ...WAITS,
    hubUrl: hub.url,
    versions: setup === 'ira' ? ['IRA'] : ['3.0.0', 'STU2'],
    ...(setup === 'tokens' && {
      authorization: {
        kind: 'client',
        smart: `${hub.origin}/fhir`,
        clientId: 'suite',
        secret: 'secret',
        other: { clientId: 'other', secret: 'secret' },
      } as const,
    }),
  };
}

/** The checks of a run: one that judges what others met needs others. */
const runOf = (check: string): readonly string[] => (check === 'run-unaltered' ? [check, 'late-joiner-*'] : [check]);

async function judgeModel(name: DefectName, options: Partial<ConformanceOptions>): Promise<Report> {
  const defect = DEFECTS[name];
  const setup: Setup = 'setup' in defect ? defect.setup : 'core';
  const hub = await ModelHub.start({ setup, defects: [name] });
  try {
    const restart = async () => hub.restart();
    return await runConformance({ ...optionsFor(hub, setup), restart, only: runOf(defect.check), ...options });
  } finally {
    await hub.close();
  }
}

async function judgeMessages(
  { check, setup = 'core', make }: Mutant,
  options: Partial<ConformanceOptions>,
): Promise<Report> {
  const hub = await ModelHub.start({ setup });
  const relay = await Relay.start(hub, { change: make() });
  try {
    const { origin } = hub;
    return await runConformance({ ...optionsFor({ url: relay.url, origin }, setup), only: runOf(check), ...options });
  } finally {
    await relay.close();
    await hub.close();
  }
}

/** All of them. */
export const SEEDED_HUBS: readonly SeededHub[] = [
  ...(Object.keys(DEFECTS) as DefectName[]).map(
    (name): SeededHub => ({
      name,
      check: DEFECTS[name].check,
      by: 'model',
      judge: (options = {}) => judgeModel(name, options),
    }),
  ),
  ...Object.entries({
    ...BROADCAST_MUTANTS,
    ...OTHER_MUTANTS,
    ...CONDITIONAL_MUTANTS,
    ...REPEATED_MUTANTS,
    ...SELDOM_MUTANTS,
  }).map(
    ([name, mutant]): SeededHub => ({
      name,
      check: mutant.check,
      by: 'messages',
      judge: (options = {}) => judgeMessages(mutant, options),
    }),
  ),
];
