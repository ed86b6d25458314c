/** What both floors share: POST a body, and its bytes go to the sockets of its topic. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';

/** The part of an event that a floor reads. */
export interface Envelope {
  readonly id: string;
  readonly event: { readonly 'hub.topic': string };
}

export interface Relay {
  /** Sends the bytes to every socket of the topic. */
  send(topic: string, body: Buffer): void;
}

/**
 * Listens on a free port and prints where.
 * @param published called with each POST; it answers with `accepted` when it is done
 * @param answered called with what subscribers send
 */
export function listen(
  name: string,
  published: (relay: Relay, body: Buffer, response: ServerResponse) => void,
  answered?: (data: RawData) => void,
): void {
  const topics = new Map<string, Set<WebSocket>>();
  const relay: Relay = {
    send(topic, body) {
      for (const socket of topics.get(topic) ?? []) socket.send(body, { binary: false });
    },
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => published(relay, Buffer.concat(chunks), response));
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });
  sockets.on('connection', (socket, request) => {
    const topic = request.url?.slice(1) ?? '';
    const held = topics.get(topic) ?? new Set();
    topics.set(topic, held.add(socket));
    socket.on('close', () => held.delete(socket));
    if (answered) socket.on('message', answered);
  });
  // As long as Lockstep keeps them: connections rest while the other program has its turn.
  server.keepAliveTimeout = 72_000;
  server.listen(0, '127.0.0.1', () => {
    console.log(`The ${name} is ready at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
}

export function accepted(response: ServerResponse): void {
  response.writeHead(202, { 'content-length': '0' });
  response.end();
}
