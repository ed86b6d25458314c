import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { jsonLimitProblem, MAX_DEPTH, MAX_VALUES } from './json-limits.ts';

/** Depth and number of values as `JSON.parse` finds them. */
function measure(value: unknown): { depth: number; values: number } {
  if (typeof value !== 'object' || value === null) return { depth: 0, values: 1 };
  const inside = Object.values(value).map(measure);
  return {
    depth: 1 + Math.max(0, ...inside.map(({ depth }) => depth)),
    values: 1 + inside.reduce((sum, { values }) => sum + values, 0),
  };
}

const nested = (levels: number, open: string, close: string): string => open.repeat(levels) + close.repeat(levels);

describe('limits of a JSON text', () => {
  it('let every ordinary value through, whatever its strings hold', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.integer({ min: 0, max: 2 }), (value, indent) => {
        const { depth, values } = measure(value);
        assert.ok(depth <= MAX_DEPTH && values <= MAX_VALUES);
        assert.equal(jsonLimitProblem(JSON.stringify(value, undefined, indent)), undefined);
      }),
    );
    const brackets = JSON.stringify({ [`${'["'.repeat(1000)}\\`]: `${'{,'.repeat(MAX_VALUES)}\\"` });
    assert.equal(jsonLimitProblem(brackets), undefined);
    assert.equal(jsonLimitProblem('"\\\\"'), undefined);
  });

  it('refuse what is nested too deeply, in arrays, objects or both, also when it never ends', () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
      ['[{"a":', '}]'],
    ] as const) {
      const levels = MAX_DEPTH / (open.match(/[[{]/g) ?? []).length;
      assert.equal(jsonLimitProblem(nested(levels, open, close)), undefined, open);
      assert.match(jsonLimitProblem(nested(levels + 1, open, close)) ?? '', /levels deep/, open);
      assert.match(jsonLimitProblem(open.repeat(levels + 1)) ?? '', /levels deep/, open);
    }
    assert.match(jsonLimitProblem(`{"\\\\":${'['.repeat(MAX_DEPTH)}`) ?? '', /levels deep/);
  });

  it('refuse what holds too many values, of whatever kind', () => {
    for (const one of ['[],', '{},', '0,', '"",', '"a":1,']) {
      assert.match(jsonLimitProblem(`[${one.repeat(MAX_VALUES + 1)}0]`) ?? '', /values/, one);
      assert.equal(jsonLimitProblem(`[${one.repeat(1000)}0]`), undefined, one);
    }
  });
});
