/**
 * The barest proxy that keeps of a page what one granular scope allows: `node:http` and undici, every answer parsed, its entries
 * filtered by category and their addresses rewritten, the rest written again. It trusts the server, and does not ask who calls.
 * @param argv the server's origin, the category
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { Pool } from 'undici';

interface Entry {
  readonly fullUrl: string;
  readonly resource: { readonly category?: readonly { readonly coding: readonly { readonly code: string }[] }[] };
}

const [upstream = '', wanted] = process.argv.slice(2);
const pool = new Pool(upstream, { connections: 64 });
const server = createServer(async ({ url = '', method = 'GET', headers: { host } }, response) => {
  const { statusCode, body } = await pool.request({ path: url, method: method as 'GET' });
  const page = JSON.parse(await body.text()) as { readonly entry: readonly Entry[] };
  const entry = page.entry
    .filter(({ resource }) => resource.category?.some(({ coding }) => coding.some(({ code }) => code === wanted)))
    .map((one) => ({ ...one, fullUrl: one.fullUrl.replace(upstream, `http://${host}`) }));
  const text = Buffer.from(JSON.stringify({ ...page, total: entry.length, entry }));
  response.writeHead(statusCode, { 'content-type': 'application/fhir+json', 'content-length': text.length }).end(text);
});
server.listen(0, '127.0.0.1', () => {
  console.log(`The proxy is ready at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
