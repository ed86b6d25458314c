/**
 * Builds the console's messages: every file in `languages/` is one language, compiled and cut into parts by the first word of
 * its keys, so that a page loads only what it says.
 */
import { readdirSync, readFileSync } from 'node:fs';
import compile from 'icu-minify/compile';
import type { Plugin } from 'vite';

const FOLDER = new URL('../languages/', import.meta.url);

/** Messages in ICU MessageFormat by key. */
export type Catalog = Readonly<Record<string, string>>;

/** BCP 47 tags of the languages there are. */
export function languages(): readonly string[] {
  return readdirSync(FOLDER).flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : []));
}

/** @throws when there is no such language */
export function readCatalog(language: string): Catalog {
  return JSON.parse(readFileSync(new URL(`${language}.json`, FOLDER), 'utf8')) as Catalog;
}

/** The compiled messages of one part, or of all. */
export function compiled(catalog: Catalog, part?: string) {
  const wanted = Object.entries(catalog).filter(([key]) => part === undefined || key.startsWith(`${part}.`));
  return Object.fromEntries(wanted.map(([key, message]) => [key, compile(message)]));
}

/** Serves `virtual:languages`, which loads the parts of each language when they are needed. */
export function messages(): Plugin {
  return {
    name: 'messages',
    resolveId: (id) => (/^virtual:(languages|messages\/)/.test(id) ? `\0${id}` : undefined),
    load(id) {
      if (id === '\0virtual:languages') {
        const all = languages().map((language) => {
          const catalog = readCatalog(language);
          const parts = [...new Set(Object.keys(catalog).map((key) => key.split('.')[0]))];
          const loads = parts.map((part) => `${part}: () => import('virtual:messages/${language}/${part}')`);
          const name = JSON.stringify(catalog['start.language']);
          return `${JSON.stringify(language)}: { name: ${name}, parts: { ${loads.join(', ')} } }`;
        });
        return `export default { ${all.join(', ')} };`;
      }
      const [, language, part] = /^\0virtual:messages\/([^/]+)\/([^/]+)$/.exec(id) ?? [];
      if (language === undefined || part === undefined) return undefined;
      return `export default ${JSON.stringify(compiled(readCatalog(language), part))};`;
    },
  };
}
