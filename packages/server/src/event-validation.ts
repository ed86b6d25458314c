import { WorkTurns } from '@lockstep/fhir/parts';
import type { Resource } from '@lockstep/fhircast';
import type { ResourceValidation } from '@lockstep/hub';
import { isLarge, type R4Validator, type ValidationThread } from '@lockstep/r4';

/** One event is checked at a time, one of each client after the other. How many wait is the Hub's to bound. */
const TURNS = {
  perCaller: 1,
  overall: 1,
  waiting: Number.POSITIVE_INFINITY,
  waitingSize: Number.POSITIVE_INFINITY,
  waitingOverall: Number.POSITIVE_INFINITY,
  waitingSizeOverall: Number.POSITIVE_INFINITY,
};

export interface EventValidationParts {
  readonly validator: Pick<R4Validator, 'problem'>;
  /** A thread of events alone: what is written at the FHIR endpoint does not make them wait. */
  readonly thread: Pick<ValidationThread, 'check'>;
  /** Whether the elements that IHE IRA takes from FHIR R5 may be there (FHR-7). */
  readonly r5: boolean;
}

/** Holds the resources of published events against FHIR R4's definitions: small ones at once, large ones in a thread (PUB-5). */
export class EventValidation implements ResourceValidation {
  readonly #parts: EventValidationParts;
  readonly #turns = new WorkTurns(TURNS);

  constructor(parts: EventValidationParts) {
    this.#parts = parts;
  }

  problem(resource: Resource, partial: boolean): string | undefined {
    const { validator, r5 } = this.#parts;
    return validator.problem(resource, { partial, r5 })?.text;
  }

  isLarge(resources: readonly Resource[]): boolean {
    return isLarge(resources);
  }

  async problemAmong(
    resources: readonly Resource[],
    partial: boolean,
    clientId: string,
  ): Promise<{ readonly index: number; readonly text: string } | undefined> {
    const { thread, r5 } = this.#parts;
    const found = await this.#turns.run(clientId, 0, () => thread.check(resources, { partial, r5 }));
    return found && { index: found.index, text: found.problem.text };
  }
}
