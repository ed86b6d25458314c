/** The outside OpenID provider that the configuration names (REG-4). */
import { readFileSync } from 'node:fs';
import type { OutsideOptions } from '@lockstep/smart';
import { type Config, ConfigError } from './config.ts';

/** @throws ConfigError when the key's file holds no private key */
export function outsideOptions(config: Config): OutsideOptions | undefined {
  const { oidcIssuer: issuer, oidcClientId: clientId, oidcClientSecret, oidcClientKey } = config;
  if (issuer === undefined || clientId === undefined) return undefined;
  const { oidcRolesClaim: claim, oidcAdministratorRole: role } = config;
  return {
    issuer,
    clientId,
    ...(oidcClientSecret !== undefined && { clientSecret: oidcClientSecret }),
    ...(oidcClientKey !== undefined && { clientKey: readKey(oidcClientKey) }),
    name: config.oidcName ?? new URL(issuer).hostname,
    scope: config.oidcScopes,
    userClaim: config.oidcUserClaim,
    fhirUserClaim: config.oidcFhirUserClaim,
    ...(claim !== undefined && role !== undefined && { administrators: { claim, role } }),
    passwords: config.oidcMode === 'beside',
    newUsers: config.oidcNewUsers,
    linkByName: config.oidcLinkByName,
  };
}

function readKey(path: string): NonNullable<OutsideOptions['clientKey']> {
  try {
    const key = JSON.parse(readFileSync(path, 'utf8')) as NonNullable<OutsideOptions['clientKey']>;
    if (typeof key.d === 'string' && typeof key.alg === 'string' && key.kty !== 'oct') return key;
  } catch {
    // Said below, without what the file holds.
  }
  throw new ConfigError([`LOCKSTEP_OIDC_CLIENT_KEY: the file ${path} holds no private key as JWK with alg`]);
}
