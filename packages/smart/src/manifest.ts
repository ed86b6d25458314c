import { jsonLimitProblem } from '@lockstep/fhircast';
import type { Metadata } from './client-metadata.ts';
import { OAuthError } from './oauth-error.ts';

/** Manifests are short texts; a longer one is none. Characters. */
const MAX_LENGTH = 256 * 1024;

/** What SMART app manifests call the fields of a registration that RFC 7591 names otherwise, and what galleries add. */
const OTHER_NAMES: Readonly<Record<string, readonly string[]>> = {
  client_name: ['name'],
  description: ['client_description', 'summary'],
  launch_url: ['launch_uri', 'initiate_login_uri'],
  logo_uri: ['logo', 'logo_url'],
  client_uri: ['homepage', 'homepage_uri'],
  scope: ['scopes'],
};

/** What an upload cannot decide: it is the server's and the administrator's. */
const NOT_FOR_UPLOAD = ['client_id', 'client_secret', 'trusted', 'launcher', 'status'];

/**
 * Reads an uploaded SMART app manifest, or a registration in JSON, into the metadata that `Clients.add` takes (REG-1).
 * Without a way to authenticate and without keys the app is public: a manifest is a public text and holds no secret. What
 * has no meaning here is left out; `Clients.add` checks the rest.
 * @throws OAuthError invalid_client_metadata when the text is no manifest
 */
export function readManifest(text: string): Metadata {
  const manifest = parse(text);
  const fields: Record<string, unknown> = { ...manifest };
  for (const [name, others] of Object.entries(OTHER_NAMES)) {
    const given = [name, ...others].map((one) => manifest[one]).find((value) => value !== undefined && value !== null);
    for (const other of others) delete fields[other];
    if (given !== undefined) fields[name] = given;
  }
  const { scope } = fields;
  if (Array.isArray(scope) && scope.every((one) => typeof one === 'string')) fields.scope = scope.join(' ');
  if (typeof fields.redirect_uris === 'string') fields.redirect_uris = [fields.redirect_uris];
  const hasKeys = fields.jwks !== undefined || fields.jwks_uri !== undefined;
  fields.token_endpoint_auth_method ??= hasKeys ? 'private_key_jwt' : 'none';
  for (const name of NOT_FOR_UPLOAD) delete fields[name];
  return fields;
}

function parse(text: string): Metadata {
  const none = (why: string): OAuthError => new OAuthError('invalid_client_metadata', `the manifest ${why}`);
  if (text.length > MAX_LENGTH) throw none('is too long');
  const problem = jsonLimitProblem(text);
  if (problem !== undefined) throw new OAuthError('invalid_client_metadata', problem);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw none('is no valid JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw none('is no JSON object');
  return value as Metadata;
}
