import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Backend, withLockstep } from './harness.ts';

/** What changes with the pages that use it, as the reference says. */
const OWN =
  /^\/(\*|favicon\.ico|(apps|sessions|users|launch|conformance|patients|worklist|guests|join)(\/\*)?|samples\/.*|api\/console\/.*|simulate\/.*)?$/;

/** `GET /hub/{}` of every row of the reference. */
async function documented(): Promise<Set<string>> {
  const page = await readFile(new URL('../../../docs/api/http.md', import.meta.url), 'utf8');
  const rows = page.matchAll(/^\| ([A-Z]+) \| `(\/[^`]*)` \|(.*)\|$/gm);
  return new Set(
    Array.from(rows, ([row, method, path = '', rest = '']) => {
      const cells = rest.split('|').map((cell) => cell.trim());
      assert.equal(cells.length, 4, row);
      assert.ok(cells[1] !== '' || path.includes('anything else') || /nothing/.test(rest), row);
      assert.match(cells[3] ?? '', /^\d{3}/, row);
      return `${method} ${path.replace('{anything else}', '*').replace(/\{[^}]+\}/g, '{}')}`;
    }),
  );
}

const shape = (route: string): string => route.replace(/:[A-Za-z]+/g, '{}');

test('docs/api/http.md lists every address of the server, and no other', async () => {
  const listed = await documented();
  const served = new Set<string>();
  const provider = { oidcIssuer: 'https://sign-in.example', oidcClientId: 'lockstep' };
  for (const config of [{}, provider]) {
    await withLockstep(async ({ routes, origin }) => {
      const backend = await Backend.register(origin);
      const authorization = `Bearer ${await backend.token()}`;
      for (const route of routes) {
        const [method = '', path = ''] = route.split(' ');
        if (['HEAD', 'OPTIONS'].includes(method)) continue;
        if (method === 'GET' && OWN.test(path)) continue;
        if (/^\/(api\/console|simulate)\//.test(path)) continue;
        if (!listed.has(shape(route)) && path.startsWith('/fhir')) {
          const { status } = await fetch(`${origin}${path.replace(/:[a-z]+/g, 'Patient')}`, {
            method,
            headers: { authorization },
          });
          // Where nothing is, FHIR says so with an OperationOutcome.
          assert.ok(status === 405 || (status === 404 && path === '/fhir/*'), `${route} is not in docs/api/http.md`);
          continue;
        }
        assert.ok(listed.has(shape(route)), `${route} is not in docs/api/http.md`);
        served.add(shape(route));
      }
    }, config);
  }
  for (const route of listed) assert.ok(served.has(route), `${route} is not served`);
});
