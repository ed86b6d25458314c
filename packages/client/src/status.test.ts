import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeState } from './status.ts';

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
