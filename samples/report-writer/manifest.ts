/** What the report writer is registered with. */
export const app = {
  id: 'sample-report-writer',
  name: 'Report writer',
  description: 'Opens a report, collects what other applications share in it, signs it and files it.',
  path: '/samples/report-writer/',
  scope: [
    'launch',
    'launch/patient',
    'openid',
    'fhirUser',
    'online_access',
    'user/Patient.rs',
    'user/ImagingStudy.rs',
    'user/Observation.crus',
    'user/DiagnosticReport.crus',
    'fhircast/*.read',
    'fhircast/DiagnosticReport-open.write',
    'fhircast/DiagnosticReport-close.write',
    'fhircast/DiagnosticReport-update.write',
    'fhircast/DiagnosticReport-select.write',
    'fhircast/SyncError.write',
  ].join(' '),
};
