import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeOthers, describeState } from './status.ts';

test('a name goes with its reason to whoever puts reasons into another language', () => {
  const asked: string[] = [];
  const reasons = (said: string): string => {
    asked.push(said);
    return said.toUpperCase();
  };
  const words = { connecting: '', 'in-sync': '', unknown: '', behind: '', 'out-of-sync': 'Not in sync', closed: '' };
  const state = { status: 'out-of-sync', reason: 'a note is not saved', us: false, others: [] } as const;
  assert.equal(describeState({ ...state, who: 'PACS' }, words, reasons), 'Not in sync: PACS: A NOTE IS NOT SAVED');
  assert.equal(describeState(state, words, reasons), 'Not in sync: A NOTE IS NOT SAVED');
  const named = { ...state, who: 'PACS', reason: 'PACS is silent' };
  assert.equal(describeState(named, words, reasons), 'Not in sync: PACS IS SILENT');
  assert.deepEqual(asked, ['PACS: a note is not saved', 'a note is not saved', 'PACS is silent']);
});

test('since when an application does not follow is written as the page writes times, not as the browser does', () => {
  const since = new Date(2026, 0, 2, 15, 4, 5).getTime();
  const other = { name: 'PACS', reason: 'silent', shows: 'Rosa', since };
  const state = { status: 'out-of-sync', reason: 'silent', us: false, others: [other] } as never;
  const asSaid = (said: string): string => said;
  assert.equal(describeOthers(state, asSaid, 'de'), 'PACS: silent (Rosa), 15:04:05');
  assert.match(describeOthers(state, asSaid, 'en-US'), /^PACS: silent \(Rosa\), 3:04:05\sPM$/);
});
