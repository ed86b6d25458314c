/** The commands of the tutorials and guides, run as they stand there. */
import { it } from 'node:test';
import { runGuide } from './guides.ts';

it('tutorial for the developer of an app', async (t) => {
  await runGuide(t, 'docs/tutorials/app-developer.md', {
    shows: [
      /Lockstep is ready at/,
      /The session is [\w-]+/,
      /\[in-sync\]/,
      /Now showing Patient\/rosa-quispe/,
      /\[out-of-sync\] .*a note is not saved/,
      /My first app/,
    ],
  });
});

it('tutorial for the vendor of an EHR', async (t) => {
  await runGuide(t, 'docs/tutorials/ehr-vendor.md', {
    shows: [
      /The topic is [\w-]+/,
      /answered 202/,
      /walter-pruitt/,
      /"notFollowing":\[.*"Old viewer"/,
      /ended: 204/,
      /The session has ended|ended/,
    ],
  });
});

it('tutorial for the operator', async (t) => {
  await runGuide(t, 'docs/tutorials/operator.md', {
    shows: [
      /LOCKSTEP_PROFIL is no setting; did you mean LOCKSTEP_PROFILE/,
      /refused, and said why/,
      /lockstep_build_info/,
      /Dr\. Marta Ruiz/,
      /rosa-quispe[\s\S]*rosa-quispe/,
      /walter-pruitt/,
      /"fhircastVersion":"3\.0\.0"/,
    ],
  });
});

it('tutorial for the tester of a Hub', async (t) => {
  await runGuide(t, 'docs/tutorials/conformance-tester.md', {
    shows: [
      /conforms/,
      /exit code 1\n/,
      /exit code 1: one of them/,
      /the package is as it was signed/,
      /Example: FHIRcast 3\.0\.0: conforms/,
    ],
  });
});
