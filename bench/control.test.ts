import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STEADY, spreadOf } from './control.ts';

const level = (value: number): readonly number[] => [value, value, value, value];

test('a program that is as fast as itself, before and after, is steady', () => {
  const pair = [
    [100, 104, 96, 100],
    [101, 103, 97, 99],
  ] as const;
  assert.ok(spreadOf([pair, pair]) < STEADY);
});

test('a program that differs from itself in the turns of one measurement is not steady', () => {
  const steady = [level(100), level(100)] as const;
  assert.ok(spreadOf([steady, [level(100), level(110)]]) > STEADY);
  assert.ok(spreadOf([[level(110), level(100)], steady]) > STEADY);
});

test('a program that is slower after a scenario than before, or faster, is not steady', () => {
  const [fast, slow] = [
    [level(100), level(100)],
    [level(110), level(110)],
  ] as const;
  assert.ok(spreadOf([fast, slow]) > STEADY);
  assert.ok(spreadOf([slow, fast]) > STEADY);
});
