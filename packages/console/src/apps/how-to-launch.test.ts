import '../language/testing.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LAUNCH_KINDS } from '../api.ts';
import { howToLaunch } from './how-to-launch.ts';

const ORIGIN = 'https://lockstep.example.org';
const LAUNCH_URL = 'https://app.example.org/start?lang=de';
const METADATA = { client_name: 'App', redirect_uris: ['https://app.example.org/'], client_id: "o'k", trusted: true };
const lines = (...launchKinds: (typeof LAUNCH_KINDS)[number][]) =>
  howToLaunch({ id: "o'k", launchUrl: LAUNCH_URL, launchKinds }, METADATA, ORIGIN).map(({ text }) => text);

test('LAU-1 there is something to copy for every kind of launch but the derived one', () => {
  for (const kind of LAUNCH_KINDS) assert.equal(lines(kind).length > 0, kind !== 'derived', kind);
});

test('a launch from an EHR keeps what the app’s address says, and tells another EHR nothing of ours', () => {
  const [link = '', other = '', registration = ''] = lines('ehr');
  assert.equal(new URL(link).searchParams.get('app'), "o'k");
  const { searchParams } = new URL(other);
  assert.deepEqual([...searchParams.keys()], ['lang', 'iss', 'launch']);
  assert.deepEqual(Object.keys(JSON.parse(registration)), ['client_name', 'redirect_uris']);
});

test('CWE-78 what stands in a command is one word of it', () => {
  const [terminal = '', program = ''] = lines('command-line');
  assert.match(terminal, / launch 'o'\\''k' --user USER$/);
  assert.match(program, / -d '\{"client_id":"o'\\''k",/);
});
