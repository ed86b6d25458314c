/** Finding patients by what people type: names in any order, record numbers, dates of birth as their locale writes them. */
import type { Resource } from '@lockstep/fhircast';
import { type Search, valuesAt } from '../fhir.ts';
import { folded } from '../search-text.ts';

/** Whether people of the locale write the day before the month. */
function isDayFirst(locale: string): boolean {
  const parts = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'numeric', year: 'numeric' })
    .formatToParts(new Date(2000, 0, 31))
    .map(({ type }) => type);
  return parts.indexOf('day') < parts.indexOf('month');
}

/** Month numbers by their folded names, in the locale's language and in English. */
function monthNames(locale: string): ReadonlyMap<string, number> {
  const names = new Map<string, number>();
  for (const language of ['en', locale]) {
    for (const month of ['long', 'short'] as const) {
      const format = new Intl.DateTimeFormat(language, { month });
      for (let index = 0; index < 12; index++) {
        names.set(folded(format.format(new Date(2000, index, 1))).replaceAll(/\P{L}/gu, ''), index + 1);
      }
    }
  }
  return names;
}

function iso(year: string, month: number, day: number): string | undefined {
  const date = new Date(Date.UTC(Number(year), month - 1, day));
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return exists ? date.toISOString().slice(0, 10) : undefined;
}

/** What a text asks for. */
export interface Wanted {
  /** Beginnings of names, and numbers. */
  readonly words: readonly string[];
  /** FHIR dates, whole or a year or a month of one. */
  readonly dates: readonly { readonly date: string; readonly text: string }[];
}

const WRITTEN = [
  // 2.3.1957, 02/03/1957
  /(?<a>\d{1,2})[./-](?<b>\d{1,2})[./-](?<year>\d{4})/,
  // 2 March 1957, 2. März 1957
  /(?<day>\d{1,2})\.?\s+(?<month>\p{L}+)\.?,?\s+(?<year>\d{4})/u,
  // March 2, 1957
  /(?<!\p{L})(?<month>\p{L}+)\.?\s+(?<day>\d{1,2}),?\s+(?<year>\d{4})/u,
  /(?<whole>\d{4}(?:-\d\d(?:-\d\d)?)?)/,
];

/** @param locale a BCP 47 tag: which of two numbers is the day */
export function wantedBy(query: string, locale: string): Wanted {
  const dates: { date: string; text: string }[] = [];
  let rest = query;
  for (const pattern of WRITTEN) {
    const found = new RegExp(`(?<![\\p{L}\\d.-])${pattern.source}(?![\\p{L}\\d-])`, 'u').exec(rest);
    const date = found && dateOf(found.groups ?? {}, locale);
    if (!found || !date) continue;
    dates.push({ date, text: found[0] });
    rest = rest.replace(found[0], ' ');
  }
  return { words: rest.split(/\s+/).filter(Boolean), dates };
}

function dateOf(groups: Readonly<Record<string, string | undefined>>, locale: string): string | undefined {
  const { whole, a, b, day, month, year = '' } = groups;
  if (whole) return whole;
  if (a && b) {
    const [first, second] = isDayFirst(locale) ? [b, a] : [a, b];
    // 31.12.1957 is one day in every locale.
    return iso(year, Number(first), Number(second)) ?? iso(year, Number(second), Number(first));
  }
  const named = monthNames(locale).get(folded(month ?? ''));
  return named === undefined ? undefined : iso(year, named, Number(day));
}

/** Whether every word begins a name or is part of a number, and every date agrees with the date of birth. */
export function matches(patient: Resource, query: string, locale: string): boolean {
  const texts = (path: string): readonly string[] =>
    valuesAt(patient, path).flatMap((one) => (typeof one === 'string' ? [folded(one)] : []));
  const names = ['name.text', 'name.given', 'name.family']
    .flatMap(texts)
    .flatMap((one) => [one, ...one.split(/[\s-]+/)]);
  const numbers = texts('identifier.value');
  const [born = ''] = texts('birthDate');
  const { words, dates } = wantedBy(query, locale);
  const isNumber = (word: string): boolean => numbers.some((one) => one.includes(folded(word)));
  return (
    words.every((word) => names.some((one) => one.startsWith(folded(word))) || (/\d/.test(word) && isNumber(word))) &&
    dates.every(({ date, text }) => born.startsWith(date) || isNumber(text))
  );
}

/** What to ask a record for that is too large to be read at once: each search finds some of those who are meant. */
export function searchesFor(query: string, locale: string): readonly Search[] {
  const { words, dates } = wantedBy(query, locale);
  const others = words.map((word) => [/\d/.test(word) ? 'identifier' : 'name', word] as const);
  const searches: Search[] = [[...others, ...dates.map(({ date }) => ['birthdate', date] as const)]];
  // What looks like a date may be a number.
  if (dates.length > 0 && others.length === 0 && !/\s/.test(query)) searches.push([['identifier', query]]);
  return searches;
}
