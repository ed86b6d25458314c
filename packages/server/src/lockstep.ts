/** Puts Lockstep together: one store, one Hub, one authorization server, one FHIR endpoint, on one port. */
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { files as consoleFiles } from '@lockstep/console';
import { createFhir } from '@lockstep/fhir';
import { createGateway } from '@lockstep/gateway';
import { type Hub, NodeLease, type Observer } from '@lockstep/hub';
import { R4Validator } from '@lockstep/r4';
import { AuthorizationAddresses, createAuthorizationServer } from '@lockstep/smart';
import type { FastifyRequest } from 'fastify';
import pino, { type Logger } from 'pino';
import { shareAccessEnds } from './access-ends.ts';
import { openAdministration } from './admin/open-administration.ts';
import type { ServerAuditTrail } from './audit/audit-trail.ts';
import { auditObservation, fhirAudit, hubAudit, openAudit, smartAudit } from './audit/open-audit.ts';
import { AddressPolicy } from './callbacks/address-policy.ts';
import { guardedFetch } from './callbacks/guarded-fetch.ts';
import { type Config, ConfigError, isLocal, originOf } from './config.ts';
import { FirstAdministrator } from './first-administrator.ts';
import { createApp } from './http/app.ts';
import { ConsoleLive } from './http/console-live.ts';
import { consoleRoutes } from './http/console-routes.ts';
import { Limiter, shareLimits } from './http/doors/limiter.ts';
import { healthRoutes } from './http/health.ts';
import { hubRoutes } from './http/hub-routes.ts';
import { Listener } from './http/listener.ts';
import { openManagement } from './http/management.ts';
import { metricsRoute } from './http/metrics-route.ts';
import { simulationRoutes } from './http/simulation.ts';
import { Sockets } from './http/sockets.ts';
import { staticRoutes } from './http/static.ts';
import { type Certificate, readCertificate } from './http/tls-files.ts';
import { Inspector } from './inspector.ts';
import { DerivedTopicDirectory } from './launch/derived-topics.ts';
import { openLaunches } from './launch/open-launches.ts';
import { Metrics } from './metrics.ts';
import { allowsR5, conformanceSpecs, openHub, openWebhooks, PROFILES } from './open-hub.ts';
import { openUpstream } from './open-upstream.ts';
import { outsideOptions } from './outside-sign-in.ts';
import { registerOwnApps, SAMPLES } from './own-apps.ts';
import { ServerParts } from './parts.ts';
import { patientDirectory } from './patient-directory.ts';
import { sessionDirectory } from './session-directory.ts';
import { SessionList } from './session-list.ts';
import { SharedViews } from './shared-views.ts';
import { StandIns } from './simulation/stand-ins.ts';
import { openStore, sweepRecords } from './store.ts';
import { StoreWatch } from './store-watch.ts';
import { goBy, systemClock, systemIds } from './system.ts';
import { trustedIssuers } from './trusted-issuers.ts';

/** A running Lockstep. */
export interface Lockstep {
  /** What clients use, without a trailing slash. */
  readonly origin: string;
  readonly port: number;
  readonly hub: Hub;
  readonly inspector: Inspector;
  /** What is served over HTTP, `GET /hub/session`; `*` for a rest of any length. `docs/api/http.md` lists them. */
  readonly routes: readonly string[];
  /** The first administrator and the password to tell once; only at the first start of a server that others can reach. */
  readonly firstAdministrator?: { readonly user: string; readonly password: string };
  /** The audit trail, where there is one. */
  readonly audit?: ServerAuditTrail;
  /** The management port, where there is one. */
  readonly managementPort?: number;
  /**
   * Takes over what can change while it runs: the log's level, the certificate, and files that were moved away.
   * @param changed the configuration as it is now
   * @throws ConfigError; everything stays as it was then
   */
  reload(changed: Config): Promise<void>;
  /** Closes sockets with 1012, finishes what was begun, closes the store. */
  close(): Promise<void>;
}

const { version: VERSION } = createRequire(import.meta.url)('../package.json') as { version: string };

/** Addresses that the console's own script routes. */
const CONSOLE_ROUTES = [
  '',
  'apps',
  'apps/*',
  'patients/*',
  'worklist',
  'sessions',
  'sessions/*',
  'launch',
  'users',
  'users/*',
  'conformance',
];

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
 * @throws when the port is taken or the store cannot be used
 */
export async function startLockstep(config: Config): Promise<Lockstep> {
  const log = pino({ level: config.logLevel });
  const parts = new ServerParts();
  const stop = (): Promise<void> =>
    parts.stop((name, error) => log.error({ err: error, part: name }, 'a part of the server could not be stopped'));
  try {
    return { ...(await startParts(config, log, parts)), close: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts the parts, each after those that it needs; they stop in the opposite order. */
async function startParts(config: Config, log: Logger, parts: ServerParts): Promise<Omit<Lockstep, 'close'>> {
  const outside = outsideOptions(config);
  const issuers = trustedIssuers(config);
  const local = isLocal(config);
  const failed = (error: unknown): void => log.error({ err: error }, 'work in the background failed');
  const now = (): number => systemClock.now();
  makeFolder(config.data);

  let certificate = certificateOf(config);
  const listener = await parts.start({
    name: 'port',
    start: async () => {
      const taken = new Listener(certificate);
      await taken.listen(config.port, config.host).catch((error) => {
        throw portError('PORT', 'LOCKSTEP_HOST', config.port, config.host, error);
      });
      return taken;
    },
    stop: (taken) => taken.close(),
  });
  const origin = originOf(config, listener.port);
  const hubUrl = `${origin}/hub`;

  // Last to stop, so that no other node takes over what this one still does.
  const store = await parts.start({ name: 'store', start: () => openStore(config), stop: (opened) => opened.close() });
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

  const audit = await parts.start({
    name: 'audit',
    async start() {
      const opened = await openAudit(config, origin, log);
      opened?.record({ act: 'server-start', status: 200, detail: `Lockstep ${VERSION}` });
      return opened;
    },
    async stop(opened) {
      opened?.record({ act: 'server-stop', status: 200 });
      await opened?.close();
    },
  });
  const policy = new AddressPolicy({ open: local, allowed: config.callbackNetworks });
  const keySets = await parts.start({
    name: 'key sets of clients',
    start: () => guardedFetch(policy),
    stop: (opened) => opened.close(),
  });
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

  // The Hub asks who a user is, the authorization server which sessions there are: one is made before it has the other.
  const inspector = new Inspector({ node: nodeId });
  const derivedTopics = new DerivedTopicDirectory({ records, clock: systemClock, hub: () => hub });
  const validator = new R4Validator();
  const hub = openHub(config, origin, {
    validator,
    sessions: metrics.timed(store.sessions),
    nodeId,
    ...(nodes && { nodes }),
    users: () => authorization.users,
    derivedTopics,
    observer: observers(inspector, metrics.sessions, audit),
    audit: hubAudit,
    failed,
    ...(webhooks && { webhooks }),
  });
  const addresses = new AuthorizationAddresses(origin);
  const upstream = await parts.start({
    name: 'FHIR server behind Lockstep',
    start: () => openUpstream(config),
    stop: (opened) => opened?.close(),
  });
  const endpoint = {
    records,
    validator,
    r5: allowsR5(config),
    clock: systemClock,
    baseUrl: addresses.fhir,
    hubUrl,
    version: VERSION,
    // The door has verified it.
    tokenOf: ({ caller }: FastifyRequest) => caller,
    smart: () => addresses,
    ...(audit && { audit: fhirAudit(audit) }),
  };
  const fhir = upstream
    ? await createGateway({ ...endpoint, upstream })
    : await createFhir({ ...endpoint, ids: () => systemIds.uuid() });
  if (config.sampleData) await fhir.service.seedSampleData();
  const sessions = sessionDirectory(hub);
  const authorization = await createAuthorizationServer({
    records,
    clock: systemClock,
    origin,
    hubUrl,
    loopback: local,
    ...(issuers.length > 0 && { trustedIssuers: issuers }),
    fetchKeys: keySets.fetch,
    keyHostAllowed: (host) => policy.allowsHost(host),
    ...(config.initialAccessToken && { initialAccessToken: config.initialAccessToken }),
    strangersRegister: config.registration === 'open',
    sessions,
    patients: patientDirectory(fhir.service),
    sampleUsers: config.sampleData,
    isTokenEndpoint: (address) => local && config.sampleData && address.startsWith(`${origin}/simulate/`),
    ...(outside && { outside }),
    rateLimit: limiter,
    refreshGrace: config.refreshGraceSeconds,
    maxTokenLife: config.maxTokenSeconds,
    launchTokenLife: config.launchTokenSeconds,
    dpopNonce: config.dpopNonce,
    logger: log,
    audit: smartAudit(audit),
  });
  authorization.onAccessEnded((ended) => hub.accessEnded(ended).catch(failed));
  await parts.start({
    name: 'ends of access at other nodes',
    start: () => (store.shared ? shareAccessEnds(store.sessions, authorization, failed) : undefined),
    stop: (end) => end?.(),
  });
  await registerOwnApps(authorization.clients, { records, origin, samples: config.sampleData, now: now() });
  const administrator = new FirstAdministrator(records, authorization.users, now);
  // Where nobody signs in by password, a one-time password opens nothing.
  const withoutFirst = (local && config.sampleData) || outside?.passwords === false;
  const firstAdministrator = withoutFirst ? undefined : await administrator.create();

  const { app, routes } = await parts.start({
    name: 'requests',
    start: () =>
      createApp(config, listener, log, {
        guard: { tokens: authorization.tokens, limiter, https: origin.startsWith('https:') },
        audit,
        metrics: metrics.registry,
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
  const views = await parts.start({
    name: 'views of the console',
    start: () =>
      new SharedViews({
        inspector,
        hub,
        sessions: store.sessions,
        nodeId,
        clock: systemClock,
        ...(nodes && { nodes }),
        failed,
      }),
    stop: (opened) => opened.close(),
  });
  const list = await parts.start({
    name: 'list of sessions',
    start: () =>
      new SessionList({
        hub,
        sessions: store.sessions,
        nameOf: async (user) => (await authorization.users.resolve(user))?.name,
      }),
    stop: (opened) => opened.close(),
  });
  metrics.tellOf(hub);
  if (audit) metrics.tellOfAudit(audit);
  if (certificate) metrics.tellOfCertificate(() => certificate?.expiresAt ?? 0);
  if (store.skew) metrics.tellSkew(store.skew);

  const health = { draining: false };
  const { managementPort, managementHost = config.host } = config;
  await app.register(healthRoutes({ store, health, watch }));
  // Numbers about a hospital's work are not for everybody: elsewhere than on loopback they are told on a port of their own.
  if (local && managementPort === undefined) await app.register(metricsRoute(metrics));
  const management = await parts.start({
    name: 'management port',
    start: () =>
      managementPort === undefined
        ? undefined
        : openManagement(managementPort, managementHost, log, [
            healthRoutes({ store, health, watch }),
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
  await app.register(authorization.plugin);
  await app.register(fhir.plugin, { prefix: '/fhir' });
  await app.register(
    hubRoutes({
      hub,
      hubUrl,
      tokens: authorization.tokens,
      webhooks: webhooks !== undefined,
      auditPatients: config.auditPatients,
      version: PROFILES[config.profile].name,
    }),
    { prefix: '/hub' },
  );
  const { host, data } = config;
  const { port } = listener;
  const launching = openLaunches({ records, clock: systemClock, hub, hubUrl, authorization, data });
  await app.register(launching.plugin, { prefix: '/hub' });
  const administering = {
    data,
    host,
    port,
    origin,
    ...(config.tlsCert !== undefined && { certificateFile: config.tlsCert }),
    version: VERSION,
    authorization,
    sessions,
    launching,
    ...(store.backup && { backup: store.backup }),
  };
  const announce = await openAdministration(app, administering);
  const { launcher, secrets } = launching;
  // Where others reach the server, no failure is simulated, and nobody is launched as somebody else.
  const standIns = local && config.sampleData ? new StandIns({ origin, authorization, now }) : undefined;
  await app.register(
    consoleRoutes({
      hub,
      hubUrl,
      fhirUrl: addresses.fhir,
      origin,
      authorization,
      views,
      list,
      administrator,
      launcher,
      secrets,
      records,
      specs: conformanceSpecs(config),
      now,
      standIns,
    }),
    { prefix: '/api/console' },
  );
  if (standIns) {
    const simulated = { origin, hub, authorization, inspector, clock: systemClock, standIns };
    await app.register(simulationRoutes(simulated), { prefix: '/simulate' });
  }
  const pages = [
    { path: '/', files: consoleFiles, routes: CONSOLE_ROUTES, frames: true, framed: false },
    ...SAMPLES.map(({ path, files }) => ({ path, files, routes: [''], frames: false, framed: true })),
  ];
  await app.register(staticRoutes(pages, origin, local && config.publicUrl === undefined));
  await app.ready();

  await parts.start({
    name: 'Hub',
    start: () => hub.start(),
    async stop() {
      await hub.stop();
      await new Promise((resolve) => setTimeout(resolve, CLOSE_ANSWER));
    },
  });
  const live = await parts.start({
    name: 'live views of the console',
    start: () => new ConsoleLive({ hub, views, authorization, origin, clock: systemClock }),
    stop: (opened) => opened.close(),
  });
  listener.open((request, socket, head) => {
    if (!live.upgrade(request, socket, head)) sockets.upgrade(request, socket, head);
  });
  await parts.start({
    name: 'announcement to commands on this machine',
    start: announce,
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
    origin,
    port,
    hub,
    inspector,
    routes,
    ...(management && { managementPort: management.port }),
    ...(audit && { audit }),
    ...(firstAdministrator && { firstAdministrator }),
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
