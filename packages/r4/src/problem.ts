/** Why a resource is not what FHIR R4 says: FHIR's issue types (http://hl7.org/fhir/R4/valueset-issue-type.html). */
export type ProblemKind = 'structure' | 'required' | 'value' | 'invariant';

/** The first thing that is wrong with a resource. */
export interface Problem {
  readonly kind: ProblemKind;
  /** The element's path and the rule, such as `Patient.name[0].use must be one of …`: never a value, which is a patient's. */
  readonly text: string;
}

/** As much of a name that a client made up as a message repeats. */
const MAX_NAME = 60;

/** A name that a client made up, safe to repeat. */
export function named(name: string): string {
  return name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name;
}

export interface ValidationOptions {
  /**
   * Whether elements may be missing: a close may name a resource by type and id alone (FHIRcast 3.0.0 §3.2). What is there must
   * still be right.
   */
  readonly partial?: boolean;
  /** Whether the elements that IHE IRA takes from FHIR R5 may be there (FHR-7). */
  readonly r5?: boolean;
}

/** The first thing that is wrong with several resources. */
export interface ProblemAmong {
  /** Which of the resources has it, from 0. */
  readonly index: number;
  readonly problem: Problem;
}

/** What the thread that checks large resources is asked, and what it answers. */
export type CheckRequest = readonly [id: number, resources: readonly unknown[], options: ValidationOptions];
export type CheckAnswer = readonly [id: number, found: ProblemAmong | undefined];
