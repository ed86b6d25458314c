import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CHAIN_START, ChainCheck, type ChainEnd, chained, chainPast } from './chain.ts';

/** A chain of so many records. */
function chain(count: number, end: ChainEnd = CHAIN_START): { lines: string[]; ends: ChainEnd[] } {
  const lines: string[] = [];
  const ends: ChainEnd[] = [];
  for (let index = 0; index < count; index += 1) {
    const next = chained({ resourceType: 'AuditEvent', index }, ends.at(-1) ?? end);
    lines.push(next.line);
    ends.push(next.end);
  }
  return { lines, ends };
}

function check(lines: readonly string[], anchors?: ReadonlyMap<number, string>): ChainCheck {
  const checked = new ChainCheck(anchors);
  for (const [index, line] of lines.entries()) checked.line(line, index + 1);
  checked.finish();
  return checked;
}

describe('the chain of audit records', () => {
  it('holds as it was written, from any record on', () => {
    const { lines } = chain(20);
    for (let from = 0; from < 20; from += 1) assert.deepEqual(check(lines.slice(from)).problems, []);
  });

  it('breaks by any change to a record, any record left out, put in twice or moved', () => {
    const { lines } = chain(12);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10 }),
        fc.constantFrom('change', 'leave out', 'double', 'swap', 'forge'),
        (at, how) => {
          const bad = [...lines];
          const line = bad[at]!;
          if (how === 'change') bad[at] = line.replace('"index":', '"index":9');
          if (how === 'leave out') bad.splice(at, 1);
          if (how === 'double') bad.splice(at, 0, line);
          if (how === 'swap') [bad[at], bad[at + 1]] = [bad[at + 1]!, line];
          if (how === 'forge') bad[at] = chained({ forged: true }, { number: at, hash: '1'.repeat(64) }).line;
          // The first record of a file has nothing before it: what is left without it is a chain.
          if (how === 'leave out' && at === 0) assert.deepEqual(check(bad).problems, []);
          else assert.notDeepEqual(check(bad).problems, [], `${how} ${at}`);
        },
      ),
    );
  });

  it('misses what is gone at its end, or was all written again, by a hash that was noted elsewhere', () => {
    const { lines, ends } = chain(10);
    const noted = new Map([[10, ends[9]!.hash]]);
    assert.deepEqual(check(lines, noted).problems, []);
    assert.match(check(lines.slice(0, 8), noted).problems[0]?.problem ?? '', /10, which was noted, is not there/);
    const again = chain(10, { number: 0, hash: '0'.repeat(64) }).lines.map((line) => line);
    assert.deepEqual(check(again, noted).problems, []);
    const other = chained({ other: true }, CHAIN_START);
    const rewritten = [other.line, ...chain(9, other.end).lines];
    assert.match(check(rewritten, noted).problems[0]?.problem ?? '', /not the one that was noted/);
  });

  it('goes on after a record that a crash cut off, and only by that record and those before', () => {
    const { lines, ends } = chain(3);
    const torn = lines[2]!.slice(0, 40);
    const again = lines[2]!.slice(0, 7);
    for (const cut of [[torn], [torn, again], [again, again, torn]]) {
      const hash = cut.reduce<string>(chainPast, ends[1]!.hash);
      const next = chain(2, { number: 2, hash });
      const whole = check([...lines.slice(0, 2), ...cut, ...next.lines]);
      assert.deepEqual(whole.problems, []);
      assert.ok(whole.wasTorn);
      const changed = lines[1]!.replace('"index":1', '"index":7');
      for (const bad of [
        [...lines.slice(0, 2), 'something else', ...next.lines],
        [...lines.slice(0, 2), 'something else', ...cut, ...next.lines],
        [...lines.slice(0, 2), ...cut, '', ...next.lines],
        [lines[0]!, changed, ...cut, ...next.lines],
        [lines[0]!, ...cut, ...next.lines],
      ]) {
        assert.notDeepEqual(check(bad).problems, [], JSON.stringify(bad));
      }
      assert.match(check([...lines.slice(0, 2), ...cut]).problems[0]?.problem ?? '', /cut off/);
    }
  });

  it('reads files of earlier versions, whose records after a crash hold the hash of the torn line alone', () => {
    const { lines } = chain(2);
    const torn = '{"resourceType":"Aud';
    const next = chain(2, { number: 2, hash: createHash('sha256').update(torn).digest('hex') });
    assert.deepEqual(check([...lines, torn, ...next.lines]).problems, []);
  });
});
