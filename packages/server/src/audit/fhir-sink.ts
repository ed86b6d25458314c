/** Audit records to a FHIR server's audit repository: IHE ITI-20 by RESTful ATNA, one `create` a record. */
import type { AuditSink } from './sink.ts';

/** Records on their way at once. */
const AT_ONCE = 8;
const TIMEOUT = 10_000;

export interface FhirSinkOptions {
  /** Base address of the FHIR server. */
  readonly url: string;
  /** A bearer token for it. */
  readonly token?: string;
}

export class FhirSink implements AuditSink {
  readonly name = 'FHIR server';
  readonly #options: FhirSinkOptions;
  /** Records of a write that failed which the server already has: they are not sent twice. */
  readonly #sent = new Set<string>();

  constructor(options: FhirSinkOptions) {
    this.#options = options;
  }

  async write(lines: readonly string[]): Promise<void> {
    const waiting = lines.filter((line) => !this.#sent.has(line));
    const { url, token } = this.#options;
    const headers = {
      'content-type': 'application/fhir+json',
      accept: 'application/fhir+json',
      prefer: 'return=minimal',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
    const send = async (): Promise<void> => {
      for (let line = waiting.shift(); line !== undefined; line = waiting.shift()) {
        const response = await fetch(`${url.replace(/\/$/, '')}/AuditEvent`, {
          method: 'POST',
          headers,
          body: line,
          redirect: 'error',
          signal: AbortSignal.timeout(TIMEOUT),
        });
        await response.body?.cancel();
        if (!response.ok) throw new Error(`it answered ${response.status}`);
        this.#sent.add(line);
      }
    };
    const done = await Promise.allSettled(Array.from({ length: AT_ONCE }, send));
    const failed = done.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
    this.#sent.clear();
  }

  async close(): Promise<void> {}
}
