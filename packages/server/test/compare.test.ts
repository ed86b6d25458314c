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
  return judgedAfterCopy([], histories);
}

/** @param before ids of what was published before a copy was put back, which each had been told of, but where it says otherwise */
function judgedAfterCopy(
  before: readonly string[],
  histories: readonly (readonly Json[])[],
  sawBefore = (_follower: number, id: string): boolean => before.includes(id),
): Record<string, number> {
  const followers = histories.map((events, n) => {
    const saw = (id: string): boolean => events.some((one) => one.id === id) || sawBefore(n, id);
    return { name: `F${n}`, events, journal: [`journal of F${n}`], saw };
  });
  const ids = new Set(ALL.map(({ id }) => id));
  const tried = { has: (id: string) => ids.has(id), isBeforeCopy: (id: string) => before.includes(id) };
  const { details, events, ...counts } = compared(followers, ids, tried);
  const found = Object.entries(counts).filter(([kind, count]) => kind !== 'unexplained' && count > 0);
  assert.equal(details.length > 0, found.length > 0, 'what is wrong is told');
  assert.equal(events.length > 0, found.length > 0, 'and which events it is about');
  return Object.fromEntries(found);
}

test('PUB-3, PUB-4 the comparison of histories counts what is missing, moved, forked or different, and nothing else', () => {
  assert.deepEqual(judged(ALL, ALL), {});
  assert.deepEqual(judged(ALL, [open, first, other]), { lost: 1 });
  assert.deepEqual(judged([open, other], [open, other]), { lost: 4 }, 'accepted, and nobody got it');
  assert.deepEqual(judged(ALL, [open, first, other, second]), { reordered: 2 });
  const forked = told('u2', 'DiagnosticReport-update', 'v3', 'v1');
  assert.deepEqual(judged([open, first, forked, other]), { forked: 1 });
  const another = told('u2', 'DiagnosticReport-update', 'v9', 'v2');
  assert.deepEqual(judged(ALL, [open, first, another, other]), { differing: 1 });
});

test('PUB-3 what the Hub made for one subscriber need not reach others', () => {
  const question = told('o!seen.x.f', 'DiagnosticReport-open', 'v3');
  assert.deepEqual(judged(ALL, [open, first, second, question, other]), {});
  assert.deepEqual(judged([open, first, second, question, other], ALL), {});
});

test('CON-2 an open that is told ahead of the updates before it is found: their versions go back', () => {
  const early = told('o!seen.x.f', 'DiagnosticReport-open', 'v3');
  assert.deepEqual(judged([open, first, early, second, other]), { forked: 1 });
});

test('PUB-4, PUB-7 of an event on its way while a copy is put back: who was told of it before need not be told again, everybody else is', () => {
  const again = told('p', 'Patient-open', 'w2');
  const others = [open, first, second];
  assert.deepEqual(judgedAfterCopy(['p'], [ALL, others]), {}, 'told again, and known still');
  assert.deepEqual(judgedAfterCopy(['p'], [ALL, [again, ...others]]), {}, 'in another place, with another version');
  assert.deepEqual(
    judgedAfterCopy(['p'], [ALL, others], (follower) => follower === 0),
    { lost: 1 },
    'neither before nor after',
  );
  assert.deepEqual(
    judgedAfterCopy(['p'], [ALL, [open, other]]),
    { lost: 2 },
    'what was published after it is due as ever',
  );
  assert.deepEqual(judgedAfterCopy(['p'], [ALL, [open, second, first]]), { reordered: 2 });
  assert.deepEqual(
    judgedAfterCopy(['u1'], [[open, second, other], ALL]),
    { forked: 1 },
    'an update that was accepted once more counts',
  );
});
