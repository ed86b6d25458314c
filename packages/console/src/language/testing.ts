/** For tests outside a browser: the whole catalog of a language, spoken at once. */
import { compiled, wholeCatalog } from '../../build/messages.ts';
import { spoken } from './language.ts';

export function speak(language: string, locale: string): void {
  spoken.set({ language, locale, messages: compiled(wholeCatalog(language)) });
}

speak('en', 'en-GB');
