import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto';
import { FhirRefusal } from '@lockstep/fhir';
import type { RecordStore } from '@lockstep/store';

const KIND = 'gateway';
const ID = 'page-key';
/** Characters of a link's page: more would not fit into an address. */
const MAX_LENGTH = 6000;

/**
 * Links to further pages. The server's own address of a page may hold anything, patients' names too, and would let its holder ask
 * the server for anything: it is sealed (AES-256-GCM), and bound to whose rights it was made with and to where it leads.
 */
export class PageLinks {
  readonly #key: Buffer;

  constructor(key: Buffer) {
    this.#key = key;
  }

  /** With a key that all nodes have in common. */
  static async open(records: RecordStore, now: number): Promise<PageLinks> {
    await records.put(KIND, ID, { body: JSON.stringify(randomBytes(32).toString('base64url')) }, now, 'absent');
    const record = await records.get(KIND, ID, now);
    if (!record) throw new Error('the key of page links is not kept by the store');
    return new PageLinks(Buffer.from(JSON.parse(record.body), 'base64url'));
  }

  /** @param holder whose rights they are @param place where the page belongs, such as `Patient` @param path the server's address */
  seal(holder: string, place: string, path: string): string {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(boundTo(holder, place));
    const sealed = Buffer.concat([nonce, cipher.update(path, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    const text = sealed.toString('base64url');
    if (text.length > MAX_LENGTH)
      throw new FhirRefusal(502, 'too-costly', "The FHIR server's link to the next page is too long.");
    return text;
  }

  /** @throws Refusal 400 for a page that was not sealed for this holder and place */
  open(holder: string, place: string, page: string): string {
    const sealed = Buffer.from(page, 'base64url');
    try {
      if (page.length > MAX_LENGTH || sealed.length < 29) throw new RangeError('length');
      const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, 12));
      decipher.setAAD(boundTo(holder, place)).setAuthTag(sealed.subarray(-16));
      return decipher.update(sealed.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8');
    } catch {
      throw new FhirRefusal(400, 'value', 'The page is not one of this answer, or not for this token.');
    }
  }
}

function boundTo(holder: string, place: string): Buffer {
  return hash('sha256', `${place}\n${holder}`, 'buffer');
}
