import assert from 'node:assert/strict';
import test from 'node:test';
import { CT_WINDOWS, dragged, windowName } from './windows.ts';

test('dragging to the right widens the window, dragging down moves it up, and it never closes', () => {
  const { soft } = CT_WINDOWS;
  assert.deepEqual(dragged(soft, 30, 0), { center: 40, width: 440 });
  assert.deepEqual(dragged(soft, 0, 30), { center: 80, width: 400 });
  assert.equal(dragged(soft, -10_000, 0).width, 1);
});

test('a window is known by its values', () => {
  assert.equal(windowName({ center: -600, width: 1500 }), 'lung');
  assert.equal(windowName({ center: -600, width: 1501 }), undefined);
});
