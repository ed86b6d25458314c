/** Third step of the start: the Hub, its audit, its numbers, and what its role puts around it. */
import type { Hub, Observer } from '@lockstep/hub';
import { R4Validator } from '@lockstep/r4';
import { UserNames } from '@lockstep/smart';
import { shareAccessEnds } from '../access-ends.ts';
import { AppHealthCounts } from '../app-health.ts';
import type { ServerAuditTrail } from '../audit/audit-trail.ts';
import { auditObservation, hubAudit, openAudit } from '../audit/open-audit.ts';
import { AddressPolicy } from '../callbacks/address-policy.ts';
import { isLocal } from '../config.ts';
import { Limiter, shareLimits } from '../http/doors/limiter.ts';
import { Inspector } from '../inspector.ts';
import { DerivedTopicDirectory } from '../launch/derived-topics.ts';
import { Metrics } from '../metrics.ts';
import { openHub, openWebhooks } from '../open-hub.ts';
import { openEverything } from '../roles/everything.ts';
import { openHubOnly } from '../roles/hub-only.ts';
import type { Role } from '../roles/role.ts';
import { systemClock } from '../system.ts';
import { trustedIssuers } from '../trusted-issuers.ts';
import { type Start, VERSION } from './start.ts';
import type { ServedPorts } from './start-ports.ts';
import type { OpenedStore } from './start-store.ts';

export interface OpenedHub {
  readonly hub: Hub;
  /** What stands around it; its routes are not added yet. */
  readonly role: Role;
  readonly inspector: Inspector;
  readonly limiter: Limiter;
  readonly metrics: Metrics;
  readonly audit: ServerAuditTrail | undefined;
  /** Whether events go to webhooks as well. */
  readonly webhooks: boolean;
}

/** The Hub itself starts later, when there is a way to it. */
export async function startHub(start: Start, ports: ServedPorts, opened: OpenedStore): Promise<OpenedHub> {
  const { config, log, parts, failed } = start;
  const { publicUrl, hubUrl } = ports;
  const { store, nodes, atStart } = opened;
  const { records, nodeId } = store;
  const issuers = trustedIssuers(config);
  const local = isLocal(config);
  const audit = await startAudit(start, publicUrl);
  const policy = new AddressPolicy({ open: local, allowed: config.callbackNetworks });
  const webhooks = await parts.start({
    name: 'webhooks',
    start: () => openWebhooks(config, store, policy),
    async stop(ways) {
      await ways?.cursors.flush();
      await ways?.callbacks.close();
    },
  });
  const limiter = new Limiter(config.rateLimit, () => systemClock.now());
  await parts.start({
    name: 'limits shared with other nodes',
    start: () => (store.shared ? shareLimits(limiter, store.sessions, systemClock, failed) : undefined),
    stop: (end) => end?.(),
  });
  const metrics = await parts.start({
    name: 'metrics',
    start: () => new Metrics({ version: VERSION, node: nodeId }),
    stop: (counted) => counted.close(),
  });
  const inspector = new Inspector({ node: nodeId });
  const health = await parts.start({
    name: 'health of apps',
    start: () => new AppHealthCounts(records, systemClock),
    stop: (counts) => counts.flush(),
  });
  const validator = new R4Validator();
  const hub = openHub(config, publicUrl, {
    validator,
    sessions: store.sessions,
    committed: (ms) => metrics.committed(ms),
    nodeId,
    ...(nodes && { nodes }),
    ...(config.role !== 'hub' && { users: new UserNames(records, systemClock) }),
    derivedTopics: (derivedFor) => new DerivedTopicDirectory({ records, clock: systemClock, hub: derivedFor }),
    observer: observers([inspector, metrics.sessions, health], audit),
    audit: hubAudit,
    failed,
    ...(webhooks && { webhooks }),
  });
  const around = { version: VERSION, publicUrl, hubUrl, local, issuers, atStart, nodes, validator, policy };
  const openRole = config.role === 'hub' ? openHubOnly : openEverything;
  const role = await openRole({ ...start, ...around, store, hub, inspector, health, limiter, audit, log });
  const { authorization } = role;
  authorization.onAccessEnded((ended) => hub.accessEnded(ended).catch(failed));
  await parts.start({
    name: 'ends of access at other nodes',
    start() {
      if (!store.shared) return undefined;
      const options = { nodeId, others: () => nodes?.others() ?? [], clock: systemClock, failed };
      return shareAccessEnds(store.sessions, authorization, options);
    },
    stop: (end) => end?.(),
  });
  return { hub, role, inspector, limiter, metrics, audit, webhooks: webhooks !== undefined };
}

function startAudit({ config, log, parts }: Start, publicUrl: string): Promise<ServerAuditTrail | undefined> {
  return parts.start({
    name: 'audit',
    async start() {
      const opened = await openAudit(config, publicUrl, log);
      opened?.record({ act: 'server-start', status: 200, detail: `Lockstep ${VERSION}` });
      return opened;
    },
    async stop(opened) {
      opened?.record({ act: 'server-stop', status: 200 });
      await opened?.close();
    },
  });
}

/** What the Hub does goes to those who watch sessions and count, and some of it to the audit. */
function observers(all: readonly Observer[], audit: ServerAuditTrail | undefined): Observer {
  return {
    observe(topic, at, observation) {
      for (const one of all) one.observe(topic, at, observation);
      if (audit) auditObservation(audit, topic, observation);
    },
  };
}
