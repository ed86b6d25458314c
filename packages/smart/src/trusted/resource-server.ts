import type { RecordStore } from '@lockstep/store';
import type { FastifyPluginAsync } from 'fastify';
import { AuthorizationAddresses } from '../addresses.ts';
import { answerErrors, readBodies } from '../answers.ts';
import { protectedResource, publish } from '../discovery.ts';
import { DpopNonces } from '../dpop/nonces.ts';
import { DpopProofs } from '../dpop/proofs.ts';
import { limitRequests } from '../limits.ts';
import type { AuditEntry, Clock, Logger, RequestLimit } from '../ports.ts';
import { SUPPORTED_SCOPES } from '../scope-policy.ts';
import { TokenDoor } from '../token-door.ts';
import type { AccessEnded } from '../token-info.ts';
import type { TokenVerifier } from '../token-verifier.ts';
import type { TrustedIssuer } from './options.ts';
import { trustedRoutes } from './routes.ts';
import { TrustedIssuers } from './trusted-issuers.ts';

export interface ResourceServerOptions {
  readonly records: RecordStore;
  readonly clock: Clock;
  /** What clients use, without a trailing slash. */
  readonly publicUrl: string;
  readonly hubUrl: string;
  readonly issuers: readonly TrustedIssuer[];
  /** Fetches keys and answers of the issuers, which may be in internal networks; `fetch` without it. */
  readonly fetchIssuer?: typeof fetch;
  readonly rateLimit?: RequestLimit;
  /** Whether every DPoP proof must hold a nonce of this server's (RFC 9449 section 8). */
  readonly dpopNonce?: boolean;
  readonly logger: Logger;
  readonly audit: (entry: AuditEntry) => void;
}

/** A Hub's side of authorization where other servers give out the tokens. */
export interface ResourceServer extends TokenVerifier {
  /** Where tokens come from (RFC 9728), and where issuers say that somebody signed out. */
  readonly plugin: FastifyPluginAsync;
}

/** No users are registered here: the issuers alone know theirs. */
const NO_USERS = { resolve: async () => undefined, withReference: async () => [] };

/** Trusts tokens of other authorization servers and gives out none (REG-5). */
export async function createResourceServer(options: ResourceServerOptions): Promise<ResourceServer> {
  const { records, clock, publicUrl, hubUrl, issuers, rateLimit, logger } = options;
  const listeners = new Set<(ended: AccessEnded) => void | Promise<void>>();
  const tell = async (ended: AccessEnded): Promise<void> => {
    trusted.forget(ended);
    await Promise.all([...listeners].map((listener) => listener(ended)));
  };
  const addresses = new AuthorizationAddresses(publicUrl);
  const trusted: TrustedIssuers = new TrustedIssuers({
    issuers,
    records,
    clock,
    users: NO_USERS,
    addresses,
    fetchIssuer: options.fetchIssuer ?? fetch,
    // There is no FHIR endpoint here: what opens anything elsewhere is for that to say.
    canEverOpen: () => true,
    audit: options.audit,
    ended: tell,
  });
  const scopes = SUPPORTED_SCOPES.filter((scope) => /^(fhircast|hub)\b/.test(scope));
  const document = () =>
    protectedResource(
      hubUrl,
      issuers.map(({ issuer }) => issuer),
      scopes,
    );
  const nonces = await DpopNonces.open(records, clock);
  const proofs = new DpopProofs(records, clock, { publicUrl, nonces, nonceRequired: options.dpopNonce ?? false });
  const verifyToken: TokenVerifier['verifyToken'] = (token) => trusted.verify(token);
  return {
    tokens: new TokenDoor(
      verifyToken,
      proofs,
      (token) => trusted.remembered(token),
      (url) => addresses.resourceMetadata(url),
    ),
    async plugin(app) {
      readBodies(app);
      answerErrors(app, logger);
      if (rateLimit) limitRequests(app, rateLimit);
      publish(app, {
        '/.well-known/oauth-protected-resource': document,
        '/.well-known/oauth-protected-resource/hub': document,
      });
      trustedRoutes(app, trusted);
    },
    verifyToken,
    onAccessEnded(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    invalidate: (ended) => void tell(ended),
    doubt: () => trusted.forget(),
  };
}
