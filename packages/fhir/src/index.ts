export { canEverOpen, type TokenInfo } from './access.ts';
export type { SmartAddresses } from './capability.ts';
export { RESOURCE_TYPES } from './definitions.ts';
export type { ImageAddress, ImagesOf } from './images.ts';
export { FHIR_JSON } from './negotiation.ts';
export type { AccessRecord, TokenOf } from './plugin.ts';
export { FhirRefusal, type IssueType, operationOutcome } from './refusal.ts';
export type { Json, JsonObject, Meta, Resource } from './resource.ts';
export { sampleImage } from './samples/images/sample-images.ts';
export type { SearchBundle } from './search.ts';
export {
  createFhir,
  type EncounterSummary,
  type FhirOptions,
  type FhirService,
  type PatientSummary,
  type PatientsAsked,
  type PatientsPage,
} from './service.ts';
