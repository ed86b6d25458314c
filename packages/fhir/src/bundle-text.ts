import type { JsonObject } from './resource.ts';

/** Characters that are written in one slice of work. */
const SLICE = 256 * 1024;

/**
 * A Bundle's JSON, as `JSON.stringify` writes it, written in slices: a large one would hold everything up.
 * @param slice waits for the turn of the next slice
 */
export async function bundleText(
  bundle: JsonObject & { readonly entry?: readonly JsonObject[] },
  slice: () => Promise<void>,
): Promise<string> {
  const { entry, ...head } = bundle;
  const start = JSON.stringify(head);
  if (!entry) return start;
  const texts: string[] = [];
  let written = 0;
  for (const one of entry) {
    const text = JSON.stringify(one);
    texts.push(text);
    written += text.length;
    if (written < SLICE) continue;
    written = 0;
    await slice();
  }
  return `${start.slice(0, -1)},"entry":[${texts.join(',')}]}`;
}
