import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseAst } from 'vite';
import { compiled, languages, readCatalog, SAMPLES } from '../../build/messages.ts';

const SOURCES = fileURLToPath(new URL('..', import.meta.url));
const SAMPLE_SOURCES = fileURLToPath(new URL('../../', SAMPLES));

/** Whose pages have a folder of catalogs, and where what they are made of is. */
const SPEAKERS = {
  console: { folder: undefined, sources: SOURCES, files: filesIn(SOURCES, '**/*.{ts,tsx}') },
  samples: {
    folder: SAMPLES,
    sources: SAMPLE_SOURCES,
    files: filesIn(SAMPLE_SOURCES, '{kit,*/src}/*.{ts,tsx}'),
  },
} as const;

function filesIn(folder: string, pattern: string): readonly string[] {
  return globSync(pattern, { cwd: folder, exclude: ['**/*.test.ts', '**/node_modules/**'] }).sort();
}

type Node = { readonly type: string; readonly start: number; readonly [field: string]: unknown };

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

/** Every placeholder of a compiled message, `{count, plural}` with its kind. */
function placeholders(message: unknown): readonly string[] {
  if (!Array.isArray(message)) {
    return typeof message === 'object' && message !== null ? Object.values(message).flatMap(placeholders) : [];
  }
  const [name, kind] = message as readonly unknown[];
  const isArgument = typeof name === 'string' && (message.length === 1 || typeof kind === 'number');
  const own = isArgument ? [`${name}${kind === undefined ? '' : `:${kind}`}`] : [];
  return [...new Set([...own, ...message.flatMap(placeholders)])].sort();
}

/** Attributes whose text people read, or hear. */
const SPOKEN =
  /^(?:label|title|placeholder|description|alt|error|what|action|aria-(?:label|description|roledescription))$/;

/** Two words or more, or a word that begins a sentence: not a name of a class, a key or a code. */
const isProse = (text: string): boolean => /\p{L}{2,},? \(?\p{L}+/u.test(text) && /^[\p{L}"“(· ]/u.test(text);

/** Whether a value stands between the tags of an element, perhaps as one of several. */
function isShown(parents: readonly Node[]): boolean {
  const at = parents.findLastIndex(({ type }) => !/^(?:Conditional|Logical)Expression$/.test(type));
  return parents[at]?.type === 'JSXExpressionContainer' && parents[at - 1]?.type === 'JSXElement';
}

/** Texts in a component that are not from the catalog. */
function literalTexts(code: string, lang: 'ts' | 'tsx'): readonly string[] {
  const found: string[] = [];
  function visit(node: Node, parents: readonly Node[]): void {
    const parent = parents.at(-1);
    if (/^TS(?!As|NonNull|Satisfies)/.test(node.type) || node.type === 'ImportDeclaration') return;
    // What a program throws at itself, compares, or is named by is not for people.
    if (node.type === 'BinaryExpression' && /^[!=]==$/.test(String(node.operator))) return;
    if (node.type === 'NewExpression' && /(?:Error|Set)$/.test(String((node.callee as Node).name))) return;
    if (node.type === 'JSXText' && /\p{L}{2}/u.test(String(node.value))) found.push(String(node.value).trim());
    const attribute = parents.findLast(({ type }) => type === 'JSXAttribute');
    const name = String((attribute?.name as Node | undefined)?.name ?? '');
    const said = parent?.type === 'JSXAttribute' ? SPOKEN.test(name) : false;
    const texts =
      node.type === 'Literal' && typeof node.value === 'string'
        ? [node.value]
        : node.type === 'TemplateLiteral'
          ? (node.quasis as readonly { value: { cooked: string } }[]).map(({ value }) => value.cooked)
          : [];
    const unseen = /^(?:className|d|style|rel|allow|sandbox)$/.test(name);
    for (const text of texts) {
      if (!unseen && (((said || isShown(parents)) && /\p{L}{2}/u.test(text)) || isProse(text))) found.push(text);
    }
    for (const [field, value] of Object.entries(node)) {
      if (field === 'key' && node.type === 'Property') continue;
      for (const child of [value].flat()) if (isNode(child)) visit(child, [...parents, node]);
    }
  }
  for (const statement of parseAst(code, { lang }).body) visit(statement as unknown as Node, []);
  return found;
}

/**
 * Not for people in a language of theirs: what goes out in events and files to others, terms of the protocol, names and
 * examples.
 */
const ALLOWED: Readonly<Record<string, readonly RegExp[]>> = {
  'apps/commands.ts': [/^TOPIC_SECRET=… npx /, /^curl -X POST /],
  'apps/how-to-launch.ts': [/^npx lockstep /, /^ --(?:key|user) /, /^curl -H /],
  'conformance/form.tsx': [/^hub\.url$/],
  'conformance/options.ts': [/^FHIRcast STU2$/, /^IHE IRA$/],
  'conformance/report.tsx': [/^JUnit XML$/, /^FHIR TestReport$/],
  'conformance/running.tsx': [/^hub\.(?:url|topic)$/],
  'ehr/dock.tsx': [/^allow-scripts /],
  'ehr/following.ts': [/^a note is not saved$/, /^the patient is not in this record$/],
  'ehr/patient-match.ts': [/^date of birth$/],
  'ehr/session.ts': [/^Clinical note$/],
  'ehr/window-name.ts': [/^EHR \(window $/],
  'guests/join.tsx': [/^hub\.(?:url|topic)$/],
  'language/reasons.ts': [/^ did not answer in time$/, /^the (?:access to the )?record /],
  'launch/simulation.ts': [/^ is not known: name faults /, /^client: no client /, /^pkce:auto or /],
  'kit/following.ts': [/^the patient is not in this record$/],
  'report-writer/src/filing.ts': [/^Imaging report$/],
  'report-writer/src/writer.tsx': [/^a report is not signed or saved$/],
  'theme.ts': [/Segoe UI/, /Cascadia Mono/],
  'ui/brand.tsx': [/^Lockstep$/],
  'viewer/src/measure.ts': [/^Of Interest$/],
  'viewer/src/viewer.tsx': [/^a measurement is not shared yet$/],
};

/** Examples of what one enters. */
const EXAMPLE = /^(?:https?:\/\/|urn:|mruiz$|Practitioner\/)/;

for (const [speaker, { folder, sources, files }] of Object.entries(SPEAKERS)) {
  describe(`languages of the ${speaker}`, () => {
    test('there are English and German', () => {
      assert.ok(['de', 'en'].every((language) => languages(folder).includes(language)));
    });

    for (const language of languages(folder)) {
      test(`${language} has every message of English, with the same placeholders`, () => {
        const english = compiled(readCatalog('en', folder));
        const catalog = readCatalog(language, folder);
        const other = compiled(catalog);
        assert.deepEqual(Object.keys(other).sort(), Object.keys(english).sort());
        for (const [key, message] of Object.entries(english)) {
          assert.deepEqual(placeholders(other[key]), placeholders(message), key);
        }
        for (const [key, text] of Object.entries(catalog)) assert.notEqual(text.trim(), '', key);
      });
    }

    test('German is German: few of its messages are those of English', () => {
      const english = readCatalog('en', folder);
      const same = Object.entries(readCatalog('de', folder)).filter(
        ([key, text]) => english[key] === text && /\p{L}{4}/u.test(text),
      );
      assert.ok(same.length < Object.keys(english).length / 15, same.map(([key]) => key).join(', '));
    });

    test('every message is used', () => {
      const all = files.map((file) => readFileSync(`${sources}/${file}`, 'utf8')).join('\n');
      const made = [...all.matchAll(/[`']([a-z]+(?:\.[\w-]+)*\.)\$\{|codeWords\('([\w.]+)'/g)].map(
        ([, start, prefix]) => start ?? `${prefix}.`,
      );
      // The samples' names and descriptions are found by their parts.
      const unused = Object.keys(readCatalog('en', folder)).filter(
        (key) =>
          !all.includes(`'${key}'`) &&
          !all.includes(`"${key}"`) &&
          !made.some((start) => key.startsWith(start)) &&
          !/^(?:viewer|writer)\.(?:name|description)$/.test(key),
      );
      assert.deepEqual(unused, []);
    });
  });
}

describe('texts', () => {
  test('the search for literal texts finds them where they may be', () => {
    const find = (code: string) => literalTexts(code, 'tsx');
    assert.deepEqual(find('const a = <p>Nobody is here</p>;'), ['Nobody is here']);
    assert.deepEqual(find('const a = <Button aria-label="Close" />;'), ['Close']);
    assert.deepEqual(find('const a = <p title={`Close $' + '{name}`} />;').length, 0);
    assert.deepEqual(find('const a = <p>{open ? "still open" : t("x.y")}</p>;'), ['still open']);
    assert.deepEqual(find('const a = <p>{busy ? "Wait" : name}</p>;'), ['Wait']);
    assert.deepEqual(find('const words = { title: "Delete the app?" };'), ['Delete the app?']);
    assert.deepEqual(find('const a = <p className="row wide">{t("x.y")}</p>;'), []);
  });

  for (const { sources, files } of Object.values(SPEAKERS)) {
    for (const file of files) {
      test(`${file} says nothing that is not in the catalog`, () => {
        const allowed = ALLOWED[file] ?? [];
        const found = literalTexts(readFileSync(`${sources}/${file}`, 'utf8'), file.endsWith('x') ? 'tsx' : 'ts');
        assert.deepEqual(
          found.filter((text) => !EXAMPLE.test(text) && !allowed.some((one) => one.test(text))),
          [],
        );
      });
    }
  }
});
