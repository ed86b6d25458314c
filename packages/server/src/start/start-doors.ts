/** Last step of the start: requests, WebSockets and commands come in. */
import { fhircastConfiguration } from '@lockstep/hub';
import { openAdministration } from '../admin/open-administration.ts';
import { type Config, isLocal } from '../config.ts';
import { apiRoutes } from '../http/api/api-routes.ts';
import { createApp } from '../http/app.ts';
import { ConnectionRoom, ownDescriptors } from '../http/connection-room.ts';
import { healthRoutes } from '../http/health.ts';
import { hubRoutes } from '../http/hub-routes.ts';
import { openManagement } from '../http/management.ts';
import { metricsRoute } from '../http/metrics-route.ts';
import { refuseUpgrade, Sockets } from '../http/sockets.ts';
import { PROFILES } from '../open-hub.ts';
import { systemClock } from '../system.ts';
import { openTelemetry, type Telemetry } from '../telemetry.ts';
import { type Start, VERSION } from './start.ts';
import type { OpenedHub } from './start-hub.ts';
import type { ServedPorts } from './start-ports.ts';
import type { OpenedStore } from './start-store.ts';

/** How long subscribers may take to answer the close of their sockets, ms. */
const CLOSE_ANSWER = 100;

export interface OpenedDoors {
  /** What is served over HTTP, `GET /hub/session`. */
  readonly routes: readonly string[];
}

/** Starts the Hub as well: the first request finds it running. */
export async function startDoors(
  start: Start,
  ports: ServedPorts,
  opened: OpenedStore,
  { hub, role, limiter, metrics, audit, webhooks }: OpenedHub,
): Promise<OpenedDoors> {
  const { config, log, parts } = start;
  const { listener, publicUrl, hubUrl } = ports;
  const { tokens } = role.authorization;
  const telemetry = await startTelemetry(start, opened.store.nodeId);
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
    stop: async (served) => {
      await served.app.close();
      await listener.close();
    },
  });
  const sockets = await parts.start({
    name: 'WebSockets',
    start: () => new Sockets({ hub, clock: systemClock, pingMs: config.pingSeconds * 1000 }),
    stop: (served) => served.end(),
  });
  const room = new ConnectionRoom(ownDescriptors(), () => listener.connections, log);
  listener.limit(room.forAll);

  metrics.tellOf(hub);
  if (audit) metrics.tellOfAudit(audit);
  if (ports.certificateEnds) metrics.tellOfCertificate(ports.certificateEnds);
  metrics.tellSkew(() => opened.store.time.skew());
  metrics.tellOfConnections(room);

  const health = { draining: false };
  const ofHealth = healthRoutes({
    store: opened.store,
    health,
    warnings: () => [...opened.watch.problems, ...room.problems],
  });
  const ofMetrics = metricsRoute(metrics);
  await app.register(ofHealth);
  // Numbers about a hospital's work are not for everybody: elsewhere than on loopback they are served on a port of their own.
  if (isLocal(config) && config.managementPort === undefined) await app.register(ofMetrics);
  await parts.start({
    name: 'health and metrics on the management port',
    start: () => ports.management && openManagement(ports.management, log, [ofHealth, ofMetrics]),
    stop: (served) => served?.close(),
  });

  const capabilities = { webhooks, version: PROFILES[config.profile].name };
  const { auditPatients } = config;
  await app.register(hubRoutes({ hub, hubUrl, tokens, ...capabilities, auditPatients }), { prefix: '/hub' });
  const announce = await openAdministration(app, {
    ...administered(config, ports),
    appsAndUsers: await role.addRoutes(app),
    ...(opened.store.backup && { backup: opened.store.backup }),
  });
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
      await opened.atStart.do('The announcement to commands on this machine', async () => {
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
  return { routes };
}

function startTelemetry({ config, parts }: Start, node: string): Promise<Telemetry | undefined> {
  const { otlpUrl: url } = config;
  return parts.start({
    name: 'telemetry',
    start: () => (url === undefined ? undefined : openTelemetry({ url, version: VERSION, node })),
    stop: (opened) => opened?.close(),
  });
}

/** What commands on this machine need to know of the server. */
function administered({ data, host, tlsCert }: Config, { listener, publicUrl }: ServedPorts) {
  const certificate = tlsCert !== undefined && { certificateFile: tlsCert };
  return { data, host, port: listener.port, publicUrl, version: VERSION, ...certificate };
}
