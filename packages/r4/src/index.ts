export type { Problem, ProblemAmong, ProblemKind, ValidationOptions } from './problem.ts';
export { isLarge, R4Validator, type TypeParts } from './r4-validator.ts';
export { ValidationThread } from './validation-thread.ts';
