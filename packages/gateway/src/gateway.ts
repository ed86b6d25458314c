import type { AccessRecord, FhirService, ImagesOf, SmartAddresses, TokenOf } from '@lockstep/fhir';
import { Bundles, FORWARDED_WORK, fhirPlugin, WorkTurns } from '@lockstep/fhir/parts';
import type { R4Validator } from '@lockstep/r4';
import type { RecordStore } from '@lockstep/store';
import type { FastifyPluginAsync } from 'fastify';
import { UpstreamAddresses } from './addresses.ts';
import { Capabilities } from './capabilities.ts';
import { patientOf } from './compartment.ts';
import { Forwarding } from './forwarding.ts';
import { PageLinks } from './page-links.ts';
import { type Rights, rightsOf } from './rights.ts';
import { upstreamService } from './service.ts';
import type { Upstream } from './upstream.ts';

export interface GatewayOptions {
  readonly upstream: Upstream;
  /** Keeps the key of page links, which all nodes share. */
  readonly records: RecordStore;
  readonly validator: R4Validator;
  readonly clock: { now(): number };
  /** Lockstep's FHIR base, `{origin}/fhir`, without a slash at its end (DIS-1). */
  readonly baseUrl: string;
  readonly tokenOf: TokenOf;
  readonly smart: () => SmartAddresses;
  readonly hubUrl: string;
  readonly version: string;
  readonly r5?: boolean;
  /** Images of the studies, where there are any. */
  readonly images?: ImagesOf;
  readonly audit?: (record: AccessRecord) => void | Promise<void>;
}

/** Makes the FHIR endpoint in front of a FHIR server: like `createFhir`, and with the same HTTP face. */
export async function createGateway(
  options: GatewayOptions,
): Promise<{ plugin: FastifyPluginAsync; service: FhirService }> {
  const {
    upstream,
    records,
    validator,
    clock,
    baseUrl,
    hubUrl,
    version,
    smart,
    tokenOf,
    r5 = false,
    images,
    audit,
  } = options;
  const now = () => clock.now();
  const capabilities = new Capabilities(upstream, now);
  const links = await PageLinks.open(records, now());
  const addresses = new UpstreamAddresses(upstream.base, baseUrl);
  const forwarding = new Forwarding({ upstream, capabilities, addresses, links, validator, baseUrl });
  const turns = new WorkTurns(FORWARDED_WORK);
  const plugin = fhirPlugin<Rights>({
    interactions: forwarding,
    bundles: new Bundles(forwarding, forwarding, validator, baseUrl, () => turns.slice()),
    validator,
    turns,
    accessOf: rightsOf(baseUrl),
    patientOf: (resource) => patientOf(resource, baseUrl),
    baseUrl,
    r5,
    now,
    tokenOf,
    metadata: () => capabilities.statement({ baseUrl, hubUrl, version, smart: smart() }),
    images,
    audit,
  });
  return { plugin, service: upstreamService(forwarding, capabilities, baseUrl) };
}
