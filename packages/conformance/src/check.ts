import type { Scenario } from './target/scenario.ts';

/** The specifications that the suite judges by. */
export type Version = '3.0.0' | 'STU2' | 'IRA';

export const VERSIONS: readonly Version[] = ['3.0.0', 'STU2', 'IRA'];

export type Level = 'SHALL' | 'SHOULD' | 'MAY';

/** What a Hub says that it does, or what its operator says for it; a check that needs more is skipped. */
export type Claim =
  /** `GET {hub.url}/{topic}`: `capabilities.supportsGetCurrentContext` or `getCurrentSupport`. */
  | 'get-current'
  /** At least one `*-update` in `eventsSupported`. */
  | 'content'
  /** At least one `*-select` in `eventsSupported`. */
  | 'select'
  /** `capabilities.supportsNonCurrentContextUpdates`. */
  | 'non-current-updates'
  /** `webhookSupport`. */
  | 'webhooks'
  /** The Hub says that it has no webhooks. */
  | 'no-webhooks'
  /** The run has access tokens: the Hub is protected. */
  | 'tokens'
  /** The run can get a token that reads `Patient-open` and nothing else. */
  | 'limited-token'
  /** The run can be a second client. */
  | 'second-client';

/** One thing that a Hub is checked for. A failing check throws {@link CheckFailure}; see docs/conformance.md. */
export interface Check {
  /** Lower-case words joined by dashes; stable, since reports are compared by it. */
  readonly id: string;
  readonly title: string;
  /** The rule of the Hub's rule book that it proves, such as `SUB-2`. */
  readonly rule: string;
  /** Ids in the list of requirements; the first is the one that the check rests on. */
  readonly requirements: readonly [string, ...string[]];
  readonly level: Level;
  /**
   * Whether a Hub that does not do it may leave somebody at the wrong patient. Where the text says only SHOULD, that is a
   * safety warning.
   */
  readonly safety?: boolean;
  readonly versions: readonly Version[];
  readonly needs?: readonly Claim[];
  /** Seconds that the check may take on a Hub of normal speed; 15 unless said. */
  readonly seconds?: number;
  /** Whether it runs after all others, since it judges what they met. */
  readonly last?: boolean;
  readonly run: (scenario: Scenario) => Promise<void>;
}

/** What a scenario has to do before it comes to what it checks. */
export type Step = 'subscribe' | 'confirm' | 'publish' | 'notify' | 'deny' | 'carry' | 'carry-numbers' | 'carry-all';

/** Kinds of event, in lower case, as the ids of the checks on their broadcasts name them. */
export const KINDS = [
  'patient-open',
  'patient-close',
  'encounter-open',
  'encounter-close',
  'imagingstudy-open',
  'imagingstudy-close',
  'diagnosticreport-open',
  'diagnosticreport-close',
  'diagnosticreport-update',
  'diagnosticreport-select',
  'home-open',
  'userlogout',
  'userhibernate',
  'syncerror',
  'proprietary',
] as const;

/** The checks that are about a step alone. */
export const STEPS: Readonly<Record<Step, readonly string[]>> = {
  subscribe: ['subscribe-accepted', 'subscribe-endpoint'],
  confirm: ['confirmation-sent'],
  publish: ['publish-accepted'],
  notify: ['broadcast-to-all'],
  deny: ['unsubscribe-denial'],
  /** What is broadcast of a plain event, and of one with everything in it. */
  carry: [
    'broadcast-id',
    'broadcast-timestamp',
    'broadcast-topic',
    'broadcast-context',
    'broadcast-unicode',
    'same-patient-open',
  ],
  'carry-numbers': ['broadcast-numbers'],
  /** What is broadcast of the other kinds of event. */
  'carry-all': [
    ...KINDS.map((kind) => `same-${kind}`),
    'same-large',
    'same-to-late-joiner',
    'soak',
    'broadcast-context',
  ],
};

/**
 * What a run may take for granted though the Hub does not do it, so that its other checks are judged: the check of the same
 * name fails all the same.
 */
export const ASSUMABLE = ['subscribe-accepted', 'confirmation-sent', 'publish-accepted'] as const;
export type Assumable = (typeof ASSUMABLE)[number];

/** The Hub did not do what a check asks for. */
export class CheckFailure extends Error {
  readonly expected: string;
  readonly seen: string;
  /** The step that it stumbled on, where that is not yet what the check is about. */
  step: Step | undefined;
  constructor(expected: string, seen: string) {
    super(`expected ${expected}; seen: ${seen}`);
    this.name = 'CheckFailure';
    this.expected = expected;
    this.seen = seen;
  }
}

/** Does a step of a scenario: where it fails, the failure says that it is this step's. */
export async function stepping<T>(step: Step, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CheckFailure) error.step ??= step;
    throw error;
  }
}

/** The check cannot say anything about this Hub. */
export class CheckSkip extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'CheckSkip';
  }
}

/** Throws {@link CheckFailure} unless `fact` holds. */
export function expect(fact: boolean, expected: string, seen: unknown): asserts fact {
  if (!fact) throw new CheckFailure(expected, show(seen));
}

/** A value as a report shows it: JSON, at most 600 characters. */
export function show(value: unknown): string {
  const text = typeof value === 'string' ? value : value === undefined ? 'nothing' : JSON.stringify(value);
  if (text === '') return 'an empty text';
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
}
