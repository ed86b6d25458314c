/** Finding by words, whatever their case and accents. */

/** A text without case and accents. */
export function folded(text: string): string {
  return text.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase();
}

/** The words of what somebody searches for, folded. */
export function searchWords(query: string): readonly string[] {
  return folded(query).split(/\s+/).filter(Boolean);
}
