import { hash, randomFillSync, timingSafeEqual } from 'node:crypto';

const TOKEN_BYTES = 32;

/** Random bytes drawn ahead: asking the system for those of a single token costs several times as much. */
const drawn = Buffer.alloc(64 * TOKEN_BYTES);
let used = drawn.length;

/** A random value of 256 bits in base64url. */
export function randomToken(): string {
  if (used === drawn.length) {
    randomFillSync(drawn);
    used = 0;
  }
  const end = used + TOKEN_BYTES;
  const token = drawn.toString('base64url', used, end);
  // What was handed out is kept nowhere.
  drawn.fill(0, used, end);
  used = end;
  return token;
}

/** The SHA-256 of a value in base64url: what is kept instead of a token, so that a copy of the store opens nothing. */
export function digest(value: string): string {
  return hash('sha256', value, 'base64url');
}

/** Compares two secrets in a time that depends on neither (CWE-208). */
export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'));
}
