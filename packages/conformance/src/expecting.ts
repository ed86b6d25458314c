import type { Step } from './steps.ts';

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
