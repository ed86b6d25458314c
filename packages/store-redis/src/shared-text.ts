/** Characters from which a text is worth looking for in another one. */
const WORTH = 200;
/** Characters in the middle of a text by which it is looked for. */
const PROBE = 48;
/** Places in the other text that are looked at. */
const PLACES = 16;

/** A text that has a part in common with a longer one. */
export interface SharedText {
  readonly before: string;
  /** Where the common part is in the other text, and how long it is there: bytes of its UTF-8. */
  readonly from: number;
  readonly length: number;
  readonly after: string;
}

const isLowSurrogate = (code: number): boolean => (code & 0xfc00) === 0xdc00;

/** The stretch around a text's middle that is the same in another text, which has it further on by `ahead`. */
function around(text: string, other: string, middle: number, ahead: number): readonly [start: number, end: number] {
  let start = middle;
  while (start > 0 && text.charCodeAt(start - 1) === other.charCodeAt(start - 1 + ahead)) start--;
  let end = middle + PROBE;
  while (end < text.length && text.charCodeAt(end) === other.charCodeAt(end + ahead)) end++;
  // A pair of surrogates is one character of UTF-8: none is cut in two.
  if (isLowSurrogate(text.charCodeAt(start))) start++;
  if (isLowSurrogate(text.charCodeAt(end))) end--;
  return [start, end];
}

/** What a text and another one have in common around the text's middle; undefined where that is not much. */
export function sharedText(text: string, other: string): SharedText | undefined {
  if (text.length < WORTH) return undefined;
  const middle = (text.length - PROBE) >> 1;
  const probe = text.slice(middle, middle + PROBE);
  let [start, end, ahead] = [0, 0, 0];
  let found = other.indexOf(probe);
  // What is like it may stand before it.
  for (let tried = 0; found >= 0 && tried < PLACES && end - start < text.length / 2; tried++) {
    const [from, to] = around(text, other, middle, found - middle);
    if (to - from > end - start) [start, end, ahead] = [from, to, found - middle];
    found = other.indexOf(probe, found + 1);
  }
  if (end - start < WORTH) return undefined;
  return {
    before: text.slice(0, start),
    from: Buffer.byteLength(other.slice(0, start + ahead)),
    length: Buffer.byteLength(text.slice(start, end)),
    after: text.slice(end),
  };
}
