import { bearerToken } from '@lockstep/fhircast';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AuthorizationAddresses } from './addresses.ts';
import type { Client } from './client.ts';
import { type Metadata, toMetadata } from './client-metadata.ts';
import type { Clients, NewClientOptions } from './clients.ts';
import { type GuessLimit, networkOf } from './guess-limit.ts';
import { OAuthError } from './oauth-error.ts';
import type { AuditEntry } from './ports.ts';
import { digest, sameSecret } from './secrets.ts';
import { noStore } from './token-endpoint.ts';

/** Largest registration that is read, bytes (REG-6). */
const MAX_METADATA = 8 * 1024;

export interface RegistrationPolicy {
  /** Whether self-registered clients work at once (REG-2). */
  readonly loopback: boolean;
  /** Whether anybody may register; otherwise an initial access token is needed. Anybody without it. */
  readonly strangersRegister?: boolean | undefined;
  /** Counts wrong initial access tokens. */
  readonly guesses: GuessLimit;
  /** Brings immediate approval on any address. */
  readonly initialAccessToken?: string | undefined;
}

const bearer = (request: FastifyRequest): string | undefined => bearerToken(request.headers.authorization);

function readBody(request: FastifyRequest): Metadata {
  const { body } = request;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new OAuthError('invalid_client_metadata', 'send the registration as a JSON object');
  }
  return body as Metadata;
}

/** RFC 7591 registration and RFC 7592 management (REG-1, REG-2). */
export function registrationRoutes(
  app: FastifyInstance,
  addresses: AuthorizationAddresses,
  clients: Clients,
  policy: RegistrationPolicy,
  audit: (entry: AuditEntry) => void,
): void {
  /** A page of another site that a browser takes for ours (DNS rebinding, CWE-350) must not get access by registering. */
  function checkPage(request: FastifyRequest): void {
    const { origin } = request.headers;
    if (origin !== undefined && origin !== addresses.origin) {
      throw new OAuthError('invalid_request', 'pages of other origins cannot register apps', 403);
    }
  }

  /** What becomes of a new registration. @throws OAuthError when the request may not register */
  async function statusOfNew(request: FastifyRequest): Promise<NewClientOptions> {
    const token = bearer(request);
    if (token !== undefined && policy.initialAccessToken !== undefined) {
      const guesser = { name: 'initial access token', address: request.ip };
      if ((await policy.guesses.begin(guesser)) > 0) throw new OAuthError('slow_down', 'too many attempts', 429);
      if (sameSecret(token, policy.initialAccessToken)) {
        await policy.guesses.succeeded(guesser);
        return { status: 'active' };
      }
      throw new OAuthError('invalid_token', 'the initial access token is wrong', 401);
    }
    if (policy.strangersRegister === false) {
      throw new OAuthError('access_denied', 'registration needs an initial access token here', 403);
    }
    return policy.loopback ? { status: 'active' } : { status: 'waiting', network: networkOf(request.ip) };
  }

  app.post('/auth/register', { bodyLimit: MAX_METADATA }, async (request, reply) => {
    checkPage(request);
    const metadata = readBody(request);
    const { client, secret, registrationToken } = await clients.add(metadata, await statusOfNew(request));
    audit({ action: 'client.register', clientId: client.id, detail: client.status });
    noStore(reply);
    return reply.code(201).send({
      ...information(client, registrationToken),
      ...(secret === undefined ? {} : { client_secret: secret, client_secret_expires_at: 0 }),
    });
  });

  /** The client information response (RFC 7592 section 3); the registration token is the one that the request showed. */
  function information(client: Client, registrationToken: string | undefined): object {
    return {
      ...toMetadata(client),
      registration_access_token: registrationToken,
      registration_client_uri: `${addresses.register}/${encodeURIComponent(client.id)}`,
    };
  }

  async function managed(request: FastifyRequest): Promise<Client> {
    const token = bearer(request);
    const client = await clients.get((request.params as { id: string }).id);
    if (!token || !client?.registrationTokenDigest || !sameSecret(client.registrationTokenDigest, digest(token))) {
      throw new OAuthError('invalid_token', 'the registration access token is not that of this client', 401);
    }
    return client;
  }

  app.get('/auth/register/:id', async (request, reply) => {
    const client = await managed(request);
    noStore(reply);
    return reply.send(information(client, bearer(request)));
  });

  app.put('/auth/register/:id', { bodyLimit: MAX_METADATA }, async (request, reply) => {
    const before = await managed(request);
    const metadata = readBody(request);
    if (metadata.client_id !== before.id) {
      throw new OAuthError('invalid_request', 'client_id in the body must be that of the client');
    }
    // A client cannot choose a secret (RFC 7592 section 2.2).
    const { client_secret: secret } = metadata;
    if (secret !== undefined && (typeof secret !== 'string' || digest(secret) !== before.secretDigest)) {
      throw new OAuthError('invalid_request', 'client_secret in the body must be that of the client');
    }
    const client = await clients.edit(before.id, metadata, {}, (now, after) => {
      if (!policy.loopback && now.status !== 'waiting') checkNotWider(now, after);
    });
    if (!client) throw new OAuthError('invalid_token', 'the client was deleted', 401);
    audit({ action: 'client.edit', clientId: client.id, detail: 'by its registration token' });
    noStore(reply);
    return reply.send(information(client, bearer(request)));
  });

  app.delete('/auth/register/:id', async (request, reply) => {
    const client = await managed(request);
    await clients.delete(client.id);
    audit({ action: 'client.delete', clientId: client.id, detail: 'by its registration token' });
    return reply.code(204).send();
  });
}

/** What an administrator has approved may not be changed by the app itself where approval is needed (REG-2). */
const APPROVED = [
  // By its name people know an app at the consent page; its launch URL is opened from the record of a patient.
  'client_name',
  'launch_url',
  'launch_kinds',
  'scope',
  'redirect_uris',
  'grant_types',
  'session_users',
  'session_workstations',
  'token_life',
  'resource_server',
  'origins',
  'token_endpoint_auth_method',
  'legacy',
  'switches',
];

/** @throws OAuthError naming the field that only an administrator can change */
function checkNotWider(before: Client, after: Client): void {
  const [approved, asked] = [toMetadata(before), toMetadata(after)];
  for (const field of APPROVED) {
    if (JSON.stringify(asked[field]) === JSON.stringify(approved[field])) continue;
    const why = `${field} was approved by an administrator, who alone can change it`;
    throw new OAuthError('invalid_client_metadata', why, 403);
  }
}
