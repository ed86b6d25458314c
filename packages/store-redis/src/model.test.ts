import assert from 'node:assert/strict';
import test from 'node:test';
import { checkModel, OMISSIONS, PROMISES, type Promised } from '../test/model/model.ts';

for (const promised of Object.keys(PROMISES) as Promised[]) {
  test(`PUB-3, PUB-4 two nodes and three events, in every order, where ${promised}`, () => {
    const { states, error } = checkModel(promised, [], 2);
    assert.equal(error, undefined);
    assert.ok(states > 10_000);
  });
}

// `npm run model` shows each of them wherever it does harm.
for (const { option, harmful } of OMISSIONS) {
  const [promised] = harmful;
  if (promised === undefined) continue;
  test(`the model does not hold with ${option} where ${promised}`, () => {
    assert.notEqual(checkModel(promised, [option]).error, undefined);
  });
}
