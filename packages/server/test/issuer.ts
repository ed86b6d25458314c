/** Somebody else's authorization server, as far as a server that trusts it sees it. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { Json } from './harness.ts';

/** What `audience` of its tokens is. */
const AUDIENCE = 'lockstep';

export interface Issuer {
  readonly url: string;
  /** A file for `LOCKSTEP_TRUSTED_ISSUERS` that names it as `sso`. */
  readonly file: string;
  /** Whether it answers 503 to everything. */
  away: boolean;
  /** An access token; the claims given go over the usual ones. */
  token(claims: Json): Promise<string>;
  /** Says to a server that a session, or a person, has signed out. */
  signOut(origin: string, who: { readonly sub?: string; readonly sid?: string }): Promise<Response>;
}

/** One for all tests of a file. @param entry more of its entry in the file */
export async function sharedIssuer(entry: Json = {}): Promise<Issuer> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-issuer-'));
  const file = join(folder, 'issuers.json');
  const key = await generateKeyPair('RS256');
  const server = createServer(async (request, response) => {
    if (issuer.away) return response.writeHead(503).end();
    const keys = [{ ...(await exportJWK(key.publicKey)), kid: 'k', alg: 'RS256' }];
    const body = request.url === '/jwks' ? { keys } : { issuer: url, jwks_uri: `${url}/jwks` };
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(file, JSON.stringify({ issuers: [{ name: 'sso', issuer: url, audience: AUDIENCE, ...entry }] }));
  after(async () => {
    server.close();
    server.closeAllConnections();
    await rm(folder, { recursive: true });
  });
  const issuer: Issuer = {
    url,
    file,
    away: false,
    token(claims) {
      const now = Math.floor(Date.now() / 1000);
      return new SignJWT({ iss: url, aud: AUDIENCE, azp: 'viewer', iat: now, exp: now + 300, ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: 'k' })
        .sign(key.privateKey);
    },
    async signOut(origin, who) {
      const events = { 'http://schemas.openid.net/event/backchannel-logout': {} };
      const logout_token = await issuer.token({ ...who, jti: crypto.randomUUID(), events });
      return fetch(`${origin}/auth/backchannel-logout`, {
        method: 'POST',
        body: new URLSearchParams({ logout_token }),
      });
    },
  };
  return issuer;
}
