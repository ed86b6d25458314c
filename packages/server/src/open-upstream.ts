import { readFileSync } from 'node:fs';
import type { Credentials, Upstream } from '@lockstep/gateway';
import { type Config, ConfigError } from './config.ts';
import { systemClock } from './system.ts';

/** The FHIR server that the configuration names; undefined where Lockstep keeps resources itself. @throws ConfigError */
export async function openUpstream(config: Config): Promise<Upstream | undefined> {
  const { fhirUpstream, fhirUpstreamCert, fhirUpstreamKey, fhirUpstreamCa } = config;
  if (fhirUpstream === undefined) return undefined;
  const { Upstream } = await import('@lockstep/gateway');
  return new Upstream({
    base: fhirUpstream,
    credentials: await credentialsOf(config),
    timeoutMs: config.fhirUpstreamSeconds * 1000,
    maxBytes: config.fhirUpstreamPageBytes,
    tls: {
      ...(fhirUpstreamCert !== undefined && { cert: fileText('LOCKSTEP_FHIR_UPSTREAM_CERT', fhirUpstreamCert) }),
      ...(fhirUpstreamKey !== undefined && { key: fileText('LOCKSTEP_FHIR_UPSTREAM_KEY', fhirUpstreamKey) }),
      ...(fhirUpstreamCa !== undefined && { ca: fileText('LOCKSTEP_FHIR_UPSTREAM_CA', fhirUpstreamCa) }),
    },
  });
}

async function credentialsOf(config: Config): Promise<Credentials> {
  const { bearerCredentials, ClientCredentials, NO_CREDENTIALS } = await import('@lockstep/gateway');
  const { fhirUpstreamToken, fhirUpstreamTokenUrl, fhirUpstreamClientId, fhirUpstreamClientKey } = config;
  if (fhirUpstreamToken !== undefined) return bearerCredentials(() => fhirUpstreamToken);
  if (!fhirUpstreamTokenUrl || !fhirUpstreamClientId || !fhirUpstreamClientKey) return NO_CREDENTIALS;
  const variable = 'LOCKSTEP_FHIR_UPSTREAM_CLIENT_KEY';
  const key = fileText(variable, fhirUpstreamClientKey);
  try {
    return new ClientCredentials({
      tokenUrl: fhirUpstreamTokenUrl,
      clientId: fhirUpstreamClientId,
      key,
      scope: config.fhirUpstreamScope,
      now: () => systemClock.now(),
      wall: () => systemClock.wall(),
    });
  } catch {
    throw new ConfigError([`${variable}: the file holds no private key, PEM or JWK`]);
  }
}

function fileText(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new ConfigError([`${variable}: the file ${path} cannot be read: name one that can`]);
  }
}
