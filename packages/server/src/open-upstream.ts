import { readFileSync } from 'node:fs';
import { bearerCredentials, ClientCredentials, type Credentials, NO_CREDENTIALS, Upstream } from '@lockstep/gateway';
import { type Config, ConfigError } from './config.ts';
import { systemClock } from './system.ts';

/** The FHIR server that the configuration names; undefined where Lockstep keeps resources itself. @throws ConfigError */
export function openUpstream(config: Config): Upstream | undefined {
  const { fhirUpstream, fhirUpstreamCert, fhirUpstreamKey, fhirUpstreamCa } = config;
  if (fhirUpstream === undefined) return undefined;
  return new Upstream({
    base: fhirUpstream,
    credentials: credentialsOf(config),
    timeoutMs: config.fhirUpstreamSeconds * 1000,
    maxBytes: config.fhirUpstreamPageBytes,
    tls: {
      ...(fhirUpstreamCert !== undefined && { cert: fileText('LOCKSTEP_FHIR_UPSTREAM_CERT', fhirUpstreamCert) }),
      ...(fhirUpstreamKey !== undefined && { key: fileText('LOCKSTEP_FHIR_UPSTREAM_KEY', fhirUpstreamKey) }),
      ...(fhirUpstreamCa !== undefined && { ca: fileText('LOCKSTEP_FHIR_UPSTREAM_CA', fhirUpstreamCa) }),
    },
  });
}

function credentialsOf(config: Config): Credentials {
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
    });
  } catch {
    throw new ConfigError([`${variable}: the file holds no private key, PEM or JWK`]);
  }
}

function fileText(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new ConfigError([`${variable}: the file ${path} cannot be read`]);
  }
}
