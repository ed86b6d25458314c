/** The console, its samples and launches on the patients of a FHIR server behind Lockstep (FHR-3): a second Lockstep. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Resource } from '@lockstep/fhircast';
import { type Lockstep, readConfig, startLockstep } from '@lockstep/server';
import type { Page } from 'playwright-core';
import { settingsFor } from '../../server/test/gateway-rig.ts';
import { writeRecords } from './records.ts';
import { openPatient, run, Stage, shows } from './stage.ts';

const ACSN = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'ACSN' }] };

/** A patient whom only the server behind has. */
const RECORDS: readonly Resource[] = [
  {
    resourceType: 'Patient',
    id: 'zofia-upstream',
    name: [{ family: 'Wierzbicka', given: ['Zofia'] }],
    birthDate: '1961-02-03',
    gender: 'female',
    identifier: [{ system: 'urn:oid:2.999.1', value: 'UP-1' }],
  },
  {
    resourceType: 'ImagingStudy',
    id: 'zofia-study',
    status: 'available',
    subject: { reference: 'Patient/zofia-upstream' },
    identifier: [{ type: ACSN, system: 'urn:oid:2.999.3', value: 'UP-ACC-1' }],
    started: '2026-05-01T10:00:00Z',
    description: 'Upstream chest',
    modality: [{ system: 'http://dicom.nema.org/resources/ontology/DCM', code: 'DX' }],
  },
];

let folder: string;
let server: Lockstep;
let stage: Stage;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-upstream-'));
  await writeRecords(folder, RECORDS);
  const config = readConfig({ PORT: '0', LOCKSTEP_LOG_LEVEL: 'error', LOCKSTEP_RATE_LIMIT: '0' });
  server = await startLockstep({ ...config, data: folder });
  const { fhirUpstream, fhirUpstreamTokenUrl, fhirUpstreamClientId, fhirUpstreamClientKey } = await settingsFor(
    server.origin,
    folder,
  );
  stage = await Stage.open({
    LOCKSTEP_FHIR_UPSTREAM: fhirUpstream,
    LOCKSTEP_FHIR_UPSTREAM_TOKEN_URL: fhirUpstreamTokenUrl,
    LOCKSTEP_FHIR_UPSTREAM_CLIENT_ID: fhirUpstreamClientId,
    LOCKSTEP_FHIR_UPSTREAM_CLIENT_KEY: fhirUpstreamClientKey,
  });
});
after(async () => {
  await stage?.close();
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

async function find(page: Page, text: string): Promise<void> {
  await page.getByRole('searchbox', { name: 'Search patients' }).fill(text);
}

test('FHR-3 the console finds and opens the server’s patients, and the samples follow', async () => {
  const page = await stage.person(/Lena Okafor/);
  await find(page, 'wierzbicka');
  await openPatient(page, /Zofia Wierzbicka/);
  const viewer = await run(page, 'Image viewer');
  await shows(viewer, 'Zofia Wierzbicka');
  await find(page, '');
  await openPatient(page, /Kofi Mensah/);
  await shows(viewer, 'Kofi Mensah');
  assert.deepEqual(stage.complaints, []);
  assert.deepEqual(stage.strangers, [], 'browsers never talk to the server behind');
  await page.context().close();
});

test('FHR-3 the launch builder launches with the server’s patient and study', async () => {
  const page = await stage.person(/Mei Tanaka/);
  await page.goto(`${stage.origin}/launch?kind=ehr&app=sample-viewer&patient=zofia-upstream&study=zofia-study`);
  const opening = page.context().waitForEvent('page');
  await page.getByRole('button', { name: 'Launch Image viewer', exact: true }).click();
  await shows(await opening, 'Zofia Wierzbicka');
  assert.deepEqual(stage.complaints, []);
  await page.context().close();
});
