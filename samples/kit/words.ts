/** What the samples say, in the language that was chosen in the console, else in that of the browser. */
import { codeWords, type MessageValues, spoken, translate } from '@lockstep/console/language';
import type english from './languages/en.json';

/** The messages that there are: English has them all, and a test holds the other languages to it. */
export type SampleMessage = keyof typeof english;

/** A message for people. */
export const t = (key: SampleMessage, values?: MessageValues): string => translate(key, values);

/** What went wrong, for people. */
export interface Notice {
  readonly text: string;
  /** What a server or the browser said of it, in English: for who wants to know more. */
  readonly said?: string;
}

/** An error whose message is for people, in their language. */
export class ToldError extends Error implements Notice {
  /** Its own, so that it is copied with what else the notice has. */
  readonly text: string;
  readonly said?: string;
  constructor({ text, said }: Notice) {
    super(text);
    this.text = text;
    if (said !== undefined) this.said = said;
  }
}

/**
 * What a server said, for people: where they read English in its words, else in theirs, with its words beside them.
 * @param words in the person's language
 */
export function besideSaid(words: string, said: string): Notice {
  return spoken.get().language === 'en' ? { text: said } : { text: words, said };
}

/** A refusal for people. @param status HTTP status. @param said what the server said */
export function refusalNotice(status: number, said: string): Notice {
  const words = codeWords('kit.refused', String(status));
  return besideSaid(words === String(status) ? t('kit.wentWrong') : words, said);
}

/** A notice in a sentence of its own. @param put makes the sentence */
export function noticeIn({ text, said }: Notice, put: (text: string) => string): Notice {
  return { text: put(text), ...(said !== undefined && { said }) };
}
