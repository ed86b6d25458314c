import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grantableScopes } from './scope-policy.ts';

function granted(asked: string, approved: string, kind: 'user' | 'backend' = 'user'): string {
  return grantableScopes(asked, approved, kind)
    .map(({ text }) => text)
    .join(' ');
}

test('TOK-5 what was approved covers what is narrower, in either syntax, and nothing wider', () => {
  assert.equal(
    granted('patient/Patient.r patient/Patient.read patient/*.read', 'patient/Patient.rs'),
    'patient/Patient.r patient/Patient.read',
  );
  assert.equal(
    granted('user/Observation.rs?category=laboratory user/Observation.rs', 'user/Observation.rs?category=laboratory'),
    'user/Observation.rs?category=laboratory',
  );
  assert.equal(
    granted('user/Observation.rs?category=vital-signs', 'user/Observation.rs'),
    'user/Observation.rs?category=vital-signs',
  );
  assert.equal(granted('user/Patient.rs', 'patient/*.cruds'), '');
  assert.equal(granted('fhircast fhircast/*.read', 'fhircast/*.read'), 'fhircast/*.read');
  assert.equal(granted('fhircast fhircast/Patient-open.*', 'fhircast/*.*'), 'fhircast fhircast/Patient-open.*');
  assert.equal(granted('openid offline_access', 'openid'), 'openid');
});

test('TOK-5 a backend service gets nothing that belongs to a person, a person nothing of the system', () => {
  const everything =
    'openid fhirUser launch launch/patient offline_access patient/*.rs user/*.rs system/*.rs fhircast/*.* hub/session.*';
  assert.equal(granted(everything, everything, 'backend'), 'launch system/*.rs fhircast/*.* hub/session.*');
  assert.equal(granted(everything, everything), everything.replace('system/*.rs ', ''));
});
