import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { Scopes } from '@lockstep/fhircast';
import type { AdapterPayload } from 'oidc-provider';
import type { BearerTokens, GrantContext, TokenRecord } from './access.ts';
import { type Client, isPublic } from './client.ts';
import type { IdTokens } from './id-tokens.ts';
import type { LaunchContext } from './launch-context.ts';
import { OAuthError } from './oauth-error.ts';
import type { Clock } from './ports.ts';
import { ACCESS_TOKEN_LIFE, refreshLife } from './provider.ts';
import type { RecordEntry, RecordWrite } from './repository.ts';
import { type CanEverOpen, withoutUseless } from './scope-policy.ts';
import { digest, randomToken } from './secrets.ts';
import type { SignIns } from './sign-ins.ts';
import type { UserProfile, Users } from './users.ts';

/** How long a rotated refresh token gets the same successor again, s (TOK-4). */
export const REFRESH_GRACE = 30;

/** A confidential client's token is written again when its life grows by more than this, s: parallel refreshes rarely meet. */
const WORTH_WRITING = 60;

interface RefreshToken extends AdapterPayload {
  readonly grantId?: string;
  /** Of a public client: the key that it is bound to (RFC 9449 section 5). */
  readonly jkt?: string;
  /** It was exchanged for a successor at this time (ms since the epoch), which only the token itself can unseal. */
  readonly rotated?: { readonly at: number; readonly sealed: string };
}

interface Parts {
  readonly clock: Clock;
  readonly access: BearerTokens;
  readonly users: Users;
  readonly signIns: SignIns;
  readonly idTokens: IdTokens;
  readonly launchContext: LaunchContext;
  /** s. */
  readonly grace: number;
  readonly canEverOpen: CanEverOpen;
}

/** What a refresh token stands for, once everything about it was checked. */
interface Held {
  readonly id: string;
  readonly stored: RecordEntry<RefreshToken>;
  readonly grant: RecordEntry<{ readonly payload: AdapterPayload; readonly context?: GrantContext }>;
  readonly context: GrantContext;
  readonly user: UserProfile;
  readonly scope: string;
}

function invalidGrant(description: string): OAuthError {
  return new OAuthError('invalid_grant', description);
}

function keyOf(token: string): Buffer {
  return Buffer.from(hkdfSync('sha256', token, '', 'lockstep refresh successor', 32));
}

/** Encrypts a successor with the token that it follows: a copy of the store opens neither. */
function seal(token: string, successor: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(token), nonce);
  const sealed = Buffer.concat([cipher.update(successor, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url');
}

function unseal(token: string, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', keyOf(token), bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(12, 28));
  return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
}

/**
 * The scopes of the new access token: all that were granted, or narrower ones by what they mean.
 * @throws OAuthError invalid_scope for any that was not granted (RFC 6749 section 6)
 */
function narrowed(granted: string, asked: string | undefined): string {
  if (asked === undefined) return granted;
  const held = new Scopes(granted);
  const wanted = asked.split(/\s+/).filter(Boolean);
  if (wanted.length === 0) throw new OAuthError('invalid_scope', 'scope names none');
  const beyond = wanted.filter((one) => {
    const [scope] = new Scopes(one).list;
    return scope === undefined || !held.covers(scope);
  });
  if (beyond.length > 0) throw new OAuthError('invalid_scope', `not granted before: ${beyond.join(' ').slice(0, 200)}`);
  return new Scopes(asked).toString();
}

/** `grant_type=refresh_token` (TOK-4). */
export class RefreshGrant {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Answers a client that is authenticated.
   * @param jkt the key that the client has shown, which the new access token is bound to (RFC 9449)
   * @throws OAuthError invalid_request, invalid_grant, invalid_scope or invalid_dpop_proof
   */
  async redeem(client: Client, params: ReadonlyMap<string, string>, jkt?: string): Promise<object> {
    const { access } = this.#parts;
    const token = params.get('refresh_token');
    if (token === undefined) throw new OAuthError('invalid_request', 'refresh_token is missing');
    for (;;) {
      const held = await this.#held(client, token, jkt);
      const scope = narrowed(
        withoutUseless(held.scope, this.#parts.canEverOpen),
        withoutUseless(params.get('scope'), this.#parts.canEverOpen),
      );
      const accessToken = randomToken();
      const { writes, refreshToken } = this.#renewal(client, token, held);
      // Another request with the same token may have come first: it is looked at again then.
      if (await access.tokens.putAll([this.#accessToken(client, held, { scope, accessToken, jkt }), ...writes])) {
        return this.#answer(client, held, { scope, accessToken, refreshToken, jkt });
      }
    }
  }

  async #held(client: Client, token: string, jkt: string | undefined): Promise<Held> {
    const { access, users, signIns, clock, grace } = this.#parts;
    const id = digest(token);
    const stored = (await access.refreshTokens.find(id)) as RecordEntry<RefreshToken> | undefined;
    const { clientId, grantId = '', scope = '', rotated } = stored?.value ?? {};
    if (!stored || clientId !== client.id) throw invalidGrant('the refresh token is unknown or has expired');
    if (stored.value.jkt !== undefined && stored.value.jkt !== jkt) {
      throw new OAuthError('invalid_dpop_proof', 'the refresh token is bound to another key');
    }
    const grant = await access.grants.find(grantId);
    const context = grant?.value.context;
    if (!grant || !context) throw invalidGrant('the refresh token has been revoked');
    if (stored.consumedAt !== undefined || (rotated && (grace === 0 || clock.now() - rotated.at > grace * 1000))) {
      await access.endGrant(grantId, 'a code or refresh token was used twice');
      throw invalidGrant('the refresh token was used before');
    }
    const user = await users.get(context.user);
    if (user?.status !== 'active') throw invalidGrant('the user is not active');
    // online_access ends with the sign-in, also when that has merely run out.
    if (!context.offline && !(await signIns.isAlive(context.signIn))) throw invalidGrant('the user has signed out');
    return { id, stored, grant, context, user, scope };
  }

  #accessToken(
    client: Client,
    held: Held,
    {
      scope,
      accessToken,
      jkt,
    }: { readonly scope: string; readonly accessToken: string; readonly jkt: string | undefined },
  ): RecordWrite {
    const iat = Math.floor(this.#parts.clock.now() / 1000);
    const exp = iat + ACCESS_TOKEN_LIFE;
    const { grantId = '' } = held.stored.value;
    const record: TokenRecord = {
      kind: 'AccessToken',
      clientId: client.id,
      grantId,
      scope,
      iat,
      exp,
      ...(jkt && { jkt }),
    };
    return this.#parts.access.tokens.write(digest(accessToken), record, { expiresAt: exp * 1000 });
  }

  /** A public client's token is exchanged for a successor, a confidential one's lives longer; the grant lives as long. */
  #renewal(client: Client, token: string, held: Held): { writes: readonly RecordWrite[]; refreshToken: string } {
    const { access, clock } = this.#parts;
    const { id, stored, grant } = held;
    const { value } = stored;
    if (value.rotated) return { writes: [], refreshToken: unseal(token, value.rotated.sealed) };
    const iat = Math.floor(clock.now() / 1000);
    const exp = iat + refreshLife(held.scope);
    const expiresAt = exp * 1000;
    const longer =
      (grant.expiresAt ?? Number.POSITIVE_INFINITY) < expiresAt
        ? [
            access.grants.write(
              value.grantId ?? '',
              { ...grant.value, payload: { ...grant.value.payload, exp } },
              { expiresAt, condition: grant.revision },
            ),
          ]
        : [];
    if (!isPublic(client)) {
      if (exp - (value.exp ?? 0) < WORTH_WRITING) return { writes: [], refreshToken: token };
      const renewed = access.refreshTokens.write(id, { ...value, exp }, { expiresAt, condition: stored.revision });
      return { writes: [renewed, ...longer], refreshToken: token };
    }
    const successor = randomToken();
    const rotated: RefreshToken = { ...value, rotated: { at: clock.now(), sealed: seal(token, successor) } };
    const kept = stored.expiresAt === undefined ? {} : { expiresAt: stored.expiresAt };
    return {
      refreshToken: successor,
      writes: [
        access.refreshTokens.write(id, rotated, { ...kept, condition: stored.revision }),
        access.refreshTokens.write(digest(successor), { ...value, iat, exp }, { expiresAt, condition: 'absent' }),
        ...longer,
      ],
    };
  }

  async #answer(
    client: Client,
    { stored, context, user }: Held,
    given: {
      readonly scope: string;
      readonly accessToken: string;
      readonly refreshToken: string;
      readonly jkt: string | undefined;
    },
  ): Promise<object> {
    const { idTokens, launchContext } = this.#parts;
    const { scope, accessToken, refreshToken, jkt } = given;
    const scopes = new Scopes(scope);
    const { nonce, authTime } = stored.value as { readonly nonce?: string; readonly authTime?: number };
    return {
      access_token: accessToken,
      token_type: jkt === undefined ? 'Bearer' : 'DPoP',
      expires_in: ACCESS_TOKEN_LIFE,
      scope,
      refresh_token: refreshToken,
      ...(scopes.has('openid')
        ? { id_token: await idTokens.sign(user, { clientId: client.id, scope, accessToken, nonce, authTime }) }
        : {}),
      ...launchContext.parameters(context, scopes, client.switches),
    };
  }
}
