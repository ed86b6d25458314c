import type { Json } from '@lockstep/fhir';
import type { Interaction } from '@lockstep/fhircast';
import { patientOf } from './compartment.ts';
import type { PageObject } from './page.ts';
import type { Looks, Rights } from './rights.ts';

export interface Judged {
  readonly isAllowed: boolean;
  /** Whose it is; where it is allowed. */
  readonly patient?: string | undefined;
}

/**
 * Decides which resources of one page its reader may have. They are mostly alike in what is looked at, such as their patient: a page
 * gives equal values as the same object, and a resource that has the same ones as the one before is judged as that was.
 */
export class PageJudge {
  readonly #rights: Rights;
  readonly #baseUrl: string;
  #last:
    | {
        readonly interaction: Interaction;
        readonly type: string;
        readonly looks: Looks;
        readonly values: readonly (Json | undefined)[];
        readonly judged: Judged;
      }
    | undefined;

  constructor(rights: Rights, baseUrl: string) {
    this.#rights = rights;
    this.#baseUrl = baseUrl;
  }

  judge(interaction: Interaction, type: string, id: string, resource: Pick<PageObject, 'member'>): Judged {
    const before = this.#last;
    const last = before?.interaction === interaction && before.type === type ? before : undefined;
    const looks = last?.looks ?? this.#rights.looksAt(interaction, type);
    const values = looks.names.map((name) => resource.member(name));
    if (last && !looks.atId && values.every((value, index) => value === last.values[index])) return last.judged;
    const checked: Record<string, Json | undefined> = { resourceType: type, id };
    for (const [index, name] of looks.names.entries()) checked[name] = values[index];
    const isAllowed = this.#rights.allows(interaction, checked);
    const judged = isAllowed ? { isAllowed, patient: patientOf(checked, this.#baseUrl) } : { isAllowed };
    this.#last = { interaction, type, looks, values, judged };
    return judged;
  }
}
