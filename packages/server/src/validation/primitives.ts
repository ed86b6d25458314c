/** What FHIR R4 says about the JSON of its primitive types (hl7.org/fhir/R4/datatypes.html): no pattern looks at a character twice. */

interface Primitive {
  is(value: unknown): boolean;
  /** Completes "must be …". */
  readonly words: string;
}

const YEAR = '(?!0000)\\d{4}';
const DAY = '(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])';
const CLOCK = '([01]\\d|2[0-3]):[0-5]\\d:([0-5]\\d|60)(\\.\\d+)?';
const ZONE = '(Z|[+-]((0\\d|1[0-3]):[0-5]\\d|14:00))';

function text(pattern: RegExp, words: string): Primitive {
  return { is: (value) => typeof value === 'string' && pattern.test(value), words };
}

function whole(min: number, words: string): Primitive {
  return {
    is: (value) => Number.isInteger(value) && (value as number) >= min && (value as number) < 2 ** 31,
    words,
  };
}

const STRING = text(/\S/, 'a string that is not empty');
const URI = text(/^\S+$/, 'a URI without spaces');

export const PRIMITIVES: Readonly<Record<string, Primitive>> = {
  boolean: { is: (value) => typeof value === 'boolean', words: 'true or false' },
  decimal: { is: (value) => typeof value === 'number', words: 'a number' },
  integer: whole(-(2 ** 31), 'a whole number'),
  unsignedInt: whole(0, 'a whole number of 0 or more'),
  positiveInt: whole(1, 'a whole number of 1 or more'),
  string: STRING,
  markdown: STRING,
  xhtml: text(/^\s*<div[\s>]/, 'XHTML that begins with <div'),
  code: text(/^\S+( \S+)*$/, 'a code without spaces around it'),
  id: text(/^[A-Za-z0-9.-]{1,64}$/, 'an id of 1 to 64 letters, digits, dashes and dots'),
  uri: URI,
  url: URI,
  canonical: URI,
  oid: text(/^urn:oid:[0-2](\.(0|[1-9]\d*))+$/, 'an OID such as urn:oid:1.2.3'),
  uuid: text(/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'a UUID such as urn:uuid:c757873d-…'),
  base64Binary: text(/^[A-Za-z0-9+/=\s]+$/, 'Base64'),
  date: text(new RegExp(`^${YEAR}(-(0[1-9]|1[0-2])|-${DAY})?$`), 'a date: YYYY, YYYY-MM or YYYY-MM-DD'),
  dateTime: text(
    new RegExp(`^${YEAR}(-(0[1-9]|1[0-2])|-${DAY}(T${CLOCK}${ZONE})?)?$`),
    'a date, or a date and time with a time zone',
  ),
  instant: text(new RegExp(`^${YEAR}-${DAY}T${CLOCK}${ZONE}$`), 'a date and time with a time zone'),
  time: text(new RegExp(`^${CLOCK}$`), 'a time: hh:mm:ss'),
};
