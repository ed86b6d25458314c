/**
 * The floor: the least that a Hub over WebSocket can be. It parses each POST and sends its bytes to the sockets of the
 * topic. No checks, no storage, no answers. What is measured of Lockstep is quoted as a multiple of this program.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

const topics = new Map<string, Set<WebSocket>>();

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    const { event } = JSON.parse(body.toString()) as { event: { 'hub.topic': string } };
    for (const socket of topics.get(event['hub.topic']) ?? []) socket.send(body, { binary: false });
    response.writeHead(202, { 'content-length': '0' });
    response.end();
  });
});

const sockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });
sockets.on('connection', (socket, request) => {
  const topic = request.url?.slice(1) ?? '';
  const held = topics.get(topic) ?? new Set();
  topics.set(topic, held.add(socket));
  socket.on('close', () => held.delete(socket));
});

// As long as Lockstep keeps them: connections rest while the other program has its turn.
server.keepAliveTimeout = 72_000;
server.listen(0, '127.0.0.1', () => {
  console.log(`The floor is ready at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
