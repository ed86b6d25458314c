import { run } from '../../kit/app.tsx';
import { app } from '../manifest.ts';
import { Writer } from './writer.tsx';

void run(
  app,
  [
    'Patient-open',
    'Patient-close',
    'Encounter-open',
    'ImagingStudy-open',
    'ImagingStudy-close',
    'DiagnosticReport-open',
    'DiagnosticReport-close',
    'DiagnosticReport-update',
    'DiagnosticReport-select',
    'UserLogout',
  ],
  (connected) => <Writer {...connected} />,
);
