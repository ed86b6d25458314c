import { type Config, SETTINGS } from './settings.ts';

/** Settings that are right each and wrong together. */
export function contradictions(config: Config): readonly string[] {
  const found: string[] = [];
  if (config.leaseSeconds > config.maxLeaseSeconds) {
    found.push('LOCKSTEP_LEASE_SECONDS must not be more than LOCKSTEP_MAX_LEASE_SECONDS');
  }
  found.push(...upstreamContradictions(config), ...roleContradictions(config));
  if ((config.tlsCert === undefined) !== (config.tlsKey === undefined)) {
    found.push('LOCKSTEP_TLS_CERT and LOCKSTEP_TLS_KEY belong together: name both files');
  }
  if (config.managementPort !== undefined && config.managementPort !== 0 && config.managementPort === config.port) {
    found.push('LOCKSTEP_MANAGEMENT_PORT must be another port than PORT');
  }
  if (config.managementHost !== undefined && config.managementPort === undefined) {
    found.push('LOCKSTEP_MANAGEMENT_PORT is missing: LOCKSTEP_MANAGEMENT_HOST is where that port listens');
  }
  if (config.redisReplicas > 0 && config.redisUrl === undefined) {
    found.push('LOCKSTEP_REDIS_URL is missing: LOCKSTEP_REDIS_REPLICAS are replicas of that Redis');
  }
  if (config.auditFhirToken !== undefined && config.auditFhir === undefined) {
    found.push('LOCKSTEP_AUDIT_FHIR is missing: LOCKSTEP_AUDIT_FHIR_TOKEN is for that server');
  }
  if (config.oidcIssuer === undefined) {
    const { oidcClientId, oidcClientSecret, oidcClientKey, oidcName, oidcRolesClaim, oidcAdministratorRole } = config;
    const rest = [oidcClientId, oidcClientSecret, oidcClientKey, oidcName, oidcRolesClaim, oidcAdministratorRole];
    if (config.oidcMode === 'only' || rest.some((value) => value !== undefined)) {
      found.push('LOCKSTEP_OIDC_ISSUER is missing: other settings are about that provider');
    }
    return found;
  }
  if (config.oidcClientId === undefined)
    found.push('LOCKSTEP_OIDC_CLIENT_ID is missing: the provider knows Lockstep by it');
  if (config.oidcClientSecret !== undefined && config.oidcClientKey !== undefined) {
    found.push('LOCKSTEP_OIDC_CLIENT_SECRET and LOCKSTEP_OIDC_CLIENT_KEY exclude each other: set one of them');
  }
  if ((config.oidcRolesClaim === undefined) !== (config.oidcAdministratorRole === undefined)) {
    found.push(
      'LOCKSTEP_OIDC_ROLES_CLAIM and LOCKSTEP_OIDC_ADMINISTRATOR_ROLE belong together: set all of them, or none',
    );
  }
  return found;
}

/** Settings about what a Hub alone does not have. */
const NOT_OF_A_HUB = [
  'oidcIssuer',
  'fhirUpstream',
  'initialAccessToken',
  'brand',
] as const satisfies readonly (keyof Config)[];

function roleContradictions(config: Config): readonly string[] {
  if (config.role !== 'hub') return [];
  const others: string[] = NOT_OF_A_HUB.filter((name) => config[name] !== undefined).map((name) => SETTINGS[name][0]);
  if (config.sampleData) others.push('LOCKSTEP_SAMPLE_DATA=on');
  return [
    ...(config.trustedIssuers === undefined
      ? ['LOCKSTEP_TRUSTED_ISSUERS is missing: LOCKSTEP_ROLE=hub gives out no tokens of its own']
      : []),
    ...others.map((variable) => `${variable} and LOCKSTEP_ROLE=hub exclude each other`),
  ];
}

function upstreamContradictions(config: Config): readonly string[] {
  const { fhirUpstream, fhirUpstreamToken, fhirUpstreamTokenUrl, fhirUpstreamClientId, fhirUpstreamClientKey } = config;
  const { fhirUpstreamCert, fhirUpstreamKey, fhirUpstreamCa } = config;
  const client = [fhirUpstreamTokenUrl, fhirUpstreamClientId, fhirUpstreamClientKey];
  const given = [...client, fhirUpstreamToken, fhirUpstreamCert, fhirUpstreamKey, fhirUpstreamCa];
  if (fhirUpstream === undefined) {
    if (given.every((value) => value === undefined)) return [];
    return ['LOCKSTEP_FHIR_UPSTREAM is missing: other settings are about that FHIR server'];
  }
  const found: string[] = [];
  const named = client.filter((value) => value !== undefined).length;
  if (named > 0 && named < client.length) {
    found.push(
      'LOCKSTEP_FHIR_UPSTREAM_TOKEN_URL, _CLIENT_ID and _CLIENT_KEY belong together: set all of them, or none',
    );
  }
  if (named > 0 && fhirUpstreamToken !== undefined) {
    found.push('LOCKSTEP_FHIR_UPSTREAM_TOKEN and LOCKSTEP_FHIR_UPSTREAM_TOKEN_URL exclude each other: set one of them');
  }
  if ((fhirUpstreamCert === undefined) !== (fhirUpstreamKey === undefined)) {
    found.push('LOCKSTEP_FHIR_UPSTREAM_CERT and LOCKSTEP_FHIR_UPSTREAM_KEY belong together: set all of them, or none');
  }
  return found;
}
