/** Reads the parts of a language's catalog when they are needed, and changes the language while the pages are open. */

import languages from 'virtual:languages';
import { textDirection } from '@lockstep/fhircast';
import { serverPath } from '../base.ts';
import { browserStorage } from '../browser-storage.ts';
import { languageFor, type Messages, spoken } from './language.ts';

/** Where the person's choice is kept. */
const CHOICE = 'lockstep-language';

/** What one can choose from, each in its own words. */
export const LANGUAGES: readonly { readonly language: string; readonly name: string }[] = Object.entries(languages).map(
  ([language, { name }]) => ({ language, name }),
);

/** Parts that pages have asked for: a language that is chosen later needs them too. */
const needed = new Set<string>();

async function read(language: string, parts: readonly string[]): Promise<Messages> {
  const { files = {} } = languages[language] ?? {};
  const loads = parts.map((part) => (files[part] ?? files.small)?.().then((loaded) => loaded.default));
  return Object.assign({}, ...(await Promise.all(loads))) as Messages;
}

/** Adds a part of the catalog to what is spoken. @param part the first word of its keys */
export async function loadMessages(part: string): Promise<void> {
  if (needed.has(part)) return;
  needed.add(part);
  const { language } = spoken.get();
  const more = await read(language, [part]).catch((error: unknown) => {
    needed.delete(part);
    throw error;
  });
  // Meanwhile another language may have been chosen, which brought the part along.
  spoken.update((now) => (now.language === language ? { ...now, messages: { ...now.messages, ...more } } : now));
}

/** Counts the languages that were asked for: one that comes late is not spoken any more. */
let asked = 0;

/** @throws Error when it cannot be loaded; then the language stays. @returns whether nothing else was asked for meanwhile */
async function speak(wanted: readonly string[]): Promise<boolean> {
  const { language, locale } = languageFor(wanted, Object.keys(languages));
  const turn = ++asked;
  const has = new Set<string>();
  let messages: Messages = {};
  // What other pages ask for meanwhile is read too.
  while (has.size < needed.size) {
    const missing = [...needed].filter((part) => !has.has(part));
    messages = { ...messages, ...(await read(language, missing)) };
    for (const part of missing) has.add(part);
  }
  if (turn !== asked) return false;
  spoken.set({ language, locale, messages });
  document.documentElement.lang = language;
  document.documentElement.dir = textDirection(language);
  return true;
}

/** Speaks what was chosen before, else what the browser prefers. @param part what the first page says */
export async function startLanguage(part: string): Promise<void> {
  needed.add(part);
  await speak([...browserLocales(browserStorage.getItem(CHOICE) ?? undefined), ...navigator.languages]);
  // What is chosen in one window of the browser is spoken in all.
  addEventListener('storage', ({ key, newValue }) => {
    // Where it cannot be loaded, this window goes on as it is.
    if (key === CHOICE && newValue !== null) speak(browserLocales(newValue)).catch(() => undefined);
  });
}

/** A language in the region that the browser says, where it says one: German chosen, in Austria. */
function browserLocales(language: string | undefined): readonly string[] {
  if (language === undefined) return [];
  return [...navigator.languages.filter((locale) => locale.split('-')[0] === language), language];
}

/** Changes the language, and keeps the choice. @throws Error when it cannot be loaded; then the language stays */
export async function chooseLanguage(language: string): Promise<void> {
  if (!(await speak(browserLocales(language)))) return;
  browserStorage.setItem(CHOICE, language);
  // The pages that the server makes, for signing in and for consent, keep it by a cookie.
  fetch(serverPath(`/auth/language?to=${language}`), { redirect: 'manual' }).catch(() => undefined);
}
