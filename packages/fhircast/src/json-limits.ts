/** Levels of arrays and objects in one another. FHIR's own resources stay below 20. */
export const MAX_DEPTH = 64;
/** Members, elements, arrays and objects in one text; a FHIR resource of a megabyte has some 50,000. */
export const MAX_VALUES = 100_000;

/**
 * Looks at a JSON text before it is parsed: what is small as text can be large as objects, and what is nested deeply ends
 * the stack of a function that walks through it (CWE-674, CWE-770). One pass, about 1 ms for a megabyte.
 * @param mostValues Infinity where the length of the text is bounded and nothing else
 * @returns why it must not be parsed, in words for its sender; undefined where it may (whether it is JSON at all, the parser says)
 */
export function jsonLimitProblem(text: string, mostValues = MAX_VALUES): string | undefined {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case 0x22: {
        // A string ends at the first quotation mark with an even number of backslashes before it.
        let end = text.indexOf('"', at + 1);
        while (end > 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
        if (end < 0) return undefined;
        at = end;
        break;
      }
      case 0x5b:
      case 0x7b:
        depth += 1;
        values += 1;
        if (depth > MAX_DEPTH) return `The JSON is nested more than ${MAX_DEPTH} levels deep`;
        break;
      case 0x5d:
      case 0x7d:
        depth -= 1;
        break;
      case 0x2c:
        values += 1;
    }
    if (values > mostValues) return `The JSON holds more than ${mostValues} values`;
  }
  return undefined;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(at - 1 - backslashes) === 0x5c) backslashes += 1;
  return backslashes % 2 === 1;
}
