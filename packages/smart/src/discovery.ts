import { hash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { AuthorizationAddresses } from './addresses.ts';
import { AUTH_METHODS, GRANT_TYPES } from './client.ts';
import { ASSERTION_ALGORITHMS } from './client-authentication.ts';
import { allowAnyOrigin } from './cors.ts';
import { DPOP_ALGORITHMS } from './dpop/proofs.ts';
import type { Keys } from './keys.ts';
import { SUPPORTED_SCOPES } from './scope-policy.ts';

/** What SMART App Launch calls capabilities (DIS-3). */
export const CAPABILITIES: readonly string[] = [
  'launch-ehr',
  'launch-standalone',
  'authorize-post',
  'client-public',
  'client-confidential-symmetric',
  'client-confidential-asymmetric',
  'sso-openid-connect',
  'context-ehr-patient',
  'context-ehr-encounter',
  'context-standalone-patient',
  'context-standalone-encounter',
  'context-banner',
  'context-style',
  'permission-offline',
  'permission-online',
  'permission-patient',
  'permission-user',
  'permission-v1',
  'permission-v2',
];

function common(addresses: AuthorizationAddresses) {
  return {
    issuer: addresses.issuer,
    jwks_uri: addresses.jwks,
    authorization_endpoint: addresses.authorize,
    token_endpoint: addresses.token,
    introspection_endpoint: addresses.introspect,
    revocation_endpoint: addresses.revoke,
    registration_endpoint: addresses.register,
    grant_types_supported: [...GRANT_TYPES],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: [...AUTH_METHODS],
    token_endpoint_auth_signing_alg_values_supported: [...ASSERTION_ALGORITHMS],
    dpop_signing_alg_values_supported: [...DPOP_ALGORITHMS],
    scopes_supported: [...SUPPORTED_SCOPES],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    authorization_response_iss_parameter_supported: true,
  };
}

/** Who runs the endpoint, as the operator says it. */
export interface Brand {
  /** A FHIR Organization by the profile UserAccessBrand of SMART App Launch, without id and endpoints. */
  readonly organization: {
    readonly name: string;
    readonly identifier: readonly [{ readonly system: string; readonly value: string }, ...unknown[]];
    readonly [member: string]: unknown;
  };
  /** When it was written, ISO 8601. */
  readonly since: string;
}

/** `{fhir}/.well-known/smart-configuration` (DIS-2). */
export function smartConfiguration(addresses: AuthorizationAddresses, hubUrl: string, brand?: Brand) {
  return {
    ...common(addresses),
    management_endpoint: addresses.manage,
    userinfo_endpoint: addresses.userinfo,
    // The same tokens open the Hub.
    associated_endpoints: [{ url: hubUrl, capabilities: ['fhircast'] }],
    user_access_brand_bundle: addresses.brand,
    user_access_brand_identifier: brandIdentifier(addresses, brand),
    capabilities: [...CAPABILITIES],
  };
}

/**
 * Where a resource's tokens come from (RFC 9728).
 * @param issuers the authorization servers whose tokens open it
 */
export function protectedResource(resource: string, issuers: readonly string[], scopes: readonly string[]) {
  return {
    resource,
    authorization_servers: [...issuers],
    scopes_supported: [...scopes],
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: [...DPOP_ALGORITHMS],
    dpop_bound_access_tokens_required: false,
    resource_name: 'Lockstep',
  };
}

function brandIdentifier({ publicUrl }: AuthorizationAddresses, brand?: Brand) {
  if (!brand) return { system: 'urn:ietf:rfc:3986', value: publicUrl };
  const [{ system, value }] = brand.organization.identifier;
  return { system, value };
}

/** Who runs this endpoint, as apps show it in lists (SMART App Launch, User-access Brands and its profiles). */
export function brandBundle(addresses: AuthorizationAddresses, brand?: Brand) {
  const name = brand?.organization.name ?? new URL(addresses.origin).host;
  const since = brand?.since ?? BRAND_SINCE;
  const meta = { lastUpdated: since };
  return {
    resourceType: 'Bundle',
    meta,
    type: 'collection',
    timestamp: since,
    entry: [
      {
        // References are relative to it (R4 2.36.4.1).
        fullUrl: `${addresses.publicUrl}/auth/brand/Organization/brand`,
        resource: {
          resourceType: 'Organization',
          id: 'brand',
          meta,
          active: true,
          ...(brand?.organization ?? {
            identifier: [brandIdentifier(addresses)],
            name,
            telecom: [{ system: 'url', value: addresses.publicUrl }],
          }),
          endpoint: [{ reference: 'Endpoint/fhir' }],
        },
      },
      {
        fullUrl: `${addresses.publicUrl}/auth/brand/Endpoint/fhir`,
        resource: {
          resourceType: 'Endpoint',
          id: 'fhir',
          meta,
          extension: [
            { url: 'http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version', valueCode: FHIR_VERSION },
          ],
          status: 'active',
          connectionType: {
            system: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type',
            code: 'hl7-fhir-rest',
          },
          name: `FHIR endpoint of ${name}`,
          // Where developers register their apps.
          contact: [{ system: 'url', value: addresses.publicUrl }],
          payloadType: [
            { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/endpoint-payload-type', code: 'none' }] },
          ],
          address: addresses.fhir,
        },
      },
    ],
  };
}

/** Without a brand of the operator's the bundle changes with the server's address only. */
const BRAND_SINCE = '2026-01-01T00:00:00Z';
const FHIR_VERSION = '4.0.1';

/** `{issuer}/.well-known/openid-configuration` (DIS-5). */
export function openidConfiguration(addresses: AuthorizationAddresses) {
  return {
    ...common(addresses),
    userinfo_endpoint: addresses.userinfo,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'auth_time', 'nonce', 'fhirUser', 'profile'],
    claims_parameter_supported: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
  };
}

/** How long a copy of what is published may be kept, s: an app that meets a key it does not know asks again at once. */
const MAX_AGE = 300;

/**
 * The addresses that anyone may read.
 * @param trusted issuers whose tokens count here beside those of this server
 * @param brand who runs the server; its address says it without one
 */
export function discoveryRoutes(
  app: FastifyInstance,
  addresses: AuthorizationAddresses,
  keys: Keys,
  hubUrl: string,
  trusted: readonly string[],
  brand?: Brand,
): void {
  const resource = (url: string) => protectedResource(url, [addresses.issuer, ...trusted], SUPPORTED_SCOPES);
  publish(app, {
    '/fhir/.well-known/smart-configuration': () => smartConfiguration(addresses, hubUrl, brand),
    '/.well-known/openid-configuration': () => openidConfiguration(addresses),
    '/.well-known/oauth-authorization-server': () => openidConfiguration(addresses),
    '/.well-known/oauth-protected-resource': () => resource(addresses.fhir),
    '/.well-known/oauth-protected-resource/fhir': () => resource(addresses.fhir),
    '/.well-known/oauth-protected-resource/hub': () => resource(hubUrl),
    '/auth/brand.json': () => brandBundle(addresses, brand),
    '/auth/jwks': () => keys.jwks(),
  });
}

/** Serves documents that anyone may read, by their paths. */
export function publish(
  app: FastifyInstance,
  documents: Readonly<Record<string, () => object | Promise<object>>>,
): void {
  for (const [path, document] of Object.entries(documents)) {
    app.get(path, async (request, reply) => {
      allowAnyOrigin(request, reply);
      const text = JSON.stringify(await document());
      const tag = `"${hash('sha256', text, 'base64url')}"`;
      reply.headers({ 'cache-control': `public, max-age=${MAX_AGE}`, etag: `W/${tag}` });
      const known = request.headers['if-none-match']?.split(',').map((one) => one.trim().replace(/^W\//, ''));
      if (known?.some((one) => one === '*' || one === tag)) return reply.code(304).send();
      return reply.type('application/json').send(text);
    });
    app.options(path, (request, reply) => {
      allowAnyOrigin(request, reply);
      return reply.code(204).send();
    });
  }
}
