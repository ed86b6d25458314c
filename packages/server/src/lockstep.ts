/** Puts Lockstep together: one store, one Hub, one authorization server, one FHIR endpoint, on one port. */
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { files as consoleFiles } from '@lockstep/console';
import { createFhir } from '@lockstep/fhir';
import { type Hub, NodeLease } from '@lockstep/hub';
import { Addresses, createAuthorizationServer } from '@lockstep/smart';
import Fastify, { type FastifyInstance, LogController } from 'fastify';
import { shareAccessEnds } from './access-ends.ts';
import { openAdministration } from './admin/open-administration.ts';
import { AuditFile } from './audit.ts';
import { AddressPolicy } from './callbacks/address-policy.ts';
import { guardedFetch } from './callbacks/guarded-fetch.ts';
import { type Config, ConfigError, isLocal, isLoopback } from './config.ts';
import { FirstAdministrator } from './first-administrator.ts';
import { answerBadAddress } from './http/bad-address.ts';
import { ConsoleLive } from './http/console-live.ts';
import { consoleRoutes } from './http/console-routes.ts';
import { Door } from './http/door.ts';
import { healthRoutes } from './http/health.ts';
import { hubRoutes } from './http/hub-routes.ts';
import { metricsRoute } from './http/metrics-route.ts';
import { RateLimit } from './http/rate-limit.ts';
import { cleanAddress } from './http/request-address.ts';
import { simulationRoutes } from './http/simulation.ts';
import { serveSockets } from './http/sockets.ts';
import { staticRoutes } from './http/static.ts';
import { Inspector } from './inspector.ts';
import { DerivedTopicDirectory } from './launch/derived-topics.ts';
import { openLaunches } from './launch/open-launches.ts';
import { Metrics } from './metrics.ts';
import { conformanceSpecs, openHub, openWebhooks, PROFILES } from './open-hub.ts';
import { outsideOptions } from './outside-sign-in.ts';
import { registerOwnApps, SAMPLES } from './own-apps.ts';
import { patientDirectory } from './patient-directory.ts';
import { sessionDirectory } from './session-directory.ts';
import { SharedViews } from './shared-views.ts';
import { StandIns } from './simulation/stand-ins.ts';
import { openStore, sweepRecords } from './store.ts';
import { systemClock, systemIds } from './system.ts';

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
  /** Closes sockets with 1012, finishes what was begun, closes the store. */
  close(): Promise<void>;
}

const { version: VERSION } = createRequire(import.meta.url)('../package.json') as { version: string };

/** Addresses that the console's own script routes. */
const CONSOLE_ROUTES = ['', 'apps', 'apps/*', 'sessions', 'sessions/*', 'launch', 'users', 'users/*', 'conformance'];

function originOf(config: Config, port: number): string {
  if (config.publicUrl) return config.publicUrl;
  const host = isLoopback(config.host) || config.host === '0.0.0.0' || config.host === '::' ? 'localhost' : config.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new ConfigError([`LOCKSTEP_DATA: the folder ${path} cannot be made: ${(error as Error).message}`]);
  }
}

/**
 * Starts Lockstep; it is ready when this resolves.
 * @throws when the port is taken or the store cannot be used
 */
export async function startLockstep(config: Config): Promise<Lockstep> {
  const outside = outsideOptions(config);
  makeFolder(config.data);
  const store = await openStore(config);
  const door = new Door();
  let app: FastifyInstance | undefined;
  try {
    const local = isLocal(config);
    const policy = new AddressPolicy({ open: local, allowed: config.callbackNetworks });
    const keySets = guardedFetch(policy);
    const webhooks = openWebhooks(config, store, policy);
    const port = await door.listen(config.port, config.host);
    const origin = originOf(config, port);
    const hubUrl = `${origin}/hub`;
    const rateLimit = new RateLimit(config.rateLimit, () => systemClock.now());
    app = Fastify({
      logger: { level: config.logLevel },
      // Only what went wrong is logged: a line a request costs more than the request.
      logController: new LogController({ disableRequestLogging: true }),
      bodyLimit: config.bodyLimit,
      // Anybody can write X-Forwarded-For; only what a proxy of ours has written counts.
      trustProxy: config.trustedProxies.length > 0 && [...config.trustedProxies],
      frameworkErrors: answerBadAddress,
      rewriteUrl: (request) => cleanAddress(request.url ?? '/'),
      forceCloseConnections: true,
      // A topic that was derived from a user's name is longer than Fastify expects of a parameter (LAU-2).
      routerOptions: { maxParamLength: 1024 },
      serverFactory: (handler) => door.serve(handler),
    });

    const routes: string[] = [];
    app.addHook('onRoute', ({ method, path }) => {
      for (const one of [method].flat()) routes.push(`${one} ${path}`);
    });
    const inspector = new Inspector({ node: store.nodeId });
    const derivedTopics = new DerivedTopicDirectory({ records: store.records, clock: systemClock, hub: () => hub });
    const metrics = new Metrics();
    const audit =
      config.audit === undefined
        ? undefined
        : new AuditFile(config.audit, hubUrl, (error) => app?.log.error({ err: error }, 'the audit cannot be written'));
    const failed = (error: unknown): void => app?.log.error({ err: error }, 'work in the background failed');
    for (const warning of store.warnings) app.log.warn(warning);
    const { nodeId } = store;
    const nodes = store.shared ? new NodeLease(store.records, systemClock, { nodeId }, failed) : undefined;
    const hub = openHub(config, origin, {
      sessions: metrics.timed(store.sessions),
      nodeId,
      ...(nodes && { nodes }),
      users: () => authorization.users,
      derivedTopics,
      observer: inspector,
      ...(audit && { audit }),
      failed,
      ...(webhooks && { webhooks }),
    });
    const views = new SharedViews({
      inspector,
      hub,
      sessions: store.sessions,
      nodeId,
      clock: systemClock,
      ...(nodes && { nodes }),
      failed,
    });
    const addresses = new Addresses(origin);
    const fhir = await createFhir({
      records: store.records,
      clock: systemClock,
      ids: () => systemIds.uuid(),
      baseUrl: addresses.fhir,
      hubUrl,
      version: VERSION,
      verifyToken: (bearer) => authorization.verifyToken(bearer),
      smart: () => addresses,
    });
    if (config.sampleData) await fhir.service.seedSampleData();
    const sessions = sessionDirectory(hub);
    const authorization = await createAuthorizationServer({
      records: store.records,
      clock: systemClock,
      origin,
      hubUrl,
      loopback: local,
      fetchKeys: keySets.fetch,
      ...(config.initialAccessToken && { initialAccessToken: config.initialAccessToken }),
      sessions,
      patients: patientDirectory(fhir.service),
      sampleUsers: config.sampleData,
      isTokenEndpoint: (address) => config.sampleData && address.startsWith(`${origin}/simulate/`),
      ...(outside && { outside }),
      rateLimit,
      launchTokenLife: config.launchTokenSeconds,
      logger: app.log,
    });
    authorization.onAccessEnded((ended) => hub.accessEnded(ended).catch(failed));
    const endSharing = store.shared ? shareAccessEnds(store.sessions, authorization, failed) : undefined;
    const endSweeps = sweepRecords(store.records, systemClock, failed);
    const now = (): number => systemClock.now();
    await registerOwnApps(authorization.clients, {
      records: store.records,
      origin,
      samples: config.sampleData,
      now: now(),
    });
    const administrator = new FirstAdministrator(store.records, authorization.users, now);
    // Where nobody signs in by password, a one-time password opens nothing.
    const withoutFirst = (local && config.sampleData) || outside?.passwords === false;
    const firstAdministrator = withoutFirst ? undefined : await administrator.create();
    const health = { draining: false };
    metrics.tellOf(hub);
    await app.register(healthRoutes({ store, hub, health }));
    await app.register(metricsRoute(metrics));
    await app.register(authorization.plugin);
    await app.register(fhir.plugin, { prefix: '/fhir' });
    await app.register(
      hubRoutes({
        hub,
        hubUrl,
        verifyToken: (bearer) => authorization.verifyToken(bearer),
        rateLimit,
        webhooks: webhooks !== undefined,
        version: PROFILES[config.profile].name,
      }),
      { prefix: '/hub' },
    );
    const records = store.records;
    const { host, data } = config;
    const launching = openLaunches({ records, clock: systemClock, hub, hubUrl, authorization, rateLimit, data });
    await app.register(launching.plugin, { prefix: '/hub' });
    const administering = { data, host, port, origin, version: VERSION, authorization, sessions, launching };
    const announce = await openAdministration(app, administering);
    const fhirUrl = addresses.fhir;
    const { launcher, secrets } = launching;
    // Where others reach the server, client checks cannot be switched off, and nobody is launched as somebody else.
    const standIns = local && config.sampleData ? new StandIns({ origin, authorization, now }) : undefined;
    const simulation = config.sampleData ? { ...(standIns && { standIns }) } : undefined;
    const consoleParts = {
      hub,
      hubUrl,
      fhirUrl,
      origin,
      authorization,
      views,
      administrator,
      launcher,
      secrets,
      specs: conformanceSpecs(config),
      now,
      simulation,
    };
    await app.register(consoleRoutes(consoleParts), { prefix: '/api/console' });
    if (simulation) {
      const parts = { origin, hub, authorization, inspector, clock: systemClock, ...simulation };
      await app.register(simulationRoutes(parts), { prefix: '/simulate' });
    }
    const pages = [
      { path: '/', files: consoleFiles, routes: CONSOLE_ROUTES, frames: true, framed: false },
      ...SAMPLES.map(({ path, files }) => ({ path, files, routes: [''], frames: false, framed: true })),
    ];
    await app.register(staticRoutes(pages, origin, local));
    await app.ready();
    await nodes?.start();
    await hub.start();
    const live = new ConsoleLive({ hub, views, authorization, origin, clock: systemClock });
    const sockets = serveSockets({
      hub,
      clock: systemClock,
      pingMs: config.pingSeconds * 1000,
      others: (request, socket, head) => live.upgrade(request, socket, head),
    });
    door.open(sockets.onUpgrade);
    const withdraw = await announce();

    const ready = app;
    return {
      origin,
      port,
      hub,
      inspector,
      routes,
      ...(firstAdministrator && { firstAdministrator }),
      async close() {
        health.draining = true;
        await withdraw();
        live.close();
        views.close();
        await hub.stop();
        // Subscribers get a moment to answer the close before their sockets are cut.
        await new Promise((resolve) => setTimeout(resolve, 100));
        sockets.end();
        metrics.close();
        await ready.close();
        await door.close();
        await webhooks?.cursors.flush();
        endSweeps();
        endSharing?.();
        // Last, so that no other node takes over what this one still does.
        await nodes?.stop().catch(failed);
        await webhooks?.callbacks.close();
        await keySets.close();
        await audit?.close();
        await store.close();
      },
    };
  } catch (error) {
    await app?.close();
    await door.close();
    await store.close();
    throw error;
  }
}
