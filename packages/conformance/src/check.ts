import type { Claim, HubVersion, Level } from './specification.ts';
import type { Scenario } from './target/scenario.ts';

/** One thing that a Hub is checked for. A failing check throws `CheckFailure`; see docs/conformance.md. */
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
  readonly versions: readonly HubVersion[];
  readonly needs?: readonly Claim[];
  /** Seconds that the check may take on a Hub of normal speed; 15 unless said. */
  readonly seconds?: number;
  /** Whether it holds much in memory: of such checks one runs at a time. */
  readonly heavy?: boolean;
  /** Whether it runs after all others, since it judges what they met. */
  readonly last?: boolean;
  readonly run: (scenario: Scenario) => Promise<void>;
}
