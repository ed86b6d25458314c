/** The language that the console speaks: messages from its catalog, numbers and dates as people there write them. */
import format, { type CompiledMessage } from 'icu-minify/format';
import type english from '../../languages/en.json';
import { Watchable } from '../store.ts';

/** The messages that there are: English has them all, and a test holds the other languages to it. */
export type MessageKey = keyof typeof english;

export type MessageValues = Readonly<Record<string, string | number>>;

export type Messages = Readonly<Record<string, CompiledMessage>>;

export interface Language {
  /** BCP 47: which catalog is read. */
  readonly language: string;
  /** BCP 47 with the region, where it is known: how dates and numbers are written. */
  readonly locale: string;
  readonly messages: Messages;
}

/** What is spoken now; the root of the pages watches it. */
export const spoken = new Watchable<Language>({ language: 'en', locale: 'en-GB', messages: {} });

/** Formatters are slow to make and quick to use: each is made once. */
function remembered<Options extends object, Formatter>(make: new (locale: string, options?: Options) => Formatter) {
  const made = new Map<string, Formatter>();
  return (locale: string, options?: Options): Formatter => {
    const key = `${locale} ${JSON.stringify(options)}`;
    const formatter = made.get(key) ?? new make(locale, options);
    made.set(key, formatter);
    return formatter;
  };
}

const dateFormat = remembered(
  Intl.DateTimeFormat as new (
    _: string,
    __?: Intl.DateTimeFormatOptions,
  ) => Intl.DateTimeFormat,
);
const numberFormat = remembered(
  Intl.NumberFormat as new (
    _: string,
    __?: Intl.NumberFormatOptions,
  ) => Intl.NumberFormat,
);
const pluralRules = remembered(Intl.PluralRules);

export const FORMATTERS = {
  formatters: {
    getDateTimeFormat: (locale: unknown, options?: Intl.DateTimeFormatOptions) => dateFormat(String(locale), options),
    getNumberFormat: (locale: unknown, options?: Intl.NumberFormatOptions) => numberFormat(String(locale), options),
    getPluralRules: (locale: unknown, options?: Intl.PluralRulesOptions) => pluralRules(String(locale), options),
  },
};

const DIRECTION = /[\u202a-\u202e\u2066-\u2069]/;

/** A value that turns the direction of writing turns no more than itself: not the sentence that it stands in. */
export function isolated(value: string): string {
  if (!DIRECTION.test(value)) return value;
  let open = 0;
  let text = '';
  for (const character of value) {
    if (/[\u2066-\u2068]/.test(character)) open += 1;
    // One that closes nothing of the value's own would close what is around it.
    if (character === '\u2069' && open-- === 0) open = 0;
    else text += character;
  }
  return `\u2068${text}${'\u2069'.repeat(open)}\u2069`;
}

/** A message of the console for people. */
export function t(key: MessageKey, values?: MessageValues): string {
  return translate(key, values);
}

/** A message of any catalog. A key without a message is shown as it is, so that what is missing is seen. */
export function translate(key: string, values: MessageValues = {}): string {
  const { locale, messages } = spoken.get();
  const message = messages[key];
  if (message === undefined) return key;
  const given: MessageValues = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, typeof value === 'string' ? isolated(value) : value]),
  );
  return format<string>(message, locale, given, FORMATTERS).toString();
}

/** A number as people write it: `10,000` or `10.000`. */
export function number(value: number, options?: Intl.NumberFormatOptions): string {
  return numberFormat(spoken.get().locale, options).format(value);
}

/** A date or time as people write it, in the zone that the browser is in. */
export function date(value: Date, options: Intl.DateTimeFormatOptions): string {
  return dateFormat(spoken.get().locale, options).format(value);
}

/** `A, B and C`. */
export function list(items: readonly string[]): string {
  return new Intl.ListFormat(spoken.get().locale, { type: 'conjunction' }).format(items);
}

/**
 * The language to speak (RFC 4647, lookup).
 * @param wanted tags in order of preference, as `navigator.languages` has them
 * @param offered tags of the catalogs that there are
 * @returns English where none of the wanted is offered
 */
export function languageFor(wanted: readonly string[], offered: readonly string[]): Omit<Language, 'messages'> {
  for (const locale of wanted) {
    for (let tag = locale; tag !== ''; tag = tag.slice(0, Math.max(0, tag.lastIndexOf('-')))) {
      const language = offered.find((one) => one.toLowerCase() === tag.toLowerCase());
      if (language !== undefined) return { language, locale };
    }
  }
  return { language: 'en', locale: 'en-GB' };
}

/** The words for a code, where the catalog has them; else the code as it is. @param prefix of the keys, without the last dot */
export function codeWords(prefix: string, code: string | undefined): string {
  const key = `${prefix}.${code}`;
  return code !== undefined && key in spoken.get().messages ? t(key as MessageKey) : (code ?? '');
}

/** Names in the order of the language's own alphabet. */
export function compare(a: string, b: string): number {
  return a.localeCompare(b, spoken.get().locale);
}
