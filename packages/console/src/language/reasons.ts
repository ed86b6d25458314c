/**
 * Reasons that travel between programs, such as why an application does not follow. They are sent in English, since who reads
 * them may speak another language; here they are put into the language of the person.
 */
import type german from '../../languages/reasons/de.json';
import { appWords } from './app-words.ts';
import { codeWords, spoken } from './language.ts';

/** A reason that is put into other languages: what is told to others is one of these. */
export type Reason = keyof typeof german;

/** Why a record cannot be read. @param status HTTP status of its answer; 0 where it gave none, undefined where that is not known */
export function recordReason(status: number | undefined): Reason {
  switch (status) {
    case 0:
      return 'the record cannot be reached';
    case 401:
      return 'the access to the record has ended';
    case 403:
      return 'the record does not allow it';
    default:
      return status !== undefined && status >= 500 ? 'the record reports a failure' : 'the record cannot be read';
  }
}

/** What stands around a reason in a sentence of the Hub's, and says nothing more about it. */
const AROUND: readonly (readonly [RegExp, string])[] = [
  [/ was sent \S+ and /, ' '],
  [/ and may not follow the context$/, ''],
  [/ did not answer \S+ within \d+ seconds$/, ' did not answer in time'],
];

/** Longer texts are somebody's own words. */
const LONGEST = 500;

function known(text: string): string | undefined {
  const words = codeWords('reason', text);
  return words === text ? undefined : words;
}

/** A reason, perhaps after a name, with a number, or with more behind a colon. */
function translated(text: string): string | undefined {
  const whole = known(text);
  if (whole !== undefined) return whole;
  const [, head = '', tail = ''] = /^(.+?)( \d+| \([^()]*\))$/s.exec(text) ?? [];
  if (head !== '') {
    const said = translated(head);
    return said === undefined ? undefined : said + tail;
  }
  const colon = text.indexOf(': ');
  if (colon > 0) {
    const [head, rest] = [text.slice(0, colon), text.slice(colon + 2)];
    const [said, more] = [translated(head), translated(rest)];
    const name = appWords(head);
    const isKnown = said !== undefined || more !== undefined || name !== head;
    return isKnown ? `${said ?? name}: ${more ?? rest}` : undefined;
  }
  for (let at = text.indexOf(' '); at > 0; at = text.indexOf(' ', at + 1)) {
    const said = known(text.slice(at + 1));
    if (said !== undefined) return `${appWords(text.slice(0, at))} ${said}`;
  }
  return undefined;
}

/** A reason in the person's language; what no catalog knows stays as it was said. @param said in English, as it came */
export function reasonWords(said: string): string {
  if (spoken.get().language === 'en' || said.length > LONGEST) return said;
  const [, sentence = '', dot = ''] = /^(.*?)(\.?)$/s.exec(said) ?? [];
  const words = translated(AROUND.reduce((text, [from, to]) => text.replace(from, to), sentence));
  return words === undefined ? said : words + dot;
}
