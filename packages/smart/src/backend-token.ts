import type { BearerTokens } from './access.ts';
import { mayBeBackend } from './client.ts';
import { type Authenticated, usedBefore } from './client-authentication.ts';
import { OAuthError } from './oauth-error.ts';
import { type CanEverOpen, grantableScopes, withoutUseless } from './scope-policy.ts';

/** Life of a backend service's token, s (TOK-5). */
export const BACKEND_TOKEN_LIFE = 300;

/** How much longer than its `expires_in` a token lives whose life its registration sets, s. */
const LEASE_MARGIN = 60;

/**
 * `client_credentials` of an authenticated client (TOK-5). Its assertion is spent in the token's own write.
 * @param given `jkt` is the key that the token is bound to
 * @throws OAuthError unauthorized_client, or invalid_scope when none of the scopes asked for can be granted, or a client
 *   with keys asks for none
 */
export async function backendToken(
  access: BearerTokens,
  { client, spend }: Authenticated,
  asked: string | undefined,
  given: { readonly jkt?: string | undefined; readonly canEverOpen: CanEverOpen },
): Promise<object> {
  const { jkt, canEverOpen } = given;
  if (!client.grantTypes.includes('client_credentials') || !mayBeBackend(client)) {
    throw new OAuthError('unauthorized_client', 'this client may not use client_credentials');
  }
  // Connectors with a secret come from servers where scope may be left out (RFC 6749, 3.3).
  const wanted = asked ?? (client.authMethod === 'private_key_jwt' ? undefined : client.scope);
  if (wanted === undefined) throw new OAuthError('invalid_scope', 'scope is missing');
  const scope = grantableScopes(withoutUseless(wanted, canEverOpen), client.scope, 'backend')
    .map(({ text }) => text)
    .join(' ');
  if (scope === '') throw new OAuthError('invalid_scope', 'none of these scopes is approved for the client');
  const life = client.tokenLife ?? BACKEND_TOKEN_LIFE;
  // A lease as long as the token is asked for a moment after the token was made.
  const margin = client.tokenLife === undefined ? 0 : LEASE_MARGIN;
  const token = await access.issueBackendToken(client, scope, life + margin, { spend, jkt });
  if (token === undefined) throw usedBefore();
  return { access_token: token, token_type: jkt === undefined ? 'Bearer' : 'DPoP', expires_in: life, scope };
}
