/**
 * Builds the messages of pages: every file in a folder is one language, compiled and cut into parts by the first word of its
 * keys, so that a page loads only what it says.
 */
import { readdirSync, readFileSync } from 'node:fs';
import compile from 'icu-minify/compile';
import type { Plugin } from 'vite';

/** The console's own. */
const CONSOLE = new URL('../languages/', import.meta.url);
/** What the sample applications say. */
export const SAMPLES = new URL('../../../samples/kit/languages/', import.meta.url);

/** Messages in ICU MessageFormat by key. */
export type Catalog = Readonly<Record<string, string>>;

/** What programs say to each other in English, in other languages, by the English text. */
export const REASONS = new URL('reasons/', CONSOLE);

/** BCP 47 tags of the languages there are. */
export function languages(folder: URL = CONSOLE): readonly string[] {
  return readdirSync(folder).flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : []));
}

/** @throws when there is no such language */
export function readCatalog(language: string, folder: URL = CONSOLE): Catalog {
  return JSON.parse(readFileSync(new URL(`${language}.json`, folder), 'utf8')) as Catalog;
}

/** What the samples are called in a language, and what is said of them, by the English texts that they register. */
function sampleWords(language: string): readonly (readonly [key: string, words: string])[] {
  if (language === 'en' || !languages(SAMPLES).includes(language)) return [];
  const words = readCatalog(language, SAMPLES);
  return Object.entries(readCatalog('en', SAMPLES)).flatMap(([key, english]) =>
    /\.(name|description)$/.test(key) ? [[`app.${english}`, words[key] ?? english] as const] : [],
  );
}

/** A language's messages, its words for reasons where it has any, and for the samples. @throws when there is no such language */
export function wholeCatalog(language: string, folder: URL = CONSOLE): Catalog {
  const reasons = languages(REASONS).includes(language) ? readCatalog(language, REASONS) : {};
  const words = Object.entries(reasons).map(([said, text]) => [`reason.${said}`, text]);
  return { ...readCatalog(language, folder), ...Object.fromEntries([...words, ...sampleWords(language)]) };
}

/**
 * Parts without a file of their own, and where they are: the first page names every file of every language. `small` holds what
 * is asked for by a name that has no file; `shell` and `ehr` are always shown together. Reasons, and what apps of ours are called, go with what all pages say.
 */
const FILES: Readonly<Record<string, string>> = {
  ehr: 'shell',
  guests: 'small',
  links: 'small',
  shortcuts: 'small',
  worklist: 'small',
};

function fileOf(part: string, folder: URL): string {
  if (part === 'reason' || part === 'app') return folder === CONSOLE ? 'shell' : 'kit';
  return FILES[part] ?? part;
}

/** The compiled messages of one file, or of all. */
export function compiled(catalog: Catalog, file?: string, folder: URL = CONSOLE) {
  const wanted = Object.entries(catalog).filter(
    ([key]) => file === undefined || fileOf(key.split('.')[0] ?? '', folder) === file,
  );
  return Object.fromEntries(wanted.map(([key, message]) => [key, compile(message)]));
}

/** What a language is called by those who speak it. */
function nameOf(language: string): string {
  return new Intl.DisplayNames([language], { type: 'language' }).of(language) ?? language;
}

/** Serves `virtual:languages`, which loads the parts of each language when they are needed. */
export function messages(folder: URL = CONSOLE): Plugin {
  return {
    name: 'messages',
    resolveId: (id) => (/^virtual:(languages|messages\/)/.test(id) ? `\0${id}` : undefined),
    load(id) {
      if (id === '\0virtual:languages') {
        const all = languages(folder).map((language) => {
          const catalog = wholeCatalog(language, folder);
          const files = [...new Set(Object.keys(catalog).map((key) => fileOf(key.split('.')[0] ?? '', folder)))];
          const loads = files.map((file) => `${file}: () => import('virtual:messages/${language}/${file}')`);
          const name = JSON.stringify(nameOf(language));
          return `${JSON.stringify(language)}: { name: ${name}, files: { ${loads.join(', ')} } }`;
        });
        return `export default { ${all.join(', ')} };`;
      }
      const [, language, file] = /^\0virtual:messages\/([^/]+)\/([^/]+)$/.exec(id) ?? [];
      if (language === undefined || file === undefined) return undefined;
      return `export default ${JSON.stringify(compiled(wholeCatalog(language, folder), file, folder))};`;
    },
  };
}
