import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openLog } from './log.ts';

/** The lines that are logged. */
function logging() {
  const lines: string[] = [];
  return { lines, log: openLog('trace', { write: (line: string) => void lines.push(line) }) };
}

const logged = (given: object) => {
  const { lines, log } = logging();
  log.error(given, 'failed');
  assert.equal(lines.length, 1);
  return { line: lines[0] ?? '', value: JSON.parse(lines[0] ?? '') };
};

describe('an error in the log', () => {
  const SECRET = 'Secretname';
  const members: readonly object[] = [
    { rawPacket: Buffer.from(SECRET) },
    { body: SECRET },
    { payload: { name: SECRET } },
    { input: SECRET },
    { toJSON: () => SECRET },
    { code: { toString: () => SECRET } },
    { errors: [new Error(SECRET)] },
  ];

  it('has its name, message, code, place and causes, and no other members', () => {
    for (const more of members) {
      const cause = Object.assign(new TypeError('the cause'), more);
      const { line, value } = logged({ err: Object.assign(new Error('went wrong', { cause }), more) });
      assert.doesNotMatch(line, /Secretname|83,101,99/);
      assert.deepEqual([value.err.type, value.err.message], ['Error', 'went wrong']);
      assert.deepEqual([value.err.cause.type, value.err.cause.message], ['TypeError', 'the cause']);
      assert.match(value.err.stack, /log\.test\.ts/);
    }
    const { value } = logged({ err: Object.assign(new Error('away'), { code: 'ECONNREFUSED' }) });
    assert.equal(value.err.code, 'ECONNREFUSED');
  });

  it('quotes no JSON that could not be read', () => {
    for (const text of ['{"name": Secretname}', 'Secretname', '{"a":"Secretname']) {
      assert.throws(
        () => JSON.parse(text),
        (error) => {
          const { line, value } = logged({ err: new Error('no answer', { cause: error }) });
          assert.doesNotMatch(line, /Secretname/);
          assert.equal(value.err.cause.type, 'SyntaxError');
          return true;
        },
      );
    }
  });

  it('is one line, whatever its message has', () => {
    const { value } = logged({ err: new Error('a\nb\r\u001b[31m{"level":60}\u2028') });
    assert.equal(value.err.message, 'a\nb\r\u001b[31m{"level":60}\u2028');
  });

  it('may be anything that was thrown, and go round in circles', () => {
    const circle = new Error('round');
    circle.cause = circle;
    for (const thrown of ['Secretname', 5, null, undefined, { name: 'Secretname' }, circle]) {
      assert.doesNotMatch(logged({ err: thrown }).line, /Secretname/);
    }
  });
});

it('requests and answers in the log have no address, header or body', () => {
  const secret = { url: '/secret', headers: { authorization: 'secret' }, body: 'secret' };
  const { line } = logged({ req: { method: 'GET', ...secret }, res: { statusCode: 400, ...secret } });
  assert.doesNotMatch(line, /secret/);
});
