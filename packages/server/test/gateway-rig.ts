import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config, Lockstep } from '@lockstep/server';
import { freePort } from '@lockstep/store-redis/testing';
import { sharedLockstep, testConfig } from './harness.ts';
import { register } from './person.ts';

/** What a Lockstep in front of another one is told of it. */
export interface GatewaySettings {
  readonly fhirUpstream: string;
  readonly fhirUpstreamTokenUrl: string;
  readonly fhirUpstreamClientId: string;
  readonly fhirUpstreamClientKey: string;
}

/** Registers a Lockstep as backend client of the one that it will stand in front of. @param folder where its key is kept */
export async function settingsFor(server: string, folder: string): Promise<GatewaySettings> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'gateway', alg: 'ES384', use: 'sig' };
  const { status, body } = await register(server, {
    client_name: 'Lockstep in front',
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [jwk] },
    scope: 'system/*.cruds',
  });
  if (status !== 201) throw new Error(`registration: ${status} ${JSON.stringify(body)}`);
  const key = join(folder, 'gateway.jwk');
  await writeFile(key, JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid: jwk.kid }));
  return {
    fhirUpstream: `${server}/fhir`,
    fhirUpstreamTokenUrl: `${server}/auth/token`,
    fhirUpstreamClientId: body.client_id,
    fhirUpstreamClientKey: key,
  };
}

/** Two Locksteps for all tests of a file: one with the sample data as the FHIR server, one in front of it as its backend client. */
export async function sharedGateway(
  overrides: Partial<Config> = {},
): Promise<{ readonly gateway: Lockstep; readonly server: Lockstep }> {
  const server = await sharedLockstep({ sampleData: true });
  const { data } = testConfig({});
  const settings = await settingsFor(server.origin, data);
  const gateway = await sharedLockstep({ sampleData: true, data, ...settings, ...overrides });
  return { gateway, server };
}

/** The same, where the one in front has a path of its host. @returns its public address, with the path */
export async function gatewayBelowAPath(): Promise<string> {
  const port = await freePort();
  const publicUrl = `http://localhost:${port}/lockstep`;
  await sharedGateway({ port, publicUrl });
  return publicUrl;
}
