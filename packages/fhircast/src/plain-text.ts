/**
 * Characters that make a name look like another or break a line: controls, line and paragraph separators, marks that turn
 * the direction of writing, invisible ones (CWE-1007), and the signs for ohm, kelvin and angstrom, of which one is a Latin k in lower
 * case: names that differ elsewhere would mean the same person here. Joiners that scripts need are none of them.
 */
const MISLEADING =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u2126\u212a\u212b\ufeff\u{e0000}-\u{e007f}]/u;

/** Why a name that others are shown is refused: follows the name of its field. */
export const MISLEADING_NAME = 'must hold no control characters, and none that hide, turn or imitate what is written';

/** Whether a name or another short text shows what it holds. */
export function isPlainText(text: string): boolean {
  return !MISLEADING.test(text);
}

/** The same for texts of several lines. */
export function isPlainLines(text: string): boolean {
  return isPlainText(text.replaceAll(/\r?\n|\t/g, ' '));
}

/** The text without what would mislead. */
export function toPlainText(text: string): string {
  return text.replaceAll(new RegExp(MISLEADING, 'gu'), '');
}
