/** HTTP/1.1 requests on kept connections, as cheap for the load generator as they get: bytes out, status in. */
import { connect, type Socket } from 'node:net';

const END = Buffer.from('\r\n\r\n');

interface Connection {
  readonly socket: Socket;
  answered: ((status: number) => void) | undefined;
}

/** Connections to one server, each with at most one request under way. */
export class Requests {
  readonly #host: string;
  readonly #port: number;
  readonly #free: Connection[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(origin: string) {
    const { hostname, port } = new URL(origin);
    this.#host = hostname;
    this.#port = Number(port);
  }

  #open(): Connection {
    const connection: Connection = {
      socket: connect({ host: this.#host, port: this.#port, noDelay: true }),
      answered: undefined,
    };
    let rest: Buffer | undefined;
    connection.socket.on('data', (bytes: Buffer) => {
      const data = rest ? Buffer.concat([rest, bytes]) : bytes;
      const head = data.indexOf(END);
      const text = head < 0 ? '' : data.toString('latin1', 0, head);
      const length = Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? 0);
      if (head < 0 || data.length < head + END.length + length) {
        rest = Buffer.from(data);
        return;
      }
      rest = undefined;
      const { answered } = connection;
      connection.answered = undefined;
      this.#free.push(connection);
      answered?.(Number(text.slice(9, 12)));
    });
    connection.socket.on('error', (error) => {
      throw error;
    });
    this.#sockets.add(connection.socket);
    // A connection that rested for too long is ended by the server: from then on it takes no more requests.
    connection.socket.on('end', () => this.#lose(connection));
    connection.socket.on('close', () => {
      this.#sockets.delete(connection.socket);
      if (connection.answered) throw new Error('The server closed a connection with a request under way');
      this.#lose(connection);
    });
    return connection;
  }

  #lose(connection: Connection): void {
    const index = this.#free.indexOf(connection);
    if (index >= 0) this.#free.splice(index, 1);
  }

  /** Sends a whole request. @param answered is called with the status once the answer is complete */
  send(request: Buffer | string, answered: (status: number) => void): void {
    const connection = this.#free.pop() ?? this.#open();
    connection.answered = answered;
    connection.socket.write(request);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function headerLines(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}

/** The head of a POST up to the body's length, which `withBody` adds. */
export function postHead(url: string, headers: Readonly<Record<string, string>>): string {
  const { host, pathname } = new URL(url);
  return `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${headerLines(headers)}Content-Length: `;
}

export function getRequest(url: string, headers: Readonly<Record<string, string>>): string {
  return `GET ${new URL(url).pathname} HTTP/1.1\r\nHost: ${new URL(url).host}\r\n${headerLines(headers)}\r\n`;
}

/** @param body ASCII */
export function withBody(head: string, body: string): string {
  return `${head}${body.length}\r\n\r\n${body}`;
}
