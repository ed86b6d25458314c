import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isLarge, R4Validator } from './r4-validator.ts';
import { ValidationThread } from './validation-thread.ts';

const components = (length: number, more: object = {}): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'Length' },
  component: Array.from({ length }, () => ({ code: { text: 'a' }, valueQuantity: { value: 1.5, unit: 'mm' } })),
  ...more,
});

/** Turns of the event loop until the check has ended: none where it is done at once. */
async function turnsOf(check: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  void check.then(() => {
    isDone = true;
  });
  await null;
  await null;
  await null;
  while (!isDone) {
    turns += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return turns;
}

describe('FHR-6 a resource is checked', () => {
  const validator = new R4Validator();

  it('at once where it is small, and by a thread where it is large: the event loop goes on', async () => {
    assert.equal(await turnsOf(validator.check(components(1))), 0);
    assert.ok((await turnsOf(validator.check(components(4_000)))) > 0);
    // Many values in one element, in a member, nested.
    assert.ok((await turnsOf(validator.check(components(1, { note: { text: Array(400).fill('x') } })))) > 0);
    const deep = Array.from({ length: 400 }).reduce<object>((inner) => ({ extension: [inner] }), {});
    assert.ok((await turnsOf(validator.check(deep))) > 0);
  });

  it('with the same result either way', async () => {
    for (const [name, resource, options] of [
      ['good', components(500), {}],
      ['wrong', components(500, { status: 'unknown word' }), {}],
      ['incomplete', components(500, { code: undefined }), {}],
      ['partial', components(500, { status: 'final', code: undefined }), { partial: true }],
      ['R5', { ...components(500), resourceType: 'DiagnosticReport', study: [{ reference: 'ImagingStudy/1' }] }, {}],
      ['no resource', Array(1_000).fill(1), {}],
      ['no such type', components(500, { resourceType: 'Nothing' }), {}],
    ] as const) {
      assert.deepEqual(await validator.check(resource, options), validator.problem(resource, options), name);
    }
  });

  it('several resources together, with the first of them that has something wrong', async () => {
    const thread = new ValidationThread();
    const wrong = components(1, { status: 'unknown word' });
    for (const resources of [[], [components(1), components(1)], [components(1), wrong, components(1, { code: 1 })]]) {
      assert.deepEqual(await thread.check(resources, {}), validator.problemAmong(resources), `${resources.length}`);
    }
    assert.equal(validator.problemAmong([components(1), wrong])?.index, 1);
    assert.deepEqual([isLarge([components(1), components(1)]), isLarge(Array(60).fill(components(1)))], [false, true]);
  });

  it('many at once, each with its own result', async () => {
    const checks = Array.from({ length: 20 }, (_, n) =>
      validator.check(components(100, n % 2 === 0 ? {} : { status: 'x' })),
    );
    for (const [n, problem] of (await Promise.all(checks)).entries())
      assert.equal(problem?.kind, n % 2 ? 'value' : undefined);
  });
});
