/** Letters with a stroke, ligatures and forms of a letter that Unicode does not take apart. */
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
  ŋ: 'n',
  ŧ: 't',
  ς: 'σ',
  // Persian and Egyptian ways to write two Arabic letters.
  ی: 'ي',
  ى: 'ي',
  ک: 'ك',
};
const OTHER_LETTERS = new RegExp(`[${Object.keys(LETTERS).join('')}]`, 'g');
/** Accents of Latin, Greek and Cyrillic letters, points of Hebrew and Arabic ones; not the marks of kana, which make other letters. */
const ACCENTS = /[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670]/g;
/**
 * Apostrophes of every shape, signs that are not seen, what makes an Arabic word longer and what chooses another form of a Chinese character
 * stand inside a word: `O’Brien` is one word.
 */
const INSIDE_WORDS = /['’‘‛ʼʻʽʾʿʹ´`′＇｀ꞌ՚׳\u00ad\u0640]|\p{Cf}|\p{Variation_Selector}/gu;
/** Punctuation, symbols and white space of every kind stand between words. */
const BETWEEN_WORDS = /[\p{P}\p{S}\p{Z}\s]+/gu;

/** Plain letters and digits, with one space between words: of most names nothing changes but the case. */
const PLAIN = /^[A-Za-z0-9]+(?: [A-Za-z0-9]+)*$/;

/**
 * A text as FHIR's string search compares it (R4 3.1.1.4.8): without case, accents, punctuation and white space that does not
 * matter; words parted by one space each. The one normalising function of searches, sorting and pickers (FHR-5).
 */
export function folded(text: string): string {
  if (PLAIN.test(text)) return text.toLowerCase();
  // An accent by itself (´) is taken apart into a space and a mark: apostrophes go first.
  const letters = text.replace(INSIDE_WORDS, '').normalize('NFKD').replace(ACCENTS, '').normalize('NFC');
  const plain = letters.toLowerCase().replace(ACCENTS, '');
  return plain
    .replace(OTHER_LETTERS, (letter) => LETTERS[letter]!)
    .replace(INSIDE_WORDS, '')
    .replace(BETWEEN_WORDS, ' ')
    .trim();
}

/**
 * The words of a search, folded: what stands between spaces and commas, such as `Patient-open`, is to be found in one piece. A
 * search of signs alone has one word, which is in no folded text.
 */
export function foldedWords(search: string): readonly string[] {
  const words = search
    .split(/[\s,;]+/)
    .map(folded)
    .filter(Boolean);
  const signs = search.trim();
  return words.length === 0 && signs !== '' ? [signs] : words;
}

/** A folded text without the spaces between its words: `山田太郎` is `山田 太郎`. */
function joined(text: string): string {
  return text.replaceAll(' ', '');
}

/** Whether a word of the text, or the text without its spaces, begins with what is wanted; both folded. */
export function wordBegins(text: string, wanted: string): boolean {
  if (text.startsWith(wanted) || text.includes(` ${wanted}`)) return true;
  // Most texts begin with another letter: no copy is made of them.
  return text[0] === wanted[0] && joined(text).startsWith(joined(wanted));
}

/** Whether what is wanted stands anywhere in the text; both folded. */
export function wordContains(text: string, wanted: string): boolean {
  return text.includes(wanted) || joined(text).includes(joined(wanted));
}

const ASCII = /^[\0-\x7f]*$/;

/** An identifier, or a code, as searches compare it: without case, as `ß` is `SS`. */
export function foldedToken(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  // Taken apart first: capitals of letters with several marks do not keep their order. The capital ẞ is one of ß, not SS.
  const folded = text.normalize('NFD').toLowerCase().toUpperCase().toLowerCase();
  return folded.replaceAll('ς', 'σ').normalize('NFC');
}
