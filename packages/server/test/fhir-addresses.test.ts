/** FHR-6: every address below `/fhir` answers as FHIR does, whatever it is, with a FHIR store of its own and in front of a server. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { sharedGateway } from './gateway-rig.ts';
import { Backend } from './harness.ts';

const { gateway, server } = await sharedGateway();

const segment = fc.oneof(
  fc.constantFrom(
    'Patient',
    'Observation',
    'amara-diallo',
    '_history',
    '_search',
    '$everything',
    '$export',
    '1',
    'x',
    '.well-known',
    'a b',
    '..',
    'Patient/x/y/z/w',
  ),
  fc.string({ maxLength: 6 }),
);
const address = fc.array(segment, { maxLength: 6 }).map((parts) => parts.map(encodeURIComponent).join('/'));
const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE');
const body = fc.constantFrom(undefined, '{}', '[]', 'x', '{"resourceType":"Bundle","type":"batch"}');
const type = fc.constantFrom(
  'application/fhir+json',
  'application/json',
  'application/json-patch+json',
  'text/turtle',
  'application/x-www-form-urlencoded',
);

for (const [way, { origin }] of [
  ['a store of its own', server],
  ['a server behind it', gateway],
] as const) {
  describe(`FHR-6 with ${way}`, async () => {
    const bearer = await (await Backend.register(origin, { scope: 'system/*.rs' })).token('system/*.rs');

    it('an address without a token answers 401, one with a token as FHIR does; pages may read all of it', async () => {
      await fc.assert(
        fc.asyncProperty(method, address, body, type, fc.boolean(), async (verb, path, sent, contentType, known) => {
          const response = await fetch(`${origin}/fhir/${path}`, {
            method: verb,
            headers: { ...(known && { authorization: `Bearer ${bearer}` }), 'content-type': contentType },
            ...(verb !== 'GET' && sent !== undefined && { body: sent }),
          });
          const text = await response.text();
          const what = `${verb} /fhir/${path}: ${response.status} ${text.slice(0, 200)}`;
          // What the address parser of fetch itself takes back out of /fhir is another address.
          if (!new URL(response.url).pathname.startsWith('/fhir')) return;
          assert.equal(response.headers.get('access-control-allow-origin'), '*', what);
          assert.ok(response.status < 500, what);
          if (response.status === 204) return;
          assert.match(response.headers.get('content-type') ?? '', /^application\/fhir\+json/, what);
          const answer = JSON.parse(text);
          if (!known && response.status !== 400 && answer.resourceType !== 'CapabilityStatement')
            assert.equal(response.status, 401, what);
          if (response.status >= 400) assert.equal(answer.resourceType, 'OperationOutcome', what);
        }),
        { numRuns: 200 },
      );
    });

    it('a preflight of any address echoes what was asked for', async () => {
      for (const path of ['', '/', '/Patient', '/Patient/a/b/c/d/e', '/metadata', '/$x']) {
        const response = await fetch(`${origin}/fhir${path}`, {
          method: 'OPTIONS',
          headers: {
            origin: 'https://app.example',
            'access-control-request-method': 'PATCH',
            'access-control-request-headers': 'x-anything, if-none-exist',
          },
        });
        assert.equal(response.status, 204, path);
        assert.equal(response.headers.get('access-control-allow-headers'), 'x-anything, if-none-exist');
        assert.match(response.headers.get('access-control-allow-methods') ?? '', /PATCH/);
      }
    });
  });
}
