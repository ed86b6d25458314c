import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseScope, Scopes } from '@lockstep/fhircast';
import { SUPPORTED_SCOPES } from './scope-policy.ts';
import { groupScopes, scopeWords } from './scope-words.ts';

const WORDS: Readonly<Record<string, string>> = {
  openid: 'know that you have signed in',
  'launch/patient': 'be told which patient you choose',
  offline_access: 'keep its access after you sign out',
  'patient/*.rs': 'read and search all records of the chosen patient',
  'patient/DiagnosticReport.write': 'add, change and delete diagnostic report records of the chosen patient',
  'user/Observation.r?category=laboratory':
    'read observation records of every patient you may see (only where category is laboratory)',
  'fhircast/Patient-open.read': 'see which patient you have open',
  'fhircast/Patient-open.write': 'change the open patient',
  'fhircast/ImagingStudy-close.*': 'see when the open imaging study is closed and close the open imaging study',
  'fhircast/DiagnosticReport-update.write': 'share content about the open diagnostic report',
  'fhircast/SyncError.read': 'be told when an application does not follow',
  'fhircast/SyncError.write': 'say that it does not follow',
  'fhircast/UserLogout.write': 'sign you out of your applications',
  'fhircast/org.example.thing.read': 'receive the event org.example.thing',
  'fhircast/*.read': 'see what you have open in your other applications',
  'fhircast/*.*': 'follow and change what you have open in all your applications',
  'hub/session.*': 'see your synchronized sessions and start and end your synchronized sessions',
};

test('AUT-5 scopes in plain words', () => {
  for (const [text, words] of Object.entries(WORDS)) {
    const scope = parseScope(text);
    assert.ok(scope, text);
    assert.equal(scopeWords(scope), words);
  }
});

test('AUT-5 every supported scope has words of its own and a place in one group', () => {
  const scopes = new Scopes(SUPPORTED_SCOPES.join(' ')).list;
  const groups = groupScopes(scopes);
  assert.equal(groups.flatMap(({ entries }) => entries).length, scopes.length);
  for (const { entries } of groups) for (const { words, scope } of entries) assert.notEqual(words, scope.text);
});
