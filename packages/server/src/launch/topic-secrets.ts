import { newTopicSecret } from '@lockstep/fhircast';
import type { RecordStore } from '@lockstep/store';

const KIND = 'topic-secret';

/** The secrets that apps derive topics with, one an app (LAU-2). They are kept as they are: topics are decrypted with them. */
export class TopicSecrets {
  readonly #records: RecordStore;
  readonly #now: () => number;

  /** @param now ms since the epoch */
  constructor(records: RecordStore, now: () => number) {
    this.#records = records;
    this.#now = now;
  }

  /** A new secret for the app, shown once; the old one is void at once. */
  async renew(clientId: string): Promise<string> {
    const secret = newTopicSecret();
    await this.#records.put(KIND, clientId, { body: JSON.stringify({ secret }) }, this.#now());
    return secret;
  }

  async of(clientId: string): Promise<string | undefined> {
    const record = await this.#records.get(KIND, clientId, this.#now());
    return record && (JSON.parse(record.body) as { secret: string }).secret;
  }
}
