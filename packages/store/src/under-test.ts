import type { TestContext } from 'node:test';
import type { RecordStore } from './record-store.ts';
import type { LogBounds, SessionStore } from './session-store.ts';

/** A store opened for a test. */
export interface StoreUnderTest {
  readonly sessions: SessionStore;
  readonly records: RecordStore;
  /** Closes the store and opens it again on the same data and bounds. The old one is still closed afterwards. */
  reopen(): Promise<StoreUnderTest>;
  /** Closes the store and removes its data, unless it was opened again. */
  close(): Promise<void>;
}

/** Opens a store that holds nothing yet. */
export type OpenStore = (log: LogBounds) => Promise<StoreUnderTest>;

/** Bounds that no test reaches unless it wants to. */
export const WIDE: LogBounds = { count: 10_000, ageMs: 3_600_000 };

/** Opens a store for one test, and closes it with the test. */
export async function opened(t: TestContext, open: OpenStore, log: LogBounds = WIDE): Promise<StoreUnderTest> {
  const store = await open(log);
  t.after(() => store.close());
  return store;
}

/** Opens the same data again for the same test. */
export async function reopened(t: TestContext, store: StoreUnderTest): Promise<StoreUnderTest> {
  const again = await store.reopen();
  t.after(() => again.close());
  return again;
}

/** Texts that stores have stumbled over: quoting, globs, hash tags, prototypes, scripts beyond the basic plane, length. */
export const AWKWARD: readonly string[] = [
  `'; DROP TABLE session; --`,
  `"quoted" and 'quoted' and \`quoted\``,
  'a%b_c*d?e[f]g\\h',
  '{tag}:{other}',
  'line\nbreak\r\n\ttab',
  '\u0001\u0002\u001f\u007f\u0080\u2028\u2029\ufeff',
  'Zoë Ångström',
  'Zoe\u0308 A\u030angstro\u0308m',
  '北京 😀 𝔘𝔫𝔦',
  '__proto__',
  'constructor',
  'toString',
  '0',
  '-1',
  '1e3',
  'null',
  ' leading and trailing ',
  'x'.repeat(3_000),
];
