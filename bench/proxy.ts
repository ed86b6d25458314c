/** The barest proxy on kept connections: `node:http` and undici, every byte passed on as it comes. @param argv the server's origin */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { Pool } from 'undici';

const pool = new Pool(process.argv[2]!, { connections: 64 });
const server = createServer(async ({ url = '', method = 'GET' }, response) => {
  const { statusCode, headers, body } = await pool.request({ path: url, method: method as 'GET' });
  const type = String(headers['content-type']);
  const length = String(headers['content-length']);
  response.writeHead(statusCode, { 'content-type': type, 'content-length': length });
  body.pipe(response);
});
server.listen(0, '127.0.0.1', () => {
  console.log(`The proxy is ready at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
