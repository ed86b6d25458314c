/** What the samples say, in the language that was chosen in the console, else in that of the browser. */
import { codeWords, type MessageValues, spoken, translate } from '@lockstep/console/language';
import type english from './languages/en.json';

/** The messages that there are: English has them all, and a test holds the other languages to it. */
export type SampleMessage = keyof typeof english;

/** A message for people. */
export const t = (key: SampleMessage, values?: MessageValues): string => translate(key, values);

/**
 * A refusal for people: in their language what its status means, and what the server said, which is in English.
 * @param status HTTP status
 */
export function refusalWords(status: number, said: string): string {
  const words = codeWords('kit.refused', String(status));
  return spoken.get().language === 'en' || words === String(status) ? said : t('kit.saidBy', { words, said });
}
