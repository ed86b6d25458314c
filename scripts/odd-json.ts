/** JSON that is well-formed and that no reader expects, for tests of whatever reads what strangers send. */

type Json = { [key: string]: unknown };

/** Where a value lies in another. */
export type Path = readonly (string | number)[];

/** Names that every JavaScript object inherits, or that the language or its libraries look for. */
const INHERITED = ['toString', 'valueOf', 'toJSON', 'then', 'constructor', '__proto__', 'length', 'hasOwnProperty'];

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

const everyName = INHERITED.map((name) => `"${name}":1`).join();

/** Texts of values that stand where something else is expected. */
export const ODD_VALUES: readonly string[] = [
  ...['{"toString":1}', `{${everyName}}`, '{"then":{}}', '{"length":3}', '{"a":1,"a":2}', '{}'],
  '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
  ...['[]', '["x"]', '[null,[{"toString":1}]]', 'null', 'true', '-0', '1e400', '123456789012345678901234567890'],
  ...['""', '"\\u0000"', '"\\ud800"', '"__proto__"', `"${'x'.repeat(5000)}"`, nested(50), nested(5000)],
];

/** Every place in a value, the whole first. */
export function places(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...path, key]))];
}

/** The value with something else in one place, or without it; an earlier change may have removed the place. */
export function changed(value: unknown, path: Path, to: unknown): unknown {
  const last = path.at(-1);
  if (last === undefined) return to;
  const copy = structuredClone(value);
  let at: unknown = copy;
  for (const key of path.slice(0, -1)) at = (at as Json | undefined | null)?.[key];
  if (typeof at !== 'object' || at === null) return value;
  if (to === undefined) delete (at as Json)[last];
  else (at as Json)[last] = to;
  return copy;
}

const MARK = 'here comes what is odd';

/** Texts of the value with each odd value in each place, with each place left out, and with members that no route knows. */
export function* oddTexts(value: unknown, odd: readonly string[] = ODD_VALUES): Iterable<string> {
  const text = JSON.stringify(value);
  for (const path of places(value)) {
    const marked = JSON.stringify(changed(value, path, MARK));
    for (const one of odd) yield marked.replace(JSON.stringify(MARK), () => one);
    if (path.length > 0) yield JSON.stringify(changed(value, path, undefined));
  }
  if (typeof value !== 'object' || value === null) return;
  yield text.replaceAll('{', `{${everyName},"":1,`).replaceAll(',}', '}');
  for (const [name, one] of Object.entries(value)) {
    yield text.replace('{', `{${JSON.stringify(name)}:${JSON.stringify(one)},`);
  }
}

/** Texts that stand in the fields of forms and queries. */
export const ODD_FIELDS: readonly string[] = [
  ...INHERITED,
  ...['', ' ', '\u0000', '\u2028', '\ufffd', '[object Object]', 'null', 'undefined', 'NaN', '-1', '1e400', '[]', '{}'],
  ...['{"toString":1}', '%', '%00', '../../x', "' OR 1=1 --", '*', 'x'.repeat(3000)],
];
