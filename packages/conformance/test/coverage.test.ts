import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DOCUMENT, renewed } from '../scripts/coverage.ts';
import { HUB_CHECKS, REQUIREMENTS, requirement, SUBSCRIBER_CHECKS } from '../src/index.ts';

const ALL = [...HUB_CHECKS, ...SUBSCRIBER_CHECKS];

test('every requirement has a check or a reason why it has none', () => {
  const covered = new Set<string>(ALL.flatMap(({ requirements }) => requirements));
  const bare = REQUIREMENTS.filter(({ id, unobservable }) => !covered.has(id) && unobservable === undefined);
  assert.deepEqual(
    bare.map(({ id }) => id),
    [],
  );
  const both = REQUIREMENTS.filter(({ id, unobservable }) => covered.has(id) && unobservable !== undefined);
  assert.deepEqual(
    both.map(({ id }) => id),
    [],
  );
});

test('checks and requirements have ids of their own', () => {
  assert.equal(new Set(ALL.map(({ id }) => id)).size, ALL.length);
  assert.equal(new Set(REQUIREMENTS.map(({ id }) => id)).size, REQUIREMENTS.length);
});

test('a check claims no more than the requirement that it rests on', () => {
  for (const check of ALL) {
    for (const id of check.requirements) requirement(id);
    const basis = requirement(check.requirements[0]);
    if (check.level === 'SHALL') assert.equal(basis.level, 'SHALL', check.id);
    if (check.versions) assert.ok(check.versions.includes(basis.version), `${check.id} rests on ${basis.version}`);
  }
});

test('the coverage table in docs/conformance.md is up to date', () => {
  const document = readFileSync(DOCUMENT, 'utf8');
  assert.equal(document, renewed(document), 'run: node packages/conformance/scripts/coverage.ts');
});
