import assert from 'node:assert/strict';
import test from 'node:test';
import { compared } from './cluster/compare.ts';
import type { Json } from './harness.ts';

/** An event as a subscriber is told it: `name` of an open, or an update of the version before. */
function told(id: string, name: string, versionId?: string, priorVersionId?: string): Json {
  const versions = { 'context.versionId': versionId, 'context.priorVersionId': priorVersionId };
  return { id, event: { 'hub.event': name, ...versions } };
}

const open = told('o', 'DiagnosticReport-open', 'v1');
const first = told('u1', 'DiagnosticReport-update', 'v2', 'v1');
const second = told('u2', 'DiagnosticReport-update', 'v3', 'v2');
const other = told('p', 'Patient-open', 'w1');
const ALL = [open, first, second, other];

function judged(...histories: readonly (readonly Json[])[]): Record<string, number> {
  const followers = histories.map((events, n) => ({ name: `F${n}`, events, journal: [`journal of F${n}`] }));
  const ids = new Set(ALL.map(({ id }) => id));
  const { details, ...counts } = compared(followers, ids, ids);
  const found = Object.entries(counts).filter(([kind, count]) => kind !== 'unexplained' && count > 0);
  assert.equal(details.length > 0, found.length > 0, 'what is wrong is told');
  return Object.fromEntries(found);
}

test('PUB-3, PUB-4 the comparison of histories counts what is missing, moved, forked or told differently, and nothing else', () => {
  assert.deepEqual(judged(ALL, ALL), {});
  assert.deepEqual(judged(ALL, [open, first, other]), { lost: 1 });
  assert.deepEqual(judged([open, other], [open, other]), { lost: 4 }, 'accepted, and nobody got it');
  assert.deepEqual(judged(ALL, [open, first, other, second]), { reordered: 2 });
  const forked = told('u2', 'DiagnosticReport-update', 'v3', 'v1');
  assert.deepEqual(judged([open, first, forked, other]), { forked: 1 });
  const another = told('u2', 'DiagnosticReport-update', 'v9', 'v2');
  assert.deepEqual(judged(ALL, [open, first, another, other]), { differing: 1 });
});

test('PUB-3 what the Hub made for one subscriber is nothing that others have to be told', () => {
  const question = told('o!seen.x.f', 'DiagnosticReport-open', 'v3');
  assert.deepEqual(judged(ALL, [open, first, second, question, other]), {});
  assert.deepEqual(judged([open, first, second, question, other], ALL), {});
});

test('CON-2 an open that is told ahead of the updates before it is found: their versions go back', () => {
  const early = told('o!seen.x.f', 'DiagnosticReport-open', 'v3');
  assert.deepEqual(judged([open, first, early, second, other]), { forked: 1 });
});
