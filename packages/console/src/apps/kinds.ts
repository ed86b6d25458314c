import type { LaunchKind } from '../api.ts';

/** Kinds of launch in plain words. */
export const KIND_WORDS: Readonly<Record<LaunchKind, { readonly short: string; readonly long: string }>> = {
  ehr: { short: 'From the EHR', long: 'Started from the EHR with the open patient (SMART EHR launch)' },
  standalone: { short: 'On its own', long: 'Started by itself; asks for a patient (SMART standalone launch)' },
  backend: { short: 'Backend service', long: 'Runs without a person (SMART backend service)' },
  'command-line': { short: 'Command line', long: 'A program on the desktop, told the session by its arguments' },
  web: { short: 'Web parameters', long: 'A web page, told the session in its address' },
  file: { short: 'File drop', long: 'A program that watches a folder for a file with the session' },
  derived: { short: 'No launch', long: 'Finds the session by the user name and a shared secret' },
};
