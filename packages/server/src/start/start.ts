/** What every step of the start works with. */
import { createRequire } from 'node:module';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import type { ServerParts } from './parts.ts';

export interface Start {
  readonly config: Config;
  readonly log: Logger;
  /** Where a step starts what has to be stopped again. */
  readonly parts: ServerParts;
  /** Hears what fails in the background. */
  readonly failed: (error: unknown) => void;
  /** Ends the wait for room on a full disk, where the store cannot be made yet. */
  readonly signal: AbortSignal | undefined;
}

/** The version of this package. */
export const { version: VERSION } = createRequire(import.meta.url)('../../package.json') as { version: string };
