/** What applications of ours register in English, since who reads it may speak another language: their names and descriptions. */
import { codeWords, t } from './language.ts';

/**
 * A name or a description in the person's language, where the catalog knows it; what others wrote stays as it is. For people only:
 * programs know an application by the name that it gave.
 */
export function appWords(text: string): string {
  return codeWords('app', text);
}

/**
 * What applications that are listed together are called, for people, in their order: of those with one name all but the first have a
 * number, so that two windows of one application are told apart.
 */
export function wordsApart(names: readonly string[]): readonly string[] {
  const plain = names.map(appWords);
  const taken = new Set<string>();
  return plain.map((name) => {
    if (name === '') return name;
    let words = name;
    for (let number = 2; taken.has(words) || (words !== name && plain.includes(words)); number += 1)
      words = t('shell.windowOf', { name, number });
    taken.add(words);
    return words;
  });
}
