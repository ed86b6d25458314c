/** Clients of npm, unmodified, with FHIR data of Lockstep's own and with a FHIR server behind it. */
import { describe, it } from 'node:test';
import { fhirKitFlow, medplumFlow, openidFlow } from './client-flows.ts';
import { gatewayBelowAPath, sharedGateway } from './gateway-rig.ts';
import { Backend, sharedLockstep } from './harness.ts';

const WAYS = [
  ['FHIR data of its own', (await sharedLockstep({ sampleData: true })).origin],
  ['a FHIR server behind it', (await sharedGateway()).gateway.origin],
  ['a FHIR server behind it, below a path', await gatewayBelowAPath()],
] as const;

for (const [way, origin] of WAYS) {
  describe(`with ${way}`, () => {
    it('FHR-3 fhir-kit-client reads, writes, searches, turns pages and sends batches', async () => {
      const backend = await Backend.register(origin, { scope: 'system/*.cruds' });
      await fhirKitFlow(origin, await backend.token('system/*.cruds'));
    });

    it('FHR-3 Medplum’s client reads, writes, patches, searches, turns pages and sends batches', async () => {
      const backend = await Backend.register(origin, { scope: 'system/*.cruds' });
      await medplumFlow(origin, await backend.token('system/*.cruds'));
    });

    for (const kind of ['public', 'symmetric', 'asymmetric'] as const) {
      it(`TOK-1 openid-client, ${kind}: code, userinfo, refresh, revocation`, () =>
        openidFlow(origin, 'kofi-mensah', kind, true));
    }

    it('DPOP-1 openid-client, with tokens that are bound to its key: code, userinfo, a read, refresh, revocation', () =>
      openidFlow(origin, 'kofi-mensah', 'asymmetric', true, true));
  });
}
