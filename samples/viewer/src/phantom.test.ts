import assert from 'node:assert/strict';
import test from 'node:test';
import { type Blob, shapesOf } from './phantom.ts';

const middle = (kind: string, modality: string) => shapesOf(kind, modality, 0.5, () => 0.5);

/** Dark shapes that are large enough to be lungs. */
const lungs = (shapes: readonly Blob[]) => shapes.filter(([, , width, , light]) => light < 50 && width > 0.1);

test('a chest radiograph is a projection from the front or the side, and no slice', () => {
  for (const modality of ['CR', 'DX']) {
    const [right, left, ...others] = lungs(middle('Chest X-ray PA', modality));
    assert.ok(right && left && others.length === 0, 'two lungs');
    for (const [, , width, height] of [right, left]) assert.ok(height > 1.5 * width, 'taller than wide');
    assert.equal(lungs(middle('Chest X-ray Lateral', modality)).length, 1, 'one behind the other');
  }
});

test('a radiograph looks the same at any depth, a CT of the chest does not', () => {
  const at = (modality: string, depth: number) => shapesOf('Chest', modality, depth, () => 0.5);
  assert.deepEqual(at('DX', 0.1), at('DX', 0.6));
  assert.notDeepEqual(at('CT', 0.1), at('CT', 0.6));
  assert.notDeepEqual(at('CT', 0.5), at('DX', 0.5));
});
