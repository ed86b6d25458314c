/**
 * Types only: after `import '@lockstep/client/r4'` the resources of a context have the types of FHIR R4 that `@types/fhir` has, so that
 * `context.resources.patient?.name` needs no cast. The Hub has checked no more than its validation says: absent elements are undefined.
 */
import type { DiagnosticReport, Encounter, ImagingStudy, Patient } from 'fhir/r4.js';

declare module './context.ts' {
  interface ResourceTypes {
    readonly patient?: Patient;
    readonly encounter?: Encounter;
    readonly study?: ImagingStudy;
    readonly report?: DiagnosticReport;
  }
}
