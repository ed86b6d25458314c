/** Puts Lockstep together: one store, one Hub, and what its role puts around the Hub, on one port. */
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fhircastConfiguration, type Hub, NodeLease, type Observer } from '@lockstep/hub';
import { R4Validator } from '@lockstep/r4';
import { UserNames } from '@lockstep/smart';
import pino, { type Logger } from 'pino';
import { shareAccessEnds } from './access-ends.ts';
import { openAdministration } from './admin/open-administration.ts';
import type { ServerAuditTrail } from './audit/audit-trail.ts';
import { auditObservation, hubAudit, openAudit } from './audit/open-audit.ts';
import { AddressPolicy } from './callbacks/address-policy.ts';
import { type Config, ConfigError, isLocal, publicUrlOf } from './config.ts';
import { apiRoutes } from './http/api/api-routes.ts';
import { createApp } from './http/app.ts';
import { basePathOf } from './http/base-path.ts';
import { ConnectionRoom, ownDescriptors } from './http/connection-room.ts';
import { Limiter, shareLimits } from './http/doors/limiter.ts';
import { healthRoutes } from './http/health.ts';
import { hubRoutes } from './http/hub-routes.ts';
import { Listener } from './http/listener.ts';
import { openManagement } from './http/management.ts';
import { metricsRoute } from './http/metrics-route.ts';
import { refuseUpgrade, Sockets } from './http/sockets.ts';
import { type Certificate, readCertificate } from './http/tls-files.ts';
import { Inspector } from './inspector.ts';
import { DerivedTopicDirectory } from './launch/derived-topics.ts';
import { Metrics } from './metrics.ts';
import { openHub, openWebhooks, PROFILES } from './open-hub.ts';
import { ServerParts } from './parts.ts';
import { openEverything } from './roles/everything.ts';
import { openHubOnly } from './roles/hub-only.ts';
import { openStore, sweepRecords } from './store.ts';
import { StoreWatch } from './store-watch.ts';
import { goBy, systemClock } from './system.ts';
import { openTelemetry } from './telemetry.ts';
import { trustedIssuers } from './trusted-issuers.ts';
import { WorkAtStart } from './work-at-start.ts';

/** A running Lockstep. */
export interface Lockstep {
  /** What clients use, without a trailing slash; with a path where a proxy serves Lockstep below one. */
  readonly origin: string;
  readonly port: number;
  readonly hub: Hub;
  readonly inspector: Inspector;
  /** What is served over HTTP, `GET /hub/session`; `*` for a rest of any length. `docs/api/http.md` lists them. */
  readonly routes: readonly string[];
  /** The first administrator and the password to show once; only at the first start of a server that others can reach. */
  readonly firstAdministrator?: { readonly user: string; readonly password: string };
  /** The audit trail, where there is one. */
  readonly audit?: ServerAuditTrail;
  /** The management port, where there is one. */
  readonly managementPort?: number;
  /**
   * Takes over what can change while it runs: the log's level, the certificate, and files that were renamed.
   * @param changed the configuration as it is now
   * @throws ConfigError; everything stays as it was then
   */
  reload(changed: Config): Promise<void>;
  /** Closes sockets with 1012, finishes what was begun, closes the store. */
  close(): Promise<void>;
}

const { version: VERSION } = createRequire(import.meta.url)('../package.json') as { version: string };

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new ConfigError([`LOCKSTEP_DATA: the folder ${path} cannot be made: ${(error as Error).message}`]);
  }
}

/** How long subscribers may take to answer the close of their sockets, ms. */
const CLOSE_ANSWER = 100;

/**
 * Starts Lockstep; it is ready when this resolves. What was started is stopped again when a later part cannot start.
 * @param open opens what everything is kept in
 * @throws when the port is taken or the store cannot be used
 */
export async function startLockstep(config: Config, open: typeof openStore = openStore): Promise<Lockstep> {
  const log = pino({ level: config.logLevel });
  const parts = new ServerParts();
  const stop = (): Promise<void> =>
    parts.stop((name, error) => log.error({ err: error, part: name }, 'a part of the server could not be stopped'));
  try {
    return { ...(await startParts(config, log, parts, open)), close: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts the parts, each after those that it needs; they stop in the opposite order. */
async function startParts(
  config: Config,
  log: Logger,
  parts: ServerParts,
  openIn: typeof openStore,
): Promise<Omit<Lockstep, 'close'>> {
  const issuers = trustedIssuers(config);
  const local = isLocal(config);
  const failed = (error: unknown): void => log.error({ err: error }, 'work in the background failed');
  const now = (): number => systemClock.now();
  makeFolder(config.data);

  let certificate = certificateOf(config);
  const listener = await parts.start({
    name: 'port',
    start: async () => {
      const taken = new Listener({ certificate, basePath: basePathOf(config.publicUrl) });
      await taken.listen(config.port, config.host).catch((error) => {
        throw portError('PORT', 'LOCKSTEP_HOST', config.port, config.host, error);
      });
      return taken;
    },
    stop: (taken) => taken.close(),
  });
  const publicUrl = publicUrlOf(config, listener.port);
  const hubUrl = `${publicUrl}/hub`;

  // Last to stop, so that no other node takes over what this one still does.
  const store = await parts.start({ name: 'store', start: () => openIn(config), stop: (opened) => opened.close() });
  for (const warning of store.warnings) log.warn(warning);
  await parts.start({
    name: 'time of the store',
    start: () => (store.now ? goBy(store.now) : undefined),
    stop: (end) => end?.(),
  });
  const watch = await parts.start({
    name: 'watch over the store',
    async start() {
      const begun = new StoreWatch(store, systemClock, log);
      await begun.start();
      return begun;
    },
    stop: (begun) => begun.stop(),
  });
  const { records, nodeId } = store;
  const atStart = await parts.start({
    name: 'what is written at the start',
    start: () => new WorkAtStart(systemClock, log),
    stop: (work) => work.stop(),
  });

  const audit = await parts.start({
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
  const policy = new AddressPolicy({ open: local, allowed: config.callbackNetworks });
  const nodes = await parts.start({
    name: 'node lease',
    async start() {
      const lease = store.shared ? new NodeLease(records, systemClock, { nodeId }, failed) : undefined;
      await lease?.start();
      return lease;
    },
    stop: (lease) => lease?.stop(),
  });
  const webhooks = await parts.start({
    name: 'webhooks',
    start: () => openWebhooks(config, store, policy),
    async stop(opened) {
      await opened?.cursors.flush();
      await opened?.callbacks.close();
    },
  });
  const limiter = new Limiter(config.rateLimit, now);
  await parts.start({
    name: 'limits shared with other nodes',
    start: () => (store.shared ? shareLimits(limiter, store.sessions, systemClock, failed) : undefined),
    stop: (end) => end?.(),
  });
  await parts.start({
    name: 'sweep of expired records',
    start: () => sweepRecords(records, systemClock, failed),
    stop: (end) => end(),
  });
  const metrics = await parts.start({
    name: 'metrics',
    start: () => new Metrics({ version: VERSION, node: nodeId }),
    stop: (counted) => counted.close(),
  });

  const inspector = new Inspector({ node: nodeId });
  const validator = new R4Validator();
  const hub = openHub(config, publicUrl, {
    validator,
    sessions: metrics.timed(store.sessions),
    nodeId,
    ...(nodes && { nodes }),
    ...(config.role !== 'hub' && { users: new UserNames(records, systemClock) }),
    derivedTopics: (hub) => new DerivedTopicDirectory({ records, clock: systemClock, hub }),
    observer: observers(inspector, metrics.sessions, audit),
    audit: hubAudit,
    failed,
    ...(webhooks && { webhooks }),
  });
  const open = config.role === 'hub' ? openHubOnly : openEverything;
  const role = await open({
    config,
    version: VERSION,
    publicUrl,
    hubUrl,
    local,
    issuers,
    parts,
    store,
    atStart,
    nodes,
    hub,
    inspector,
    validator,
    policy,
    limiter,
    audit,
    log,
    failed,
  });
  const { authorization } = role;
  const { tokens } = authorization;
  authorization.onAccessEnded((ended) => hub.accessEnded(ended).catch(failed));
  await parts.start({
    name: 'ends of access at other nodes',
    start: () => (store.shared ? shareAccessEnds(store.sessions, authorization, failed) : undefined),
    stop: (end) => end?.(),
  });
  const telemetry = await parts.start({
    name: 'telemetry',
    start: () =>
      config.otlpUrl === undefined ? undefined : openTelemetry({ url: config.otlpUrl, version: VERSION, node: nodeId }),
    stop: (opened) => opened?.close(),
  });
  const { app, routes } = await parts.start({
    name: 'requests',
    start: () =>
      createApp(config, listener, log, {
        guard: { tokens, limiter, https: publicUrl.startsWith('https:') },
        audit,
        metrics: metrics.registry,
        told: telemetry?.request,
        hub,
      }),
    stop: async (opened) => {
      await opened.app.close();
      await listener.close();
    },
  });
  const sockets = await parts.start({
    name: 'WebSockets',
    start: () => new Sockets({ hub, clock: systemClock, pingMs: config.pingSeconds * 1000 }),
    stop: (opened) => opened.end(),
  });
  metrics.tellOf(hub);
  if (audit) metrics.tellOfAudit(audit);
  if (certificate) metrics.tellOfCertificate(() => certificate?.expiresAt ?? 0);
  if (store.skew) metrics.tellSkew(store.skew);

  const room = new ConnectionRoom(ownDescriptors(), () => listener.connections, log);
  listener.limit(room.forAll);
  metrics.tellOfConnections(room);

  const health = { draining: false };
  const warnings = (): readonly string[] => [...watch.problems, ...room.problems];
  const { managementPort, managementHost = config.host } = config;
  await app.register(healthRoutes({ store, health, warnings }));
  // Numbers about a hospital's work are not for everybody: elsewhere than on loopback they are served on a port of their own.
  if (local && managementPort === undefined) await app.register(metricsRoute(metrics));
  const management = await parts.start({
    name: 'management port',
    start: () =>
      managementPort === undefined
        ? undefined
        : openManagement(managementPort, managementHost, log, [
            healthRoutes({ store, health, warnings }),
            metricsRoute(metrics),
          ]).catch((error) => {
            throw portError(
              'LOCKSTEP_MANAGEMENT_PORT',
              'LOCKSTEP_MANAGEMENT_HOST',
              managementPort,
              managementHost,
              error,
            );
          }),
    stop: (opened) => opened?.close(),
  });
  const capabilities = { webhooks: webhooks !== undefined, version: PROFILES[config.profile].name };
  await app.register(
    hubRoutes({
      hub,
      hubUrl,
      tokens,
      ...capabilities,
      auditPatients: config.auditPatients,
    }),
    { prefix: '/hub' },
  );
  const { host, data } = config;
  const { port } = listener;
  const administering = {
    data,
    host,
    port,
    publicUrl,
    ...(config.tlsCert !== undefined && { certificateFile: config.tlsCert }),
    version: VERSION,
    appsAndUsers: await role.addRoutes(app),
    ...(store.backup && { backup: store.backup }),
  };
  const announce = await openAdministration(app, administering);
  const { eventsSupported: events, webhookSupport } = fhircastConfiguration(capabilities);
  await app.register(apiRoutes({ routes, publicUrl, version: VERSION, events, webhooks: webhookSupport }));
  await app.ready();

  await parts.start({
    name: 'Hub',
    start: () => hub.start(),
    async stop() {
      await hub.stop();
      await new Promise((resolve) => setTimeout(resolve, CLOSE_ANSWER));
    },
  });
  const upgrade = await role.open();
  listener.open((request, socket, head) => {
    if (!room.admits()) refuseUpgrade(socket, '503 Service Unavailable', 'Too many connections: try again later');
    else if (!upgrade?.(request, socket, head)) sockets.upgrade(request, socket, head);
  });
  await parts.start({
    name: 'announcement to commands on this machine',
    async start() {
      let withdraw: (() => Promise<void>) | undefined;
      await atStart.do('The announcement to commands on this machine', async () => {
        withdraw = await announce();
      });
      return () => withdraw?.();
    },
    stop: (withdraw) => withdraw(),
  });
  await parts.start({
    name: 'readiness',
    start: () => undefined,
    stop() {
      health.draining = true;
    },
  });
  return {
    origin: publicUrl,
    port,
    hub,
    inspector,
    routes,
    ...(management && { managementPort: management.port }),
    ...(audit && { audit }),
    ...(role.firstAdministrator && { firstAdministrator: role.firstAdministrator }),
    async reload(changed) {
      // First what may be refused: then nothing has changed.
      const renewed = certificateOf(changed);
      log.level = changed.logLevel;
      if (renewed) {
        certificate = renewed;
        listener.renew(renewed);
      }
      await audit?.reopen();
    },
  };
}

/** What the Hub does goes to those who watch sessions, to the metrics, and some of it to the audit. */
function observers(inspector: Inspector, metrics: Observer, audit: ServerAuditTrail | undefined): Observer {
  return {
    observe(topic, at, observation) {
      inspector.observe(topic, at, observation);
      metrics.observe(topic, at, observation);
      if (audit) auditObservation(audit, topic, observation);
    },
  };
}

function certificateOf({ tlsCert, tlsKey }: Config): Certificate | undefined {
  return tlsCert === undefined || tlsKey === undefined ? undefined : readCertificate(tlsCert, tlsKey);
}

const LISTEN_PROBLEMS: Readonly<
  Record<string, (port: number, host: string) => readonly [setting: 'port' | 'host', text: string]>
> = {
  EADDRINUSE: (port) => ['port', `the port ${port} is taken by another program: choose another, or 0 for a free one`],
  EACCES: (port) => ['port', `the port ${port} is for privileged programs: choose one from 1024 on`],
  ENOTFOUND: (_, host) => [
    'host',
    `no address is known for ${host}: choose one of this machine, such as 127.0.0.1, or 0.0.0.0 for all`,
  ],
  EAI_AGAIN: (_, host) => [
    'host',
    `no address is known for ${host}: choose one of this machine, such as 127.0.0.1, or 0.0.0.0 for all`,
  ],
  EADDRNOTAVAIL: (_, host) => [
    'host',
    `${host} is no address of this machine: choose one of its own, or 0.0.0.0 for all`,
  ],
};

/** What cannot be listened on, in words for whoever configured it. */
function portError(
  portName: string,
  hostName: string,
  port: number,
  host: string,
  error: NodeJS.ErrnoException,
): Error {
  const [setting, text] = LISTEN_PROBLEMS[error.code ?? '']?.(port, host) ?? [];
  return setting === undefined ? error : new ConfigError([`${setting === 'port' ? portName : hostName}: ${text}`]);
}
