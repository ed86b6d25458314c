import { files as consoleFiles } from '@lockstep/console';
import { canEverOpen, createFhir, sampleImage } from '@lockstep/fhir';
import { AuthorizationAddresses, type AuthorizationServerOptions, createAuthorizationServer } from '@lockstep/smart';
import type { FastifyRequest } from 'fastify';
import { createAdministration } from '../admin/administration.ts';
import { fhirAudit, smartAudit } from '../audit/open-audit.ts';
import { brandOf } from '../brand.ts';
import { guardedFetch } from '../callbacks/guarded-fetch.ts';
import { FirstAdministrator } from '../first-administrator.ts';
import { ConsoleLive } from '../http/console-live.ts';
import { consoleRoutes } from '../http/console-routes.ts';
import { senderAddress } from '../http/request-address.ts';
import { simulationRoutes } from '../http/simulation.ts';
import { staticRoutes } from '../http/static.ts';
import { openLaunches } from '../launch/open-launches.ts';
import { allowsR5, conformanceSpecs } from '../open-hub.ts';
import { openUpstream } from '../open-upstream.ts';
import { outsideOptions } from '../outside-sign-in.ts';
import { registerOwnApps, SAMPLES } from '../own-apps.ts';
import { patientDirectory } from '../patient-directory.ts';
import { sessionDirectory } from '../session-directory.ts';
import { SessionList } from '../session-list.ts';
import { SharedViews } from '../shared-views.ts';
import { LaunchContexts } from '../simulation/contexts.ts';
import { SimulatedPeople } from '../simulation/person.ts';
import { SocketFaults } from '../simulation/socket-faults.ts';
import { removeSimulatedClients, StandIns } from '../simulation/stand-ins.ts';
import { systemClock, systemIds } from '../system.ts';
import type { Role, RoleParts } from './role.ts';

/** AuthorizationAddresses that the console's own script routes. */
const CONSOLE_ROUTES = [
  '',
  'apps',
  'apps/*',
  'patients/*',
  'worklist',
  'guests',
  'join/*',
  'sessions',
  'sessions/*',
  'launch',
  'users',
  'users/*',
  'conformance',
];

/** The Hub with an authorization server, a FHIR endpoint, the console and, on loopback, samples. */
export async function openEverything(given: RoleParts): Promise<Role> {
  const { config, version, publicUrl, hubUrl, local, issuers, parts, store, atStart, hub, inspector, audit, failed } =
    given;
  const { records } = store;
  const now = (): number => systemClock.now();
  const addresses = new AuthorizationAddresses(publicUrl);
  const outside = outsideOptions(config);
  const brand = brandOf(config, given.validator);
  const upstream = await parts.start({
    name: 'FHIR server behind Lockstep',
    start: () => openUpstream(config),
    stop: (opened) => opened?.close(),
  });
  const keySets = await parts.start({
    name: 'key sets of clients',
    start: () => guardedFetch(given.policy),
    stop: (opened) => opened.close(),
  });
  const endpoint = {
    records,
    validator: given.validator,
    r5: allowsR5(config),
    clock: systemClock,
    baseUrl: addresses.fhir,
    hubUrl,
    version,
    // The door has verified it.
    tokenOf: ({ caller }: FastifyRequest) => caller,
    smart: () => addresses,
    ...(config.sampleData && { images: sampleImage }),
    ...(audit && { audit: fhirAudit(audit) }),
  };
  const gateway = upstream && (await import('@lockstep/gateway'));
  const fhir = gateway
    ? await gateway.createGateway({ ...endpoint, upstream })
    : await createFhir({ ...endpoint, ids: () => systemIds.uuid() });
  if (config.sampleData) await atStart.do('Sample data', () => fhir.service.seedSampleData());
  const sessions = sessionDirectory(hub);
  const patients = patientDirectory(fhir.service);
  const authorizationOptions: AuthorizationServerOptions = {
    records,
    clock: systemClock,
    publicUrl,
    hubUrl,
    canEverOpen: (scope) => (gateway?.canEverOpenBehind ?? canEverOpen)(scope, addresses.fhir),
    loopback: local,
    ...(issuers.length > 0 && { trustedIssuers: issuers }),
    ...(brand && { brand }),
    fetchKeys: keySets.fetch,
    keyHostAllowed: (host) => given.policy.allowsHost(host),
    ...(config.initialAccessToken && { initialAccessToken: config.initialAccessToken }),
    strangersRegister: config.registration === 'open',
    sessions,
    patients,
    sampleUsers: config.sampleData,
    isTokenEndpoint: (address) => local && config.sampleData && address.startsWith(`${publicUrl}/simulate/`),
    ...(outside && { outside }),
    rateLimit: given.limiter,
    refreshGrace: config.refreshGraceSeconds,
    maxTokenLife: config.maxTokenSeconds,
    launchTokenLife: config.launchTokenSeconds,
    dpopNonce: config.dpopNonce,
    logger: given.log,
    audit: smartAudit(audit),
  };
  const authorization = await atStart.first(() => createAuthorizationServer(authorizationOptions));
  await atStart.do("The registration of the server's own applications", () =>
    registerOwnApps(authorization.clients, { records, publicUrl, samples: config.sampleData, now: now() }),
  );
  // Where others reach the server, no failure is simulated, and no one is launched as another person.
  const simulation = local &&
    config.sampleData && {
      standIns: new StandIns({ publicUrl, authorization, now }),
      people: new SimulatedPeople({ users: authorization.users, patients }),
      contexts: new LaunchContexts({ hub, patients }),
    };
  if (!simulation) {
    await atStart.do('The removal of simulated clients', () => removeSimulatedClients(authorization.clients));
  }
  const socketFaults = new SocketFaults(publicUrl);
  const administrator = new FirstAdministrator(records, authorization.users, now);
  // Where there is no sign-in by password, a one-time password opens nothing.
  const withoutFirst = (local && config.sampleData) || outside?.passwords === false;
  const firstAdministrator = withoutFirst ? undefined : await atStart.first(() => administrator.create());
  const views = await parts.start({
    name: 'views of the console',
    start: () =>
      new SharedViews({
        inspector,
        hub,
        sessions: store.sessions,
        nodeId: store.nodeId,
        clock: systemClock,
        ...(given.nodes && { nodes: given.nodes }),
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
        clock: systemClock,
        nameOf: async (user) => (await authorization.users.resolve(user))?.name,
      }),
    stop: (opened) => opened.close(),
  });
  return {
    authorization,
    ...(firstAdministrator && { firstAdministrator }),
    async addRoutes(app) {
      await app.register(authorization.plugin);
      await app.register(fhir.plugin, { prefix: '/fhir' });
      const launching = openLaunches({ records, clock: systemClock, hub, hubUrl, authorization, data: config.data });
      await app.register(launching.plugin, { prefix: '/hub' });
      const { launcher, secrets } = launching;
      await app.register(
        consoleRoutes({
          hub,
          hubUrl,
          publicUrl,
          authorization,
          views,
          list,
          administrator,
          launcher,
          secrets,
          health: given.health,
          records,
          specs: conformanceSpecs(config),
          now,
          simulation: simulation || undefined,
        }),
        { prefix: '/api/console' },
      );
      if (simulation) {
        const simulated = { publicUrl, hub, authorization, inspector, clock: systemClock, ...simulation, socketFaults };
        await app.register(simulationRoutes(simulated), { prefix: '/simulate' });
      }
      const pages = [
        { path: '/', files: consoleFiles, routes: CONSOLE_ROUTES, frames: true, framed: false },
        ...SAMPLES.map(({ path, files }) => ({ path, files, routes: [''], frames: false, framed: true })),
      ];
      await app.register(staticRoutes(pages, publicUrl, local && config.publicUrl === undefined));
      const administration = createAdministration(authorization, secrets);
      return { administration, authorization, sessions, launcher };
    },
    async open() {
      const live = await parts.start({
        name: 'live views of the console',
        start: () =>
          new ConsoleLive({
            ...{ hub, views, authorization, administrator, audit, origin: addresses.origin, clock: systemClock },
            addressOf: senderAddress(config.trustedProxies),
          }),
        stop: (opened) => opened.close(),
      });
      await parts.start({
        name: 'sockets of simulated launches',
        start: () => undefined,
        stop: () => socketFaults.end(),
      });
      return (request, socket, head) =>
        live.upgrade(request, socket, head) || (simulation !== false && socketFaults.upgrade(request, socket, head));
    },
  };
}
