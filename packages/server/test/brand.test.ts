/** Who runs the server, as its operator says it (SMART App Launch, User-access Brands). */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { R4Validator } from '@lockstep/r4';
import { ConfigError, startLockstep } from '@lockstep/server';
import { brandOf } from '../src/brand.ts';
import { json, testConfig, withLockstep } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-brand-'));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'brand.json');
const validator = new R4Validator();

const BRAND = 'http://hl7.org/fhir/StructureDefinition/organization-brand';
const PORTAL = 'http://hl7.org/fhir/StructureDefinition/organization-portal';
const hospital = {
  resourceType: 'Organization',
  name: 'Spital am See',
  alias: ['See-Spital'],
  identifier: [
    { system: 'urn:ietf:rfc:3986', value: 'https://spital.example' },
    { system: 'urn:oid:2.51.1.3', value: '7601000000000' },
  ],
  telecom: [{ system: 'url', value: 'https://www.spital.example/' }],
  address: [{ line: ['Seestrasse 1'], city: 'Zürich', postalCode: '8000', country: 'CH' }],
  extension: [
    { url: BRAND, extension: [{ url: 'brandLogo', valueUrl: 'https://www.spital.example/logo.svg' }] },
    {
      url: PORTAL,
      extension: [
        { url: 'portalName', valueString: 'Mein Spital' },
        { url: 'portalEndpoint', valueReference: { reference: 'Endpoint/fhir' } },
      ],
    },
  ],
};
const { name: _name, ...nameless } = hospital;
const { telecom: _telecom, ...silent } = hospital;
const { identifier: _identifier, ...unidentified } = hospital;
const extended = (url: string, part: object) => ({ ...hospital, extension: [{ url, extension: [part] }] });

describe('the brand', () => {
  it('of a file is in the bundle and in smart-configuration, beside the endpoint of this server', async () => {
    writeFileSync(path, JSON.stringify(hospital));
    await withLockstep(
      async ({ origin }) => {
        const smart = await json(fetch(`${origin}/fhir/.well-known/smart-configuration`));
        assert.deepEqual(smart.user_access_brand_identifier, hospital.identifier[0]);
        const bundle = await json(fetch(smart.user_access_brand_bundle));
        const [{ resource: organization }, { resource: endpoint }] = bundle.entry;
        assert.partialDeepStrictEqual(organization, {
          ...hospital,
          id: 'brand',
          active: true,
          endpoint: [{ reference: 'Endpoint/fhir' }],
        });
        assert.deepEqual([endpoint.address, endpoint.name], [`${origin}/fhir`, 'FHIR endpoint of Spital am See']);
        assert.equal(bundle.timestamp, organization.meta.lastUpdated);
        for (const one of [organization, endpoint]) assert.equal(validator.problem(one), undefined);
      },
      { brand: path },
    );
  });

  it('that is wrong is refused by name, and the server does not start', async () => {
    for (const [content, why] of [
      [undefined, /cannot be read/],
      ['{', /holds no JSON/],
      ['[]', /one FHIR Organization/],
      [{ ...hospital, resourceType: 'Patient' }, /one FHIR Organization/],
      [{ ...hospital, shoeSize: 43 }, /shoeSize/],
      [{ ...hospital, active: 'yes' }, /active/],
      [nameless, /Organization\.name is required/],
      [unidentified, /Organization\.identifier is required/],
      [{ ...hospital, identifier: [{ value: 'x' }] }, /Organization\.identifier is required/],
      [silent, /Organization\.telecom must be one entry/],
      [{ ...hospital, telecom: [{ system: 'phone', value: '1' }] }, /Organization\.telecom/],
      [{ ...hospital, telecom: [{ system: 'url', value: 'http://spital.example' }] }, /Organization\.telecom/],
      [{ ...hospital, telecom: [...hospital.telecom, ...hospital.telecom] }, /Organization\.telecom/],
      [{ ...hospital, id: 'x' }, /Organization\.id must not/],
      [{ ...hospital, partOf: { reference: 'Organization/x' } }, /Organization\.partOf must not/],
      [{ ...hospital, endpoint: [{ reference: 'Endpoint/x' }] }, /Organization\.endpoint must not/],
      [extended(BRAND, { url: 'brandLogo', valueUrl: 'http://spital.example/logo.svg' }), /brandLogo/],
      [extended(BRAND, { url: 'brandLogo', valueUrl: 'data:text/html,x' }), /brandLogo/],
      [extended(BRAND, { url: 'brandBundle', valueUrl: 'x' }), /brandBundle/],
      [extended(PORTAL, { url: 'portalUrl', valueUrl: 'javascript:alert(1)' }), /portalUrl/],
      [extended(PORTAL, { url: 'portalEndpoint', valueReference: { reference: 'Endpoint/x' } }), /portalEndpoint/],
    ] as const) {
      if (content === undefined) rmSync(path, { force: true });
      else writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
      assert.throws(
        () => brandOf({ brand: path }, validator),
        (error: Error) =>
          error instanceof ConfigError && error.message.includes('LOCKSTEP_BRAND') && why.test(error.message),
        `${JSON.stringify(content)} ${why}`,
      );
    }
    writeFileSync(path, '{}');
    const config = testConfig({ brand: path });
    await assert.rejects(startLockstep(config), /LOCKSTEP_BRAND: the file must hold one FHIR Organization/);
    rmSync(config.data, { recursive: true, force: true });
  });
});
