export type { Problem, ProblemKind } from './problem.ts';
export { R4Validator, type ValidationOptions } from './r4-validator.ts';
