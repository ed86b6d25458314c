/** What the viewer is registered with. */
export const app = {
  id: 'sample-viewer',
  name: 'Image viewer',
  description: 'Shows the study you have open, measures in it and shares what was measured.',
  words: 'viewer' as const,
  path: '/samples/viewer/',
  scope: [
    'launch',
    'launch/patient',
    'openid',
    'fhirUser',
    'online_access',
    'user/Patient.rs',
    'user/ImagingStudy.rs',
    'fhircast/*.read',
    'fhircast/Patient-open.write',
    'fhircast/ImagingStudy-open.write',
    'fhircast/DiagnosticReport-update.write',
    'fhircast/DiagnosticReport-select.write',
    'fhircast/SyncError.write',
    'fhircast/org.lockstep.survey.answer.write',
  ].join(' '),
};
