/** Letters with a stroke or a ligature, which Unicode does not take apart. */
const LETTERS: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ł: 'l',
  þ: 'th',
  ħ: 'h',
  ı: 'i',
};
/** Accents of Latin, Greek and Cyrillic letters; not the voicing marks of kana, which make other letters. */
const ACCENTS = /[\u0300-\u036f]/g;
/** Apostrophes of every shape stand inside a word: `O’Brien` is one word. */
const APOSTROPHES = /['’‘ʼ´`ʻ＇]/g;
/** Punctuation, symbols and white space of every kind stand between words. */
const BETWEEN_WORDS = /[\p{P}\p{S}\p{Z}\s]+/gu;

/**
 * A text as FHIR's string search compares it (R4 3.1.1.4.8): without case, accents, punctuation and white space that does not
 * matter; words parted by one space each. The one normalising function of searches, sorting and pickers (FHR-5).
 */
export function folded(text: string): string {
  const plain = text.normalize('NFKD').replace(ACCENTS, '').normalize('NFC').toLowerCase().replace(ACCENTS, '');
  const letters = plain.replace(/[ßæœøđðłþħı]/g, (letter) => LETTERS[letter]!);
  return letters.replace(APOSTROPHES, '').replace(BETWEEN_WORDS, ' ').trim();
}

/** A folded text without the spaces between its words: `山田太郎` is `山田 太郎`. */
function joined(text: string): string {
  return text.replaceAll(' ', '');
}

/** Whether a word of the text, or the text without its spaces, begins with what is wanted; both folded. */
export function wordBegins(text: string, wanted: string): boolean {
  return ` ${text}`.includes(` ${wanted}`) || joined(text).startsWith(joined(wanted));
}

/** Whether what is wanted stands anywhere in the text; both folded. */
export function wordContains(text: string, wanted: string): boolean {
  return text.includes(wanted) || joined(text).includes(joined(wanted));
}

/** An identifier, or a code, as searches compare it: without case. */
export function foldedToken(text: string): string {
  return text.normalize('NFC').toLowerCase();
}
