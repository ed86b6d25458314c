/** The HTTP server behind the suite's webhooks. */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Where the Hub reaches the suite's webhooks. */
export interface PlayedCallbackOptions {
  /** Address to listen on; 127.0.0.1 unless given. */
  readonly host?: string;
  readonly port?: number;
  /** What the Hub has to call, when it differs from `http://{host}:{port}`; no trailing slash. */
  readonly publicUrl?: string;
}

/** A request of the Hub, read to its end. */
export interface CallbackArrival {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** The body, as far as it is read. */
  readonly bytes: Buffer;
}

/** Longest body that is read, bytes. */
const LONGEST_BODY = 4_000_000;

/** Listens for the Hub's calls; it starts with the first one who asks for its address. */
export class CallbackServer {
  readonly #options: PlayedCallbackOptions;
  readonly #arrived: (arrival: CallbackArrival, response: ServerResponse) => void;
  #running: Promise<{ readonly server: Server; readonly base: string }> | undefined;

  /** @param arrived answers a request */
  constructor(options: PlayedCallbackOptions, arrived: (arrival: CallbackArrival, response: ServerResponse) => void) {
    this.#options = options;
    this.#arrived = arrived;
  }

  /** What the Hub has to call, without a trailing slash. @throws Error when nothing can listen */
  async base(): Promise<string> {
    this.#running ??= this.#listen();
    return (await this.#running).base;
  }

  async close(): Promise<void> {
    const running = await this.#running?.catch(() => undefined);
    if (!running) return;
    const closed = new Promise((resolve) => running.server.close(resolve));
    running.server.closeAllConnections();
    await closed;
  }

  #listen(): Promise<{ server: Server; base: string }> {
    const { host = '127.0.0.1', port = 0, publicUrl } = this.#options;
    return new Promise((resolve, reject) => {
      const server = createServer(async (request, response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        try {
          for await (const chunk of request as AsyncIterable<Buffer>) {
            length += chunk.length;
            if (length < LONGEST_BODY) chunks.push(chunk);
          }
        } catch {
          return;
        }
        const { method = '', url = '/', headers } = request;
        const arrival = { method, url: new URL(url, 'http://callback'), headers, bytes: Buffer.concat(chunks) };
        this.#arrived(arrival, response);
      });
      server.on('error', reject);
      server.listen(port, host, () => {
        const own = `http://${host}:${(server.address() as AddressInfo).port}`;
        resolve({ server, base: publicUrl ?? own });
      });
    });
  }
}
