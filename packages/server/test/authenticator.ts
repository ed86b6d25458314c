/** An authenticator in software: what it makes and signs can be bent byte by byte. */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { Json } from './harness.ts';

const b64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64url');
const sha256 = (data: Uint8Array | string): Buffer => createHash('sha256').update(data).digest();

/** What an answer says that a good one would not. */
export interface Bent {
  readonly origin?: string;
  readonly rpId?: string;
  readonly challenge?: string;
  readonly type?: string;
  readonly counter?: number;
  readonly flags?: number;
  readonly id?: string;
  /** Whether another key signs. */
  readonly isForged?: boolean;
  /** Whether what was signed is changed afterwards. */
  readonly isChanged?: boolean;
}

/** The head of a CBOR item (RFC 8949 section 3). */
function cborHead(major: number, length: number): Buffer {
  const first = major << 5;
  if (length < 24) return Buffer.from([first | length]);
  return length < 256 ? Buffer.from([first | 24, length]) : Buffer.from([first | 25, length >> 8, length & 255]);
}
const cborBytes = (bytes: Uint8Array): Buffer => Buffer.concat([cborHead(2, bytes.length), bytes]);
const cborText = (text: string): Buffer => Buffer.concat([cborHead(3, text.length), Buffer.from(text)]);

/** User present, attested credential data. */
const PRESENT = 0x01;
const ATTESTED = 0x40;

export class Authenticator {
  readonly id = b64(randomBytes(32));
  readonly origin: string;
  #counter = 0;
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  constructor(origin: string) {
    this.origin = origin;
  }

  #data(rpId: string, flags: number, counter: number): Buffer {
    const tail = Buffer.alloc(5);
    tail.writeUInt8(flags);
    tail.writeUInt32BE(counter, 1);
    return Buffer.concat([sha256(rpId), tail]);
  }

  #clientData(type: string, challenge: string, bent: Bent): string {
    const said = {
      type: bent.type ?? type,
      challenge: bent.challenge ?? challenge,
      origin: bent.origin ?? this.origin,
    };
    return JSON.stringify({ ...said, crossOrigin: false });
  }

  /** The answer to `navigator.credentials.create`. */
  create(options: Json, bent: Bent = {}): Json {
    const { x, y } = this.#keys.publicKey.export({ format: 'jwk' });
    const [kty, alg, crv] = [Buffer.from([0x01, 0x02]), Buffer.from([0x03, 0x26]), Buffer.from([0x20, 0x01])];
    const key = Buffer.concat([
      ...[cborHead(5, 5), kty, alg, crv],
      ...[Buffer.from([0x21]), cborBytes(Buffer.from(x ?? '', 'base64url'))],
      ...[Buffer.from([0x22]), cborBytes(Buffer.from(y ?? '', 'base64url'))],
    ]);
    const id = Buffer.from(this.id, 'base64url');
    const rpId = bent.rpId ?? (options.rp as { id: string }).id;
    const flags = bent.flags ?? PRESENT | ATTESTED;
    const authData = Buffer.concat([
      this.#data(rpId, flags, 0),
      ...[Buffer.alloc(16), Buffer.from([id.length >> 8, id.length & 255]), id, key],
    ]);
    const attestation = Buffer.concat([
      cborHead(5, 3),
      ...[cborText('fmt'), cborText('none'), cborText('attStmt'), cborHead(5, 0)],
      ...[cborText('authData'), cborBytes(authData)],
    ]);
    const clientData = this.#clientData('webauthn.create', String(options.challenge), bent);
    return {
      ...{ id: bent.id ?? this.id, rawId: bent.id ?? this.id, type: 'public-key', clientExtensionResults: {} },
      response: { clientDataJSON: b64(clientData), attestationObject: b64(attestation), transports: ['internal'] },
    };
  }

  /** The answer to `navigator.credentials.get`. */
  get(options: Json, bent: Bent = {}): Json {
    this.#counter += 1;
    const data = this.#data(bent.rpId ?? String(options.rpId), bent.flags ?? PRESENT, bent.counter ?? this.#counter);
    const clientData = this.#clientData('webauthn.get', String(options.challenge), bent);
    const key = bent.isForged ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey : this.#keys.privateKey;
    const signature = sign('sha256', Buffer.concat([data, sha256(clientData)]), key);
    // The counter's last byte.
    if (bent.isChanged) data.writeUInt8(data.readUInt8(data.length - 1) ^ 1, data.length - 1);
    return {
      ...{ id: bent.id ?? this.id, rawId: bent.id ?? this.id, type: 'public-key', clientExtensionResults: {} },
      response: { clientDataJSON: b64(clientData), authenticatorData: b64(data), signature: b64(signature) },
    };
  }
}
