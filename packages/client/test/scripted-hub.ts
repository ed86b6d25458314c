import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { ModelHub, type ModelSocket } from './model-hub.ts';

/** A model Hub on a real port: what every fault test needs, and a stand-in for another maker's Hub. */
export interface ScriptedHub {
  readonly hub: ModelHub;
  readonly origin: string;
  /** While it is away, sockets and requests are answered 503. */
  away: boolean;
  close(): Promise<void>;
}

const CORS = { 'Access-Control-Allow-Origin': '*' };

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

/** @param publicOrigin where clients reach it, when that is a proxy */
export async function scriptedHub(publicOrigin?: string): Promise<ScriptedHub> {
  const hub = new ModelHub();
  const server = createServer((request, response) => {
    if (request.method === 'OPTIONS') {
      response.writeHead(204, { ...CORS, 'Access-Control-Allow-Headers': 'Authorization, Content-Type' }).end();
      return;
    }
    void bodyOf(request).then((text) => {
      const token = request.headers.authorization?.replace('Bearer ', '');
      const endpoints = (publicOrigin ?? origin).replace('http', 'ws');
      const answer = scripted.away
        ? { status: 503, body: 'away' }
        : request.method === 'GET'
          ? hub.read(token)
          : text.startsWith('{')
            ? hub.publish(JSON.parse(text), token)
            : hub.subscribe(new URLSearchParams(text), token, endpoints);
      response.writeHead(answer.status, { ...CORS, ...(answer.json ? { 'Content-Type': 'application/json' } : {}) });
      response.end(answer.body);
    });
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    const address = new URL(request.url ?? '/', (publicOrigin ?? origin).replace('http', 'ws'));
    const endpoint = `${address.origin}${address.pathname}`;
    if (scripted.away || !hub.subscriptions.has(endpoint)) {
      socket.end(
        scripted.away
          ? 'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n'
          : 'HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n',
      );
      return;
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      const side: ModelSocket = {
        send: (text) => client.send(text),
        close: (code, reason) => client.close(code, reason),
      };
      client.on('message', (data) => hub.hear(data.toString()));
      client.on('close', () => hub.gone(side));
      client.on('error', () => hub.gone(side));
      hub.connect(endpoint, address.searchParams.get('since'), side);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const scripted: ScriptedHub = {
    hub,
    origin,
    away: false,
    async close() {
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return scripted;
}
