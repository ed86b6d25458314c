/** What applications of ours register in English, since who reads it may speak another language: their names and descriptions. */
import { codeWords } from './language.ts';

/**
 * A name or a description in the person's language, where the catalog knows it; what others wrote stays as it is. For people only:
 * programs know an application by the name that it gave.
 */
export function appWords(text: string): string {
  return codeWords('app', text);
}
