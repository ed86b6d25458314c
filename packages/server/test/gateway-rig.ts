import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config, Lockstep } from '@lockstep/server';
import { sharedLockstep, testConfig } from './harness.ts';
import { register } from './person.ts';

/** Two Locksteps for all tests of a file: one with the sample data as the FHIR server, one in front of it as its backend client. */
export async function sharedGateway(
  overrides: Partial<Config> = {},
): Promise<{ readonly gateway: Lockstep; readonly server: Lockstep }> {
  const server = await sharedLockstep({ sampleData: true });
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'gateway', alg: 'ES384', use: 'sig' };
  const { status, body } = await register(server.origin, {
    client_name: 'Lockstep in front',
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [jwk] },
    scope: 'system/*.cruds',
  });
  if (status !== 201) throw new Error(`registration: ${status} ${JSON.stringify(body)}`);
  const { data } = testConfig({});
  const key = join(data, 'gateway.jwk');
  await writeFile(key, JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid: jwk.kid }));
  const gateway = await sharedLockstep({
    sampleData: true,
    data,
    fhirUpstream: `${server.origin}/fhir`,
    fhirUpstreamTokenUrl: `${server.origin}/auth/token`,
    fhirUpstreamClientId: body.client_id,
    fhirUpstreamClientKey: key,
    ...overrides,
  });
  return { gateway, server };
}
