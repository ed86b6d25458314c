/** Text as it is searched: lower case, without accents, so that `Müller` is found by `muller`. */
export function folded(text: string): string {
  return text.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase();
}

/** The words of a search, folded. */
export function foldedWords(search: string): readonly string[] {
  return folded(search).split(/\s+/).filter(Boolean);
}
