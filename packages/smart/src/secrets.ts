import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** A random value of `bytes` bytes in base64url; 32 bytes are 256 bits. */
export function randomToken(bytes = 32): string {
  return randomBytes(bytes).toString('base64url');
}

/** The SHA-256 of a value in base64url: what is kept instead of a token, so that a copy of the store opens nothing. */
export function digest(value: string): string {
  return hash('sha256', value, 'base64url');
}

/** Compares two secrets in a time that depends on neither (CWE-208). */
export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'));
}
