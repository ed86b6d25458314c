import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BASE, type Endpoint, SMART, startEndpoint } from './harness.ts';

let endpoint: Endpoint;
before(async () => {
  endpoint = await startEndpoint();
});
after(() => endpoint.close());

interface Extension {
  readonly url: string;
  readonly valueUri?: string;
  readonly valueUrl?: string;
  readonly extension?: readonly Extension[];
}

test('DIS-4 the CapabilityStatement is R4 and needs no token', async () => {
  const { status, headers, body } = await endpoint.get('/metadata');
  assert.equal(status, 200);
  assert.equal(headers.get('content-type'), 'application/fhir+json; charset=utf-8');
  assert.equal(headers.get('access-control-allow-origin'), '*');
  assert.equal(body.resourceType, 'CapabilityStatement');
  assert.equal(body.fhirVersion, '4.0.1');
  assert.equal(body.kind, 'instance');
  assert.equal(body.implementation.url, BASE);
  assert.ok(body.format.includes('json'));
  assert.equal(body.rest[0].mode, 'server');
  assert.equal(body.rest[0].security.cors, true);
});

test('DIS-4 security names SMART-on-FHIR and the oauth-uris that smart-configuration has, no others', async () => {
  const { security } = (await endpoint.get('/metadata')).body.rest[0];
  assert.equal(security.service[0].coding[0].code, 'SMART-on-FHIR');
  const [uris] = security.extension as Extension[];
  assert.equal(uris?.url, 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris');
  const found = Object.fromEntries((uris?.extension ?? []).map(({ url, valueUri }) => [url, valueUri]));
  assert.deepEqual(found, SMART);
});

test('CAP-2 rest names the Hub with the FHIRcast extension', async () => {
  const extensions: Extension[] = (await endpoint.get('/metadata')).body.rest[0].extension;
  const current = extensions.find(
    ({ url }) => url === 'http://fhircast.hl7.org/StructureDefinition/fhircast-configuration-extension',
  );
  assert.deepEqual(current?.extension, [{ url: 'hub.url', valueUrl: 'https://ehr.example/hub' }]);
});

test('DIS-4 every search parameter of the CapabilityStatement is understood, in strict handling too', async () => {
  const bearer = endpoint.token({ scope: 'system/*.rs' });
  const { resource } = (await endpoint.get('/metadata')).body.rest[0];
  assert.equal(resource.length, 17);
  const sample: Record<string, string> = { token: 'x', string: 'x', date: '2026', reference: 'x', quantity: '1' };
  for (const { type, searchParam, searchInclude, searchRevInclude } of resource) {
    for (const { name, type: kind } of searchParam) {
      const { status } = await endpoint.get(`/${type}?${name}=${sample[kind]}`, bearer, { prefer: 'handling=strict' });
      assert.equal(status, 200, `${type}?${name}`);
    }
    for (const include of searchInclude ?? []) {
      assert.equal((await endpoint.get(`/${type}?_include=${include}`, bearer)).status, 200, include);
    }
    for (const include of searchRevInclude) {
      assert.equal((await endpoint.get(`/${type}?_revinclude=${include}`, bearer)).status, 200, include);
    }
  }
});

test('DIS-4 fhirclient finds a parameter for the patient in every compartment type', async () => {
  const { resource } = (await endpoint.get('/metadata')).body.rest[0];
  const names = new Map<string, string[]>(
    resource.map(({ type, searchParam }: { type: string; searchParam: { name: string }[] }) => [
      type,
      searchParam.map(({ name }) => name),
    ]),
  );
  assert.ok(names.get('Patient')?.includes('_id'));
  for (const type of ['Encounter', 'Observation', 'Condition', 'ImagingStudy', 'DiagnosticReport', 'ServiceRequest']) {
    assert.ok(names.get(type)?.includes('patient'), type);
  }
});

test('FHR-6 preflight is answered without a token, on every address, with what was asked for', async () => {
  for (const path of ['', '/metadata', '/Patient', '/Patient/x', '/Patient/_search', '/nowhere/at/all']) {
    const { status, headers } = await endpoint.send('OPTIONS', path, undefined, undefined, {
      origin: 'https://app.example',
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'authorization, content-type, if-match, prefer, x-tracing-id',
    });
    assert.equal(status, 204, path);
    assert.equal(headers.get('access-control-allow-origin'), '*');
    for (const name of ['authorization', 'content-type', 'if-match', 'prefer', 'x-tracing-id']) {
      assert.ok(headers.get('access-control-allow-headers')?.toLowerCase().includes(name), name);
    }
    assert.match(headers.get('access-control-allow-methods') ?? '', /PUT/);
  }
});
