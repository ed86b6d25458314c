/**
 * Topics for applications that are not launched by another program (LAU-2): subscriber and Hub share a secret, and the topic is
 * base64url(iv ‖ AES-256-GCM(username ‖ LF ‖ nonce)), iv 12 random bytes, nonce = time in ms, base 36 ‖ "." ‖ 128 random
 * bits in base64url. WebCrypto only, so that it runs in a browser (on https or localhost) and in Node.
 */

/** A shared secret: 32 random bytes, or their base64url text. */
export type TopicSecret = string | Uint8Array;

/** What a derived topic holds. */
export interface DerivedTopic {
  readonly user: string;
  /** When the topic was made, ms since the epoch, by the subscriber's clock. */
  readonly issuedAt: number;
  /** Unique to this topic: the Hub refuses it from a second subscriber. */
  readonly nonce: string;
}

const IV_BYTES = 12;
const TAG_BYTES = 16;
const NONCE = /^([0-9a-z]{1,11})\.[A-Za-z0-9_-]{22}$/;

function toBase64url(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+/, '');
}

/** @returns undefined when the text is not base64url in its one canonical form, so that no topic has two spellings */
function fromBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return undefined;
  const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0));
  return toBase64url(bytes) === text ? bytes : undefined;
}

function random(bytes: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(bytes));
}

async function keyOf(secret: TopicSecret, use: 'encrypt' | 'decrypt') {
  const bytes = typeof secret === 'string' ? fromBase64url(secret) : Uint8Array.from(secret);
  if (bytes?.length !== 32) throw new TypeError('a topic secret is 32 bytes, or their base64url text');
  return crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, [use]);
}

/** A new secret for one client, as base64url text. */
export function newTopicSecret(): string {
  return toBase64url(random(32));
}

/** A topic is also an argument of a command: it must not begin with "-", which an iv of these first six bits would give. */
function newIv(): Uint8Array<ArrayBuffer> {
  for (;;) {
    const iv = random(IV_BYTES);
    if ((iv[0] ?? 0) >> 2 !== 0b111110) return iv;
  }
}

/**
 * The topic of a user's session.
 * @param user the user's name as the subscriber knows it
 * @param now ms since the epoch
 * @throws TypeError when the secret is not 32 bytes, the name is empty or `now` is not a time
 */
export async function deriveTopic(user: string, secret: TopicSecret, now: number = Date.now()): Promise<string> {
  if (user === '' || !user.isWellFormed()) throw new TypeError('a derived topic needs a user name');
  if (!Number.isSafeInteger(now) || now < 0) throw new TypeError('a derived topic needs a time in whole milliseconds');
  const key = await keyOf(secret, 'encrypt');
  const iv = newIv();
  const plain = new TextEncoder().encode(`${user}\n${now.toString(36)}.${toBase64url(random(16))}`);
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, plain));
  const topic = new Uint8Array(IV_BYTES + sealed.length);
  topic.set(iv);
  topic.set(sealed, IV_BYTES);
  return toBase64url(topic);
}

/**
 * Opens a derived topic.
 * @returns undefined when the topic was not made with this secret, or was changed since
 * @throws TypeError when the secret is not 32 bytes
 */
export async function openDerivedTopic(topic: string, secret: TopicSecret): Promise<DerivedTopic | undefined> {
  const key = await keyOf(secret, 'decrypt');
  const bytes = fromBase64url(topic);
  if (!bytes || bytes.length <= IV_BYTES + TAG_BYTES) return undefined;
  let plain: string;
  try {
    const iv = bytes.slice(0, IV_BYTES);
    const opened = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, bytes.slice(IV_BYTES));
    plain = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(opened);
  } catch {
    return undefined;
  }
  const split = plain.lastIndexOf('\n');
  const nonce = plain.slice(split + 1);
  const time = NONCE.exec(nonce)?.[1];
  if (split < 1 || time === undefined) return undefined;
  return { user: plain.slice(0, split), issuedAt: Number.parseInt(time, 36), nonce };
}
