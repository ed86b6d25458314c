/** What `lockstep doctor --issuer` examines: whether tokens of a trusted issuer can be checked from here (REG-5). */
import { textOf } from '@lockstep/fhircast';
import { discoverJwks, fetchJson, type TrustedIssuer } from '@lockstep/smart';
import { ConfigError, readConfig } from '../config.ts';
import { trustedIssuers } from '../trusted-issuers.ts';
import type { DoctorFinding } from './doctor.ts';

const CHECK = 'issuer';

/** The issuer of the file, or what keeps it from being read. */
function find(env: NodeJS.ProcessEnv, name: string): TrustedIssuer | DoctorFinding {
  const problem = (message: string, fix: string): DoctorFinding => ({ check: CHECK, status: 'problem', message, fix });
  try {
    const config = readConfig(env);
    if (config.trustedIssuers === undefined) {
      return problem('LOCKSTEP_TRUSTED_ISSUERS names no file', 'Set it to the file of docs/trusted-issuers.md.');
    }
    const issuers = trustedIssuers(config);
    const found = issuers.find((one) => one.name === name || one.issuer === name);
    const names = issuers.map((one) => one.name).join(', ');
    return found ?? problem(`the file names no issuer ${name}`, `It names ${names}.`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return problem(error.problems.join('; '), 'docs/trusted-issuers.md describes the file.');
  }
}

function reason(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}

async function keys(issuer: TrustedIssuer): Promise<DoctorFinding> {
  try {
    const uri = await discoverJwks(issuer, fetch);
    const set = await fetchJson(fetch, uri);
    const list = Array.isArray(set.keys)
      ? (set.keys as readonly { readonly alg?: unknown; readonly kty?: unknown }[])
      : [];
    const fits = list.filter(({ alg }) => alg === undefined || issuer.algorithms.includes(textOf(alg)));
    const found = list.map(({ alg, kty }) => textOf(alg ?? kty)).join(', ') || 'none';
    if (fits.length > 0) return { check: 'keys', status: 'ok', message: `${fits.length} keys at ${uri}: ${found}` };
    return {
      check: 'keys',
      status: 'problem',
      message: `no key at ${uri} fits ${issuer.algorithms.join(', ')}; found ${found}`,
      fix: 'List the algorithms that the issuer signs with under "algorithms".',
    };
  } catch (error) {
    return {
      check: 'keys',
      status: 'problem',
      message: `the keys cannot be read: ${reason(error)}`,
      fix: 'Check "issuer" (byte for byte as in the tokens), or name "jwks_uri". Until then tokens are answered with 503.',
    };
  }
}

async function introspection(endpoint: string, clientId: string, clientSecret: string): Promise<DoctorFinding> {
  const basic = Buffer.from([clientId, clientSecret].map(encodeURIComponent).join(':')).toString('base64');
  try {
    const answer = await fetchJson(fetch, endpoint, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams({ token: 'lockstep-doctor' }),
    });
    if (answer.active === false) return { check: 'introspection', status: 'ok', message: `${endpoint} answers` };
    throw new Error('it calls a made-up token active');
  } catch (error) {
    return {
      check: 'introspection',
      status: 'problem',
      message: `${endpoint} cannot be asked: ${reason(error)}`,
      fix: 'Check client_id and the secret, and that the client may introspect tokens.',
    };
  }
}

/** @param progress called with what is being examined */
export async function* examineIssuer(
  env: NodeJS.ProcessEnv,
  name: string,
  progress: (what: string) => void,
): AsyncGenerator<DoctorFinding> {
  const issuer = find(env, name);
  if ('check' in issuer) {
    yield issuer;
    return;
  }
  yield {
    check: CHECK,
    status: 'ok',
    message: `${issuer.name} is ${issuer.issuer}, for ${issuer.audience.join(', ')}`,
  };
  progress('asking the issuer');
  if (issuer.introspection) {
    const { endpoint, clientId, clientSecret } = issuer.introspection;
    yield await introspection(endpoint, clientId, clientSecret);
  } else yield await keys(issuer);
  if (issuer.scopes.size === 0 && !issuer.passScopes) {
    yield {
      check: 'scopes',
      status: 'warning',
      message: 'no scope of the issuer means anything here',
      fix: 'Map its scopes or roles under "scopes", or leave pass_scopes on.',
    };
  }
}
