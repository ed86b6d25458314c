/** A FHIR server that answers the same patient and the same page of observations from memory: what a gateway stands in front of. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const meta = { versionId: '1', lastUpdated: '2026-01-01T00:00:00Z' };
const category = [
  { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] },
];
const patient = JSON.stringify({
  resourceType: 'Patient',
  id: 'p1',
  meta,
  name: [{ family: 'Novak', given: ['Ida'] }],
  identifier: Array.from({ length: 10 }, (_, n) => ({ system: 'urn:oid:2.999.1', value: `${n}`.padStart(40, '0') })),
});
const capabilities = JSON.stringify({
  resourceType: 'CapabilityStatement',
  status: 'active',
  fhirVersion: '4.0.1',
  rest: [
    {
      mode: 'server',
      resource: ['Patient', 'Observation'].map((type) => ({
        type,
        interaction: [{ code: 'read' }, { code: 'search-type' }],
        searchParam: [{ name: 'patient' }, { name: 'category' }, { name: 'code' }],
      })),
    },
  ],
});

function page(base: string): string {
  const entry = Array.from({ length: 20 }, (_, n) => ({
    fullUrl: `${base}/Observation/o${n}`,
    resource: {
      resourceType: 'Observation',
      id: `o${n}`,
      meta,
      status: 'final',
      category,
      code: { coding: [{ system: 'http://loinc.org', code: '8867-4', display: 'Heart rate' }], text: 'Heart rate' },
      subject: { reference: 'Patient/p1' },
      effectiveDateTime: '2026-01-01T00:00:00Z',
      valueQuantity: { value: 60 + n, unit: 'beats/min', system: 'http://unitsofmeasure.org', code: '/min' },
    },
    search: { mode: 'match' },
  }));
  return JSON.stringify({ resourceType: 'Bundle', type: 'searchset', total: 20, link: [], entry });
}

let observations = '';
const server = createServer(({ url = '' }, response) => {
  const body = url.endsWith('/metadata') ? capabilities : url.includes('/Observation') ? observations : patient;
  const headers = { 'content-type': 'application/fhir+json; charset=utf-8', 'content-length': Buffer.byteLength(body) };
  response.writeHead(200, headers).end(body);
});
server.listen(0, '127.0.0.1', () => {
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  observations = page(`${origin}/fhir`);
  console.log(`The FHIR server is ready at ${origin}`);
});
