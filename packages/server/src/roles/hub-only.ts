import { createResourceServer } from '@lockstep/smart';
import { smartAudit } from '../audit/open-audit.ts';
import { refuse } from '../http/plain.ts';
import { systemClock } from '../system.ts';
import type { Role, RoleParts } from './role.ts';

/**
 * A Hub beside an EHR that has an authorization server and a FHIR server of its own: no sign-in, no apps, no console, no FHIR
 * endpoint, no sample data. Tokens are those of trusted issuers (REG-5).
 */
export async function openHubOnly(given: RoleParts): Promise<Role> {
  const { config, store, publicUrl, hubUrl, issuers, limiter, audit, log } = given;
  const authorization = await createResourceServer({
    records: store.records,
    clock: systemClock,
    publicUrl,
    hubUrl,
    issuers,
    rateLimit: limiter,
    dpopNonce: config.dpopNonce,
    logger: log,
    audit: smartAudit(audit),
  });
  return {
    authorization,
    async addRoutes(app) {
      await app.register(authorization.plugin);
      app.setNotFoundHandler((_, reply) =>
        refuse(reply, 404, 'There is nothing at this address: this server is a Hub only'),
      );
      return undefined;
    },
    open: async () => undefined,
  };
}
