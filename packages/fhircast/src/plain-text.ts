/**
 * Characters that make a name look like another or break a line: controls, line and paragraph separators, marks that turn
 * the direction of writing, invisible ones (CWE-1007). Joiners that scripts need are none of them.
 */
const MISLEADING =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/u;

/** Why a name that others are shown is refused: follows the name of its field. */
export const MISLEADING_NAME = 'must hold no control characters, and none that hide or turn what is written';

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
