import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { parseAst } from 'vite';
import { slowText } from './expression-steps.ts';

const root = dirname(import.meta.dirname);

/** Expressions that may be slow, since no text of others comes to them, or none that is long; by the file that they are in. */
const HARMLESS: Readonly<Record<string, readonly [pattern: string, reason: string]>> = {
  'packages/client/src/dpop.ts': ['^(?:Bearer|DPoP) +(.+)$', "the application's own header"],
  'packages/client/src/hub-api.ts': ['\\/+$', 'the address of the Hub that the application chose'],
  'packages/conformance/src/json.ts': [
    '("[^"\\\\]*(?:\\\\.[^"\\\\]*)*")\\s*:|"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"|[{}]',
    'JSON that was read before: its strings have an end',
  ],
  'packages/fhir/src/samples/images/sample-images.ts': [
    'prostate|pelvis(?!.*abdomen)(?<!abdomen.*)',
    'the words of the samples',
  ],
  'packages/fhircast/src/exact.ts': [
    '"(?:[^"\\\\]|\\\\.)*"(\\s*:)?|[{}]',
    'JSON that was read before: its strings have an end',
  ],
  'packages/fhircast/src/launch.ts': [
    '^(https?:\\/\\/[^?#\\s]+?)\\/+ticket\\/([A-Za-z0-9_-]+)$',
    'an argument of the program that reads it',
  ],
  'packages/gateway/src/forwarding.ts': [
    '\\bat \\S+ ?\\(|\\b[\\w.]*(Exception|Error)\\b:?|[a-z]+:\\/\\/|(^|\\s)\\/[\\w.-]+\\/|[A-Z]:\\\\',
    'the first 500 characters of what the server says',
  ],
  'packages/r4/src/definition-file.ts': [
    '\\s*\\}(,\\s*\\{|\\s*\\]\\s*\\})\\s*$',
    "HL7's file, which comes with the package",
  ],
  'packages/server/src/config.ts': ['_SERVICE_PORT(_[A-Z0-9_]+)?$', "names in the server's environment"],
};

interface Expression {
  readonly file: string;
  readonly pattern: string;
  readonly flags: string;
}

function* literalsIn(file: string): Iterable<Expression> {
  const text = readFileSync(join(root, file), 'utf8');
  const found: unknown[] = [parseAst(text, { lang: file.endsWith('x') ? 'tsx' : 'ts' })];
  for (const node of found) {
    if (typeof node !== 'object' || node === null) continue;
    const { regex } = node as { readonly regex?: { readonly pattern: string; readonly flags: string } };
    if (regex) yield { file, pattern: regex.pattern, flags: regex.flags };
    else found.push(...Object.values(node));
  }
}

const sources = globSync(['packages/*/src/**/*.{ts,tsx}', 'samples/**/*.{ts,tsx}'], { cwd: root }).filter(
  (path) => !/\.test\.tsx?$|node_modules|\/test\//.test(path),
);

describe('a regular expression of the product', () => {
  it('takes no more than twice the steps for a text that is twice as long, or only sees texts that are short', () => {
    const expressions = sources.flatMap((file) => [...literalsIn(file)]);
    assert.ok(expressions.length > 500, `${expressions.length} were found`);
    const known = new Map<string, string | undefined>();
    const slow = expressions.filter(({ pattern, flags }) => {
      const name = `/${pattern}/${flags}`;
      if (!known.has(name)) known.set(name, slowText(pattern, flags));
      return known.get(name) !== undefined;
    });
    const unknown = slow.filter(({ file, pattern }) => HARMLESS[file]?.[0] !== pattern);
    const told = unknown.map(({ file, pattern, flags }) => {
      return `${file}: /${pattern}/${flags} is slow for ${JSON.stringify(known.get(`/${pattern}/${flags}`))} and so on`;
    });
    assert.deepEqual(told, []);
    for (const [file, [pattern]] of Object.entries(HARMLESS)) {
      assert.ok(
        slow.some((one) => one.file === file && one.pattern === pattern),
        `${file} has no such expression any more`,
      );
    }
  });
});

describe('counting steps', () => {
  const SLOW: readonly RegExp[] = [
    /\/+$/,
    /[^/]+$/,
    /(\\*)"/g,
    /<([^>]*)>; rel/,
    /\s*\n\s*/g,
    /^(?:Bearer|DPoP) +(.+)$/i,
    /^(\w+\s?)*$/,
    /(a|a)*b/,
    /^(.*),(.*),(.*)$/,
    /x(?=.*y)/g,
    /(?<=a+)b/,
  ];
  const QUICK: readonly RegExp[] = [
    /(?<!\/)\/+$/,
    /<([^<>]*)>; rel/,
    /^[^/]+\/[^/]+$/,
    /\s+/g,
    /^(Bearer|DPoP) +([A-Za-z0-9\-._~+/]{1,4096}=*) *$/i,
    /^(?:\p{L}|\d)*$/u,
    /^(.{1,4})\1+$/u,
    /^a{2,}b*?c$/m,
    /\bat\b/,
  ];

  for (const { source, flags } of SLOW) {
    it(`finds a text for which /${source}/${flags} is slow`, () => assert.notEqual(slowText(source, flags), undefined));
  }
  for (const { source, flags } of QUICK) {
    it(`finds none for /${source}/${flags}`, () => assert.equal(slowText(source, flags), undefined));
  }
});
