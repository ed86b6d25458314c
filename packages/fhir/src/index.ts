export type { TokenInfo } from './access.ts';
export type { SmartAddresses } from './capability.ts';
export { RESOURCE_TYPES } from './definitions.ts';
export type { AuditRecord, TokenOf } from './plugin.ts';
export { operationOutcome, Refusal } from './refusal.ts';
export type { Json, JsonObject, Meta, Resource } from './resource.ts';
export type { SearchBundle } from './search.ts';
export {
  createFhir,
  type EncounterSummary,
  type FhirOptions,
  type FhirService,
  type PatientSummary,
} from './service.ts';
