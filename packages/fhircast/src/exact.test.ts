import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EVENT_TEXT, type ExactJson, readExact, type TextShape } from './exact.ts';

function read(text: string, shape: TextShape = EVENT_TEXT): ExactJson {
  const found = readExact(text, shape);
  assert.ok(found.ok, found.ok ? '' : found.reason);
  return found.value;
}

function code(text: string): string {
  const found = readExact(text);
  return found.ok ? 'read' : found.code;
}

/** Keeps the text of everything. */
const ALL: { keep: true; items: TextShape; members: ReadonlyMap<string, TextShape> } = {
  keep: true,
  get items() {
    return ALL;
  },
  // Not a list of names: every name has the shape.
  members: Object.assign(new Map<string, TextShape>(), { get: () => ALL }),
};

/** JSON text of a value with odd spaces, escapes and numbers; never the name `__proto__`. */
const jsonText = fc.letrec<{ value: string }>((tie) => {
  const space = fc.constantFrom('', ' ', '\n\t', '\r\n  ');
  const name = fc.oneof(
    fc.constantFrom('"event"', '"context"', '"resource"', '"a"', '"\\u0061b"', '"q\\"{"', '"back\\\\"', '""', '"1"'),
    fc.string({ maxLength: 4 }).map((text) => JSON.stringify(text)),
  );
  const scalar = fc.oneof(
    fc.constantFrom(
      '7.10',
      '12345678901234567890.12345',
      '1e-7',
      '-0',
      '1E+400',
      'true',
      'null',
      '"\\\\"',
      '"}]\\"[{:,"',
    ),
    fc.string().map((text) => JSON.stringify(text)),
  );
  const list = (items: fc.Arbitrary<string>, ends: string) =>
    fc
      .tuple(fc.array(items, { maxLength: 4 }), space, space)
      .map(([all, before, after]) => `${ends[0]}${before}${all.join(`${after},${before}`)}${after}${ends[1]}`);
  const member = fc.tuple(name, space, space, tie('value')).map(([key, a, b, value]) => `${key}${a}:${b}${value}`);
  return {
    value: fc.oneof({ maxDepth: 5 }, scalar, list(tie('value'), '[]'), list(member, '{}')),
  };
}).value;

/** Whether an object of the text has a name twice: by a parser of its own, one member at a time. */
function repeats(text: string): boolean {
  let found = false;
  const names = (at: number): number => {
    let i = at;
    const space = () => {
      while (/\s/.test(text[i] ?? '')) i++;
    };
    const string = () => {
      const [all = ''] = /^"(?:[^"\\]|\\.)*"/s.exec(text.slice(i)) ?? [];
      i += all.length;
      return JSON.parse(all) as string;
    };
    space();
    const open = text[i];
    if (open === '"') string();
    else if (open === '{' || open === '[') {
      const seen = new Set<string>();
      i++;
      space();
      while (text[i] !== '}' && text[i] !== ']') {
        if (open === '{') {
          const name = string();
          if (seen.has(name)) found = true;
          seen.add(name);
          space();
          i++;
        }
        i = names(i);
        space();
        if (text[i] === ',') i++;
        space();
      }
      i++;
    } else i += /^[^,\]}\s]*/.exec(text.slice(i))?.[0].length ?? 0;
    return i;
  };
  names(0);
  return found;
}

describe('PUB-13 the text of a context', () => {
  const context =
    '[ {"key":"patient", "resource": {"id":"p1","resourceType":"Patient","multipleBirthInteger": 2.0}},\n' +
    ' {"key":"updates","resource":{"resourceType":"Bundle","total":1e0,"entry":[{"request":{"method":"PUT"},' +
    '"resource":{"resourceType":"Observation","id":"o","valueQuantity":{"value":7.10}}}]}} ]';
  const body = `{"id":"1","event":{"hub.topic":"t","context":${context} } }`;

  it('is kept for the whole, its elements, its resources and what an update puts', () => {
    const exact = read(body);
    const { event } = exact.value as {
      event: { context: { key: string; resource: { entry: { resource: object }[] } }[] };
    };
    assert.equal(exact.textOf(event.context), context);
    assert.equal(
      exact.textOf(event.context[0]?.resource ?? {}),
      '{"id":"p1","resourceType":"Patient","multipleBirthInteger": 2.0}',
    );
    const put = event.context[1]?.resource.entry[0]?.resource ?? {};
    assert.equal(exact.textOf(put), '{"resourceType":"Observation","id":"o","valueQuantity":{"value":7.10}}');
  });

  it('goes on in what is made of its parts', () => {
    const exact = read(body);
    const { event } = exact.value as { event: { context: { key: string; resource: unknown }[] } };
    const [patient] = event.context;
    assert.equal(
      exact.write({ key: 'subject', gone: undefined, resource: patient?.resource, list: [patient, 1] }),
      '{"key":"subject","resource":{"id":"p1","resourceType":"Patient","multipleBirthInteger": 2.0},"list":[' +
        '{"key":"patient", "resource": {"id":"p1","resourceType":"Patient","multipleBirthInteger": 2.0}},1]}',
    );
  });

  it('is what was written, for every part of every text', () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        fc.pre(!repeats(text) && !text.includes('__proto__'));
        const exact = read(text, ALL);
        const check = (value: unknown): void => {
          if (typeof value !== 'object' || value === null) return;
          const own = exact.textOf(value);
          assert.ok(own !== undefined && text.includes(own));
          assert.deepEqual(JSON.parse(own), value);
          for (const inner of Object.values(value)) check(inner);
        };
        check(exact.value);
        if (typeof exact.value === 'object' && exact.value) assert.equal(exact.write(exact.value), text);
      }),
    );
  });
});

describe('PUB-6 a text that is not read', () => {
  it('has a name twice in one object, anywhere and however it is written', () => {
    assert.equal(code('{"id":"1","id":"2"}'), 'name-repeated');
    assert.equal(code('{"id":"1","\\u0069d":"2"}'), 'name-repeated');
    assert.equal(code('{"event":{"context":[{"resource":{"a":{"id":1,"x":{},"id":1}}}]}}'), 'name-repeated');
    const twice = readExact('{"a":[{"b":1}],"c":{"b":1,"b":{"a":1}}}');
    assert.match(twice.ok ? '' : twice.reason, /key "b" twice/);
    assert.equal(code('{"a":{"b":1},"c":[{"b":1},{"b":1}],"d":"\\"b\\":1,\\"b\\":2"}'), 'read');
  });

  it('is distinguished from every text that has none twice', () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        fc.pre(!text.includes('__proto__'));
        assert.equal(code(text), repeats(text) ? 'name-repeated' : 'read');
      }),
    );
  });

  it('is nested too deep, is no JSON, or has a key that attacks JavaScript receivers', () => {
    assert.equal(code(`${'['.repeat(64)}${']'.repeat(64)}`), 'read');
    assert.equal(code(`${'['.repeat(65)}${']'.repeat(65)}`), 'nested-too-deep');
    assert.equal(code(`{"event":{"context":${'[{"resource":'.repeat(40)}1${'}]'.repeat(40)}}}`), 'nested-too-deep');
    assert.equal(code(`${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`), 'nested-too-deep');
    assert.equal(code('{"a":{"__proto__":{}}}'), 'name-unsafe');
    for (const text of ['', '{', '{"a":1,}', '[1 2]', '{"a":01}', "{'a':1}", 'undefined']) {
      assert.equal(code(text), 'malformed-json', text);
    }
  });

  it('never makes the reader throw', () => {
    fc.assert(fc.property(fc.string(), (text) => void readExact(text)));
  });
});
