import type { Report } from '../src/index.ts';

/** A check's finding: a failure or a warning, with what the report says of it. */
export interface Finding {
  readonly id: string;
  readonly expected: string | undefined;
  readonly seen: string | undefined;
}

/** What a run found. A healthy Hub has none, however busy the machine is. */
export function findings({ results }: Report): Finding[] {
  return results.flatMap(({ id, verdict, expected, seen }) =>
    verdict === 'fail' || verdict === 'warning' ? [{ id, expected, seen }] : [],
  );
}
