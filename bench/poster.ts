/** The floor of webhooks: a loop of POSTs over kept connections, and nothing else. `GET /{count}?{callback}` runs it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent } from 'undici';
import { event } from './webhook-event.ts';

const IN_FLIGHT = 40;

const agent = new Agent({ connections: 64 });
const body = Buffer.from(event(crypto.randomUUID(), 'bench'));

async function post(callback: URL, count: number): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      const response = await agent.request({
        origin: callback.origin,
        path: callback.pathname,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      await response.body.dump();
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

const server = createServer(async (request, response) => {
  const { pathname, search } = new URL(request.url ?? '/', 'http://floor');
  await post(new URL(decodeURIComponent(search.slice(1))), Number(pathname.slice(1)));
  response.end();
});
server.listen(0, '127.0.0.1', () => {
  console.log(`The floor is ready at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
