import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { moved, WHOLE, wheelFactor, zoomed } from './view.ts';

test('whatever is done to a view, the middle of the picture is in the image, and the zoom within its limits', () => {
  const number = fc.double({ noNaN: true, noDefaultInfinity: true });
  const step = fc.oneof(
    fc.record({ factor: fc.double({ min: 1e-6, max: 1e6, noNaN: true }) }),
    fc.record({ by: fc.record({ x: number, y: number }) }),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let view = WHOLE;
      for (const one of steps) view = 'factor' in one ? zoomed(view, one.factor) : moved(view, one.by);
      assert.ok(view.zoom >= 0.5 && view.zoom <= 20);
      for (const part of [view.center.x, view.center.y]) assert.ok(part >= 0 && part <= 1);
    }),
  );
});

test('a wheel turned forth and back zooms in and out again', () => {
  for (const delta of [1, 40, 100, 240]) {
    assert.ok(wheelFactor(-delta) > 1);
    assert.ok(Math.abs(wheelFactor(delta) * wheelFactor(-delta) - 1) < 1e-9);
  }
});
