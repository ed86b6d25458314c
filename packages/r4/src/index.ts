export type { Problem, ProblemKind, ValidationOptions } from './problem.ts';
export { R4Validator } from './r4-validator.ts';
