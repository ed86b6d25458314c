/** Finding patients by what people type: names in any order, record numbers, dates of birth as their locale writes them. */
import { folded, wordBegins } from '@lockstep/fhir/fold';
import type { Resource } from '@lockstep/fhircast';
import { type Search, valuesAt } from '../fhir.ts';

/** Whether people of the locale write the day before the month. */
function isDayFirst(locale: string): boolean {
  const parts = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'numeric', year: 'numeric' })
    .formatToParts(new Date(2000, 0, 31))
    .map(({ type }) => type);
  return parts.indexOf('day') < parts.indexOf('month');
}

/** Folded names of the months, in the language of a locale and in English, by locale: each is made once. */
const monthNames = new Map<string, readonly (readonly [name: string, month: number])[]>();

function monthNamesOf(locale: string): readonly (readonly [name: string, month: number])[] {
  const known = monthNames.get(locale);
  if (known) return known;
  const made = ['en', locale].flatMap((language) =>
    (['long', 'short'] as const).flatMap((month) => {
      const format = new Intl.DateTimeFormat(language, { month });
      return Array.from(
        { length: 12 },
        (_, index) => [folded(format.format(new Date(2000, index, 1))), index + 1] as const,
      );
    }),
  );
  monthNames.set(locale, made);
  return made;
}

/** The number of a month by its name, of which three letters are enough; undefined for another word. */
function monthOf(name: string, locale: string): number | undefined {
  const wanted = folded(name);
  const isIt = (one: string): boolean => one === wanted || (wanted.length >= 3 && one.startsWith(wanted));
  return monthNamesOf(locale).find(([one]) => isIt(one))?.[1];
}

/** @returns undefined where there is no such day */
function iso(year: number, month: number, day: number): string | undefined {
  const date = new Date(Date.UTC(year, month - 1, day));
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCFullYear() === year;
  return exists ? date.toISOString().slice(0, 10) : undefined;
}

/** What a text may ask for. */
export interface Wanted {
  /** Beginnings of names, and numbers. */
  readonly words: readonly string[];
  readonly dates: readonly WantedDate[];
}

/** A date of birth as it was written: one of some FHIR dates, each a whole one, or a year or a month. */
export interface WantedDate {
  readonly anyOf: readonly string[];
  readonly text: string;
}

const YEAR = String.raw`(?<year>\d{4}|\d{2})`;

const WRITTEN = [
  // 1957-03-02, 1957/3/2
  /(?<year>\d{4})[./-](?<month>\d{1,2})[./-](?<day>\d{1,2})/,
  // 2.3.1957, 02/03/57
  new RegExp(String.raw`(?<a>\d{1,2})[./-](?<b>\d{1,2})[./-]${YEAR}`),
  // 2 March 1957, 2. März 57
  new RegExp(String.raw`(?<day>\d{1,2})\.?\s+(?<month>\p{L}+)\.?,?\s+${YEAR}`, 'u'),
  // March 2, 1957
  new RegExp(String.raw`(?<!\p{L})(?<month>\p{L}+)\.?\s+(?<day>\d{1,2}),?\s+${YEAR}`, 'u'),
  // 03/1957
  /(?<month>\d{1,2})[./](?<year>\d{4})/,
  // 02031957, 19570302
  /(?<digits>\d{8})/,
  /(?<whole>\d{4}(?:-(?:0[1-9]|1[0-2]))?)/,
];
/** It may as well be a name and a year. */
const MONTH_AND_YEAR = /(?<!\p{L})(?<month>\p{L}+)\.?,?\s+(?<year>\d{4})/u;

interface Place {
  /** A BCP 47 tag: which of two numbers is the day, and what months are called. */
  readonly locale: string;
  /** This year. */
  readonly year: number;
}

/** The years that are meant: nobody is born in the future. */
function yearsOf(text: string, { year }: Place): readonly number[] {
  return text.length === 4
    ? [Number(text)]
    : [1900, 2000].map((from) => from + Number(text)).filter((one) => one <= year);
}

/** Days, by two numbers that are a day and a month. */
function daysOf(years: readonly number[], a: string, b: string, { locale }: Place): readonly string[] {
  const [month, day] = isDayFirst(locale) ? [Number(b), Number(a)] : [Number(a), Number(b)];
  // 31.12.1957 is one day in every locale.
  return years.flatMap((year) => iso(year, month, day) ?? iso(year, day, month) ?? []);
}

function digitsOf(digits: string, place: Place): readonly string[] {
  const part = (from: number, to: number): string => digits.slice(from, to);
  const yearFirst = [Number(part(0, 4))].flatMap((year) => iso(year, Number(part(4, 6)), Number(part(6, 8))) ?? []);
  const written = [...yearFirst, ...daysOf([Number(part(4, 8))], part(0, 2), part(2, 4), place)];
  const sensible = (date: string): boolean =>
    Number(date.slice(0, 4)) >= OLDEST && Number(date.slice(0, 4)) <= place.year;
  return [...new Set(written)].filter(sensible);
}

/** Nobody in a record was born earlier. */
const OLDEST = 1850;

/** The FHIR dates that a written one may be; none where there is no such day. */
function datesOf(groups: Readonly<Record<string, string | undefined>>, place: Place): readonly string[] {
  const { whole, digits, a, b, day, month = '', year = '' } = groups;
  if (whole) return [whole];
  if (digits) return digitsOf(digits, place);
  const years = yearsOf(year, place);
  if (a && b) return daysOf(years, a, b, place);
  const number = /^\d+$/.test(month) ? Number(month) : monthOf(month, place.locale);
  if (number === undefined || number < 1 || number > 12) return [];
  if (!day) return years.map((one) => `${one}-${String(number).padStart(2, '0')}`);
  return years.flatMap((one) => iso(one, number, Number(day)) ?? []);
}

/** A name as it is typed where there is no key for umlauts (Mueller is Müller), where it may be one. */
function withUmlauts(word: string): readonly string[] {
  const plain = word.replaceAll(/(?<![aeq])([aou])e/gi, '$1');
  // Of short names too much would be left out.
  return plain !== word && plain.length >= 4 ? [word, plain] : [word];
}

function readingOf(query: string, patterns: readonly RegExp[], place: Place): Wanted {
  const dates: WantedDate[] = [];
  let rest = query;
  for (const pattern of patterns) {
    const found = new RegExp(`(?<![\\p{L}\\d./-])(?:${pattern.source})(?![\\p{L}\\d/-])`, 'u').exec(rest);
    const anyOf = datesOf(found?.groups ?? {}, place);
    if (!found || anyOf.length === 0) continue;
    dates.push({ anyOf, text: found[0] });
    rest = rest.replace(found[0], ' ');
  }
  const words = rest.split(/[\s,;]+/).map(withoutFullStops);
  return { words: words.filter((word) => folded(word) !== ''), dates };
}

function withoutFullStops(word: string): string {
  let end = word.length;
  while (word[end - 1] === '.') end -= 1;
  return word.slice(0, end);
}

/**
 * The ways in which a text can be read; none where it says nothing.
 * @param locale a BCP 47 tag: which of two numbers is the day
 */
export function readingsOf(query: string, locale: string, now = new Date()): readonly Wanted[] {
  const place = { locale, year: now.getFullYear() };
  const usual = readingOf(query, WRITTEN, place);
  const byMonth = readingOf(query, [...WRITTEN.slice(0, 4), MONTH_AND_YEAR], place);
  const isOther = byMonth.dates.some(({ text }) => usual.dates.every((one) => one.text !== text));
  return [usual, ...(isOther ? [byMonth] : [])].filter(({ words, dates }) => words.length + dates.length > 0);
}

const DIGIT = /\d/;
const plainNumber = (text: string): string => text.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');

/** Whether a patient has every word as the beginning of a name or a part of a number, and every date as the date of birth. */
export function matcherOf(query: string, locale: string): (patient: Resource) => boolean {
  if (query.trim() === '') return () => true;
  const readings = readingsOf(query, locale).map(({ words, dates }) => ({
    words: words.map((word) => ({
      names: withUmlauts(folded(word)),
      number: DIGIT.test(word) ? plainNumber(word) : '',
    })),
    dates: dates.map(({ anyOf, text }) => ({ anyOf, number: plainNumber(text) })),
  }));
  return (patient) => {
    const texts = (path: string): readonly string[] =>
      valuesAt(patient, path).flatMap((one) => (typeof one === 'string' ? [one] : []));
    const names = ['name.text', 'name.given', 'name.family'].flatMap(texts).map(folded);
    const numbers = texts('identifier.value').map(plainNumber);
    const [born = ''] = texts('birthDate');
    const isNumber = (number: string): boolean => number !== '' && numbers.some((one) => one.includes(number));
    const isName = (word: string): boolean => names.some((name) => wordBegins(name, word));
    return readings.some(
      ({ words, dates }) =>
        words.every((word) => word.names.some(isName) || isNumber(word.number)) &&
        dates.every(({ anyOf, number }) => anyOf.some((date) => born.startsWith(date)) || isNumber(number)),
    );
  };
}

/** A value in which no sign means something to a FHIR search (R4 3.1.1.4.9). */
const literal = (value: string): string => value.replaceAll(/[\\,|$]/g, String.raw`\$&`);

/** What to ask a record for that is too large to be read at once: each search finds some of those who are meant. */
export function searchesFor(query: string, locale: string): readonly Search[] {
  const searches = readingsOf(query, locale).map(({ words, dates }): Search => {
    const byWord = words.map((word) =>
      DIGIT.test(word)
        ? (['identifier', literal(word)] as const)
        : (['name', withUmlauts(word).map(literal).join(',')] as const),
    );
    return [...byWord, ...dates.map(({ anyOf }) => ['birthdate', anyOf.join(',')] as const)];
  });
  // What looks like a date may be a number.
  const isNumber = searches.some((search) => search.every(([name]) => name === 'birthdate')) && !/\s/.test(query);
  return isNumber ? [...searches, [['identifier', literal(query)]]] : searches;
}
