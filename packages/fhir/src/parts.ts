/** What a FHIR endpoint over another store is made of: the HTTP face, batches, and the rules that both share. */
export { canEverOpen, criteriaOf, forbidden, patientLimit } from './access.ts';
export { Bundles } from './bundles.ts';
export { hubExtensions, smartSecurity } from './capability.ts';
export { containsOthers } from './compartment.ts';
export { parseCondition } from './condition.ts';
export { type Criterion, matchesAll } from './criteria.ts';
export { definitionOf } from './definitions.ts';
export { parseExact } from './exact-json.ts';
export {
  ANY_VERSION,
  type Answered,
  type AnsweredBundle,
  type CheckedWrite,
  type FhirExchange,
  type Precondition,
  type TransactionForwarder,
  type TransactionWrite,
  type WriteDone,
  type WriteTarget,
} from './exchange.ts';
export { folded, foldedWords } from './fold.ts';
export { applyJsonPatch } from './json-patch.ts';
export { fhirPlugin } from './plugin.ts';
export { isId, isObject, localReference, references, valuesAt } from './resource.ts';
export { encounterSummary, patientSummary } from './service.ts';
export { elementsIn, summaryOf } from './subset.ts';
export { contentOf, type SubmittedResource, validate } from './validate.ts';
export { FORWARDED_WORK, WorkTurns } from './work-turns.ts';
