/** The web framework as Lockstep sets it up. */
import type { Hub } from '@lockstep/hub';
import type { TokenDoor } from '@lockstep/smart';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Registry } from 'prom-client';
import type { ServerAuditTrail } from '../audit/audit-trail.ts';
import { auditRequests } from '../audit/request-audit.ts';
import { type Config, isLocal } from '../config.ts';
import { answerBadAddress } from './bad-address.ts';
import { doorFinder } from './doors/door.ts';
import { DOORS } from './doors/doors.ts';
import { type GuardParts, guardDoors } from './doors/guard.ts';
import { EarlyRefusals } from './early-refusals.ts';
import { EventDoor } from './event-door.ts';
import { FrontDoor } from './front-door.ts';
import { answerOAuthErrors, parseJsonWithinLimits } from './json-bodies.ts';
import type { Listener } from './listener.ts';
import { cleanAddress, senderAddress } from './request-address.ts';
import { requestId } from './request-id.ts';
import { type CountRequest, countRequests } from './request-metrics.ts';

export interface HttpApp {
  readonly app: FastifyInstance;
  /** Every address that is served, `GET /hub/session`; grows as routes are added. */
  readonly routes: readonly string[];
}

export interface AppParts {
  readonly guard: Pick<GuardParts, 'limiter' | 'https'> & { readonly tokens: TokenDoor };
  readonly audit: ServerAuditTrail | undefined;
  readonly metrics: Registry;
  /** Called with each request that was answered. */
  readonly told?: CountRequest | undefined;
  readonly hub: Hub;
}

/** Makes the application that answers what the listener takes. It closes nothing of the listener's. */
export function createApp(config: Config, listener: Listener, log: FastifyBaseLogger, parts: AppParts): HttpApp {
  const app = Fastify({
    loggerInstance: log,
    // Only what went wrong is logged: a line a request costs more than the request.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: config.bodyLimit,
    // Anybody can write X-Forwarded-For; only what a proxy of ours has written counts.
    trustProxy: config.trustedProxies.length > 0 && [...config.trustedProxies],
    frameworkErrors: answerBadAddress(parts.guard.https),
    rewriteUrl: (request) => cleanAddress(request.url ?? '/'),
    genReqId: requestId,
    forceCloseConnections: 'idle',
    // Longer than Fastify expects: a topic that was derived from a user's name (LAU-2), and a simulated launch with keys of its client.
    routerOptions: { maxParamLength: 8192 },
    serverFactory: (handler) => listener.serve(handler),
  });
  const routes: string[] = [];
  app.addHook('onRoute', ({ method, path }) => {
    for (const one of [method].flat()) routes.push(`${one} ${path}`);
  });
  const { audit, guard, metrics, hub } = parts;
  if (audit) auditRequests(app, audit);
  const count = countRequests(app, metrics, parts.told);
  guardDoors(app, { doors: DOORS, ...guard, audit, local: isLocal(config) });
  parseJsonWithinLimits(app);
  answerOAuthErrors(app);
  const addressOf = senderAddress(config.trustedProxies);
  const refusals = new EarlyRefusals({ https: guard.https, count });
  const events = new EventDoor({ ...config, ...guard, hub, audit, count, refusals, addressOf, routes });
  app.addHook('preClose', async () => events.close());
  const doorOf = doorFinder(DOORS);
  const now = (): number => performance.now();
  const front = new FrontDoor({ ...guard, now, doorOf, addressOf, refusals, events, framework: listener.handler });
  listener.serve(front.handle);
  listener.readWhen((address, read, cut) => front.connect(address, read, cut));
  return { app, routes };
}
