/** An application that the Hub calls (STU2): it verifies its subscription, and answers as it is told. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export class Callback {
  readonly url: string;
  /** What it answers to events from now on. */
  status = 200;
  /** Ids of the patients that it was sent, and took. */
  readonly patients: string[] = [];
  /** Settles once the Hub has verified it. */
  readonly verified: Promise<void>;
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`;
    this.verified = new Promise((resolve) => {
      server.on('request', (request, response) => {
        const challenge = new URL(request.url ?? '/', this.url).searchParams.get('hub.challenge');
        if (challenge !== null) {
          response.end(challenge, () => resolve());
          return;
        }
        let body = '';
        request.setEncoding('utf8').on('data', (chunk) => {
          body += chunk;
        });
        request.on('end', () => {
          if (this.status < 300)
            this.patients.push(/"id":"([a-z-]+)"/.exec(body.slice(body.indexOf('"patient"')))?.[1] ?? '');
          response.writeHead(this.status).end();
        });
      });
    });
  }

  static async listen(): Promise<Callback> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Callback(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
