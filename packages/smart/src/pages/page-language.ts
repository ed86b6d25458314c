/** The languages of the pages: each is a file in `languages/`, and what they say in it is said here. */
import { readdirSync, readFileSync } from 'node:fs';
import { textDirection } from '@lockstep/fhircast';
import type { Sentence } from './sentences.ts';

/** A sentence with its values, before it is known in which language it is read. */
export interface Said {
  readonly sentence: Sentence;
  readonly values: readonly (string | number)[];
  /** What others say about it, in their own words. */
  readonly detail?: string | undefined;
}

/** Says a sentence in the language of the page; each `{}` in it is one of the values. */
export type Words = (sentence: Sentence, ...values: readonly (string | number)[]) => string;

/** What is said in a language, by the English sentence. */
type Catalog = ReadonlyMap<string, string>;

export function said(sentence: Sentence, ...values: readonly (string | number)[]): Said {
  return { sentence, values };
}

/** A language and how dates are written where the person is. */
export class PageLanguage {
  /** BCP 47, of the catalog. */
  readonly tag: string;
  readonly #locale: string;
  readonly #catalog: Catalog;

  /** @param locale BCP 47 with the region, where it is known */
  constructor(tag: string, locale: string, catalog: Catalog) {
    this.tag = tag;
    this.#locale = locale;
    this.#catalog = catalog;
  }

  get isRightToLeft(): boolean {
    return textDirection(this.tag) === 'rtl';
  }

  readonly words: Words = (sentence, ...values) => this.#fill(sentence, values);

  /** A sentence with its detail. */
  say({ sentence, values, detail }: Said): string {
    const text = this.#fill(sentence, values);
    return detail === undefined ? text : `${text} ${detail}`;
  }

  /** The words for a code of a record, where there are some; else the code as it is. */
  code(code: string): string {
    return this.#catalog.get(code) ?? code;
  }

  /** A time of day. The server does not know the zone that the person is in, so it names its own. @param ms since the epoch */
  moment(ms: number): string {
    return this.#date(ms, { dateStyle: 'medium', timeStyle: 'short' }, ' UTC');
  }

  /** @param ms since the epoch */
  day(ms: number): string {
    return this.#date(ms, { dateStyle: 'medium' });
  }

  /** A FHIR date, which may be a year or a month alone. */
  date(written: string): string {
    const [, year, month, day] = /^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?/.exec(written) ?? [];
    const at = Date.parse(`${year}-${month ?? '01'}-${day ?? '01'}`);
    if (year === undefined || Number.isNaN(at)) return written;
    if (month === undefined) return year;
    return day === undefined ? this.#date(at, { year: 'numeric', month: 'long' }) : this.day(at);
  }

  /** `A, B and C`. */
  list(items: readonly string[]): string {
    return new Intl.ListFormat(this.#locale, { type: 'conjunction' }).format(items);
  }

  #date(ms: number, options: Intl.DateTimeFormatOptions, zone = ''): string {
    return `${new Intl.DateTimeFormat(this.#locale, { ...options, timeZone: 'UTC' }).format(ms)}${zone}`;
  }

  #fill(sentence: string, values: readonly (string | number)[]): string {
    let at = 0;
    const said = this.#catalog.get(sentence) ?? sentence;
    return said.replaceAll(/\{(\d?)\}/g, (_, place: string) =>
      String(values[place === '' ? at++ : Number(place) - 1] ?? ''),
    );
  }
}

/** What programs are told, and logs. */
export const ENGLISH = new PageLanguage('en', 'en-GB', new Map());

/** Whole languages, without extensions: what `Intl` may be given. */
const TAG = /^[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|\d{3}))?$/i;
const LONGEST_HEADER = 1_000;

/** The catalogs that there are. English needs no file. */
export class PageLanguages {
  readonly #catalogs: ReadonlyMap<string, Catalog>;

  /** @param folder of files such as `de.json`, each a JSON object of texts by English sentence */
  constructor(folder = new URL('../../languages/', import.meta.url)) {
    const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
    const read = files.map((file): [string, Catalog] => {
      const texts = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Record<string, string>;
      return [file.slice(0, -'.json'.length), new Map(Object.entries(texts))];
    });
    this.#catalogs = new Map([['en', new Map()], ...read.sort(([one], [other]) => (one < other ? -1 : 1))]);
  }

  /** BCP 47 tags. */
  get tags(): readonly string[] {
    return [...this.#catalogs.keys()];
  }

  /**
   * The first language asked for that there is (RFC 4647 section 3.4, lookup); English where there is none.
   * @param asked `chosen` by the person; `wanted` by the app, tags in order, separated by spaces; `accepted` as browsers send it
   */
  find(asked: {
    readonly chosen?: string | undefined;
    readonly wanted?: string | undefined;
    readonly accepted?: string | undefined;
  }): PageLanguage {
    const accepted = byWeight((asked.accepted ?? '').slice(0, LONGEST_HEADER));
    const wanted = [asked.chosen ?? '', ...(asked.wanted ?? '').slice(0, LONGEST_HEADER).split(' '), ...accepted];
    for (const locale of wanted.filter((one) => TAG.test(one))) {
      const tag = this.#lookUp(locale);
      if (tag === undefined) continue;
      // German chosen, in Austria: dates are written as the browser says.
      const here = locale.includes('-') ? locale : accepted.find((one) => TAG.test(one) && this.#lookUp(one) === tag);
      return new PageLanguage(tag, here ?? locale, this.#catalogs.get(tag) ?? new Map());
    }
    return ENGLISH;
  }

  #lookUp(locale: string): string | undefined {
    for (let tag = locale.toLowerCase(); tag !== ''; tag = tag.slice(0, Math.max(0, tag.lastIndexOf('-')))) {
      const found = this.tags.find((one) => one.toLowerCase() === tag);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** A sentence in every language, English first: for pages that are made before it is known who reads them. */
  inAll(sentence: Sentence): readonly { readonly tag: string; readonly text: string }[] {
    return [...this.#catalogs].map(([tag, catalog]) => ({ tag, text: catalog.get(sentence) ?? sentence }));
  }
}

/** The tags of an Accept-Language header, those first that are liked best. */
function byWeight(header: string): readonly string[] {
  return header
    .split(',')
    .map((one) => {
      const [tag = '', ...parameters] = one.trim().split(';');
      const weight = parameters.find((parameter) => parameter.trim().toLowerCase().startsWith('q='));
      return { tag: tag.trim(), weight: weight === undefined ? 1 : Number(weight.trim().slice(2)) };
    })
    .filter(({ weight }) => weight > 0)
    .sort((one, other) => other.weight - one.weight)
    .map(({ tag }) => tag);
}
