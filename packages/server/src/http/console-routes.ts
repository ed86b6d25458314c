/** What the console asks of the server, as JSON: for the person signed in, and some of it for administrators only. */
import type { ConformanceSpec } from '@lockstep/console/wire';
import type { Hub } from '@lockstep/hub';
import { type AuthorizationServer, ENGLISH, type SignedIn } from '@lockstep/smart';
import type { RecordStore } from '@lockstep/store';
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { AppHealthCounts } from '../app-health.ts';
import { describeRequest } from '../audit/request-audit.ts';
import { ConformanceReports } from '../conformance-reports.ts';
import { ConformanceRuns } from '../conformance-runs.ts';
import type { FirstAdministrator } from '../first-administrator.ts';
import { type Launcher, readLaunchForm } from '../launch/launcher.ts';
import type { TopicSecrets } from '../launch/topic-secrets.ts';
import { CONSOLE_CLIENT, CONSOLE_SCOPE, isNoApp } from '../own-apps.ts';
import type { SessionList } from '../session-list.ts';
import type { SharedViews } from '../shared-views.ts';
import { appView, clientOf, consoleAppRoutes } from './console-apps.ts';
import { consoleConformanceRoutes } from './console-conformance.ts';

import { answerConsoleErrors, type ById, bodyOf, ConsoleError, pageAsked, tellNext } from './console-request.ts';

import { consoleSessionRoutes } from './console-session-routes.ts';
import { sessionView } from './console-sessions.ts';
import { consoleSimulationRoutes, type SimulationParts } from './console-simulation.ts';
import { consoleUserRoutes } from './console-users.ts';

export interface ConsoleOptions {
  readonly hub: Hub;
  readonly hubUrl: string;
  readonly publicUrl: string;
  readonly authorization: AuthorizationServer;
  readonly views: SharedViews;
  readonly list: SessionList;
  readonly administrator: FirstAdministrator;
  readonly launcher: Launcher;
  readonly secrets: TopicSecrets;
  readonly health: AppHealthCounts;
  readonly now: () => number;
  readonly records: RecordStore;
  /** What the Hub keeps, for the conformance suite. */
  readonly specs: readonly ConformanceSpec[];
  /** Undefined where launches are not simulated. */
  readonly simulation: SimulationParts | undefined;
}

/** s. */
const TOKEN_LIFE = 3600;

export function consoleRoutes(options: ConsoleOptions): FastifyPluginAsync {
  const { hub, hubUrl, publicUrl, authorization, views, list, administrator, launcher, secrets, health, now } = options;
  const { clients, users } = authorization;
  const people = new WeakMap<FastifyRequest, SignedIn>();

  /** The person signed in; calls that change something carry the sign-in's CSRF value (CWE-352). */
  async function authenticate(request: FastifyRequest): Promise<void> {
    const signedIn = await authorization.signedIn(request);
    if (!signedIn) throw new ConsoleError(401, 'You are not signed in.');
    if (request.method !== 'GET') {
      const { origin: from, 'x-csrf-token': csrf } = request.headers;
      if (from !== undefined && from !== new URL(publicUrl).origin)
        throw new ConsoleError(403, 'The request came from another site.');
      if (csrf !== signedIn.csrf) throw new ConsoleError(403, 'The x-csrf-token header is missing or wrong.');
    }
    people.set(request, signedIn);
    describeRequest({ user: signedIn.user.reference, clientId: CONSOLE_CLIENT });
  }

  const personOf = (request: FastifyRequest): SignedIn => people.get(request)!;

  async function requireAdministrator(request: FastifyRequest): Promise<void> {
    const { user } = personOf(request);
    if (!user.administrator) throw new ConsoleError(403, 'This is for administrators.');
    if (await administrator.mustChoose(user.id)) throw new ConsoleError(403, 'Choose a password of your own first.');
  }

  /** The same check for requests whose body has come meanwhile. */
  function afterBody(check: (request: FastifyRequest) => Promise<void>): (request: FastifyRequest) => Promise<void> {
    return async (request) => {
      if (request.body !== undefined && request.body !== null) await check(request);
    };
  }

  /** The sign-in's session; one that has ended meanwhile begins again under its topic. */
  async function ownSession({ user, topic, workstation }: SignedIn) {
    const found = await hub.inspect(topic);
    if (found) return found;
    const session = { user: user.reference, aliases: [user.id, ...user.aliases], topic };
    await hub.openSession({ ...session, ...(workstation && { workstation }) });
    const opened = await hub.inspect(topic);
    if (!opened) throw new ConsoleError(409, 'The session has ended again.');
    return opened;
  }

  function forEverybody(app: FastifyInstance): void {
    app.get('/me', async (request) => {
      const { user } = personOf(request);
      return { mustChoosePassword: await administrator.mustChoose(user.id) };
    });

    /** A token for the EHR that the console is: it follows and publishes like any other application. */
    app.post('/token', async (request) => {
      const signedIn = personOf(request);
      await ownSession(signedIn);
      const { token, expiresAt } = await authorization.pageToken(CONSOLE_CLIENT, signedIn, {
        scope: CONSOLE_SCOPE,
        life: TOKEN_LIFE,
      });
      return {
        access_token: token,
        token_type: 'Bearer',
        expires_in: Math.floor((expiresAt - now()) / 1000),
        scope: CONSOLE_SCOPE,
        'hub.url': hubUrl,
        'hub.topic': signedIn.topic,
        fhir: `${publicUrl}/fhir`,
      };
    });

    app.get('/session', async (request) => sessionView(await ownSession(personOf(request)), { authorization, views }));

    /** A page of the apps; `Link` leads to the next one (REG-6). */
    app.get('/apps', async (request, reply) => {
      const { administrator: all } = personOf(request).user;
      const asked = pageAsked(request);
      const { clients: page, next } = await clients.page(asked);
      tellNext(reply, '/api/console/apps', next, asked.limit);
      return page.filter((client) => !isNoApp(client) && (all || client.status === 'active')).map(appView);
    });

    /** Whether an app that was launched has come for its authorization, so that the EHR can say when it has not. */
    app.get<{ Params: { launch: string } }>('/launches/:launch', async (request) => {
      return { asked: await authorization.launchAsked(request.params.launch) };
    });

    /** Starts an app for the person, in the session of the sign-in, in the way the app was made for (LAU-1). */
    app.post<ById>('/apps/:id/launch', async (request, reply) => {
      const { user, topic, signInId } = personOf(request);
      const client = await clientOf(authorization, request.params.id);
      const form = readLaunchForm(bodyOf(request).form);
      await ownSession(personOf(request));
      const launched = await launcher.launch(client, user, topic, { signIn: signInId }, form);
      // Where the server keeps its files is not everybody's business.
      return reply.code(201).send(launched.form === 'file' ? { form: launched.form, file: launched.file } : launched);
    });

    app.post('/password', async (request, reply) => {
      const { user } = personOf(request);
      const { before, after } = bodyOf(request);
      if (typeof before !== 'string') throw new ConsoleError(400, 'before: send the password you have now.');
      const checked = await authorization.passwordDoor.confirm(request, reply, user, before);
      if ('problem' in checked) throw new ConsoleError(checked.status, `before: ${ENGLISH.say(checked.problem)}`);
      if (typeof after !== 'string' || after === before) {
        throw new ConsoleError(400, 'after: choose a password you have not had.');
      }
      await users.edit(user.id, { password: after });
      await administrator.chosen(user.id);
      await authorization.endOtherAccess(personOf(request), 'the user changed the password');
      return reply.code(204).send();
    });
  }

  return async (app) => {
    app.addHook('onRequest', async (_, reply) => {
      reply.header('cache-control', 'no-store');
    });
    app.addHook('onRequest', authenticate);
    // Who is signed out while the body is coming has not asked.
    app.addHook('preValidation', afterBody(authenticate));
    answerConsoleErrors(app);
    forEverybody(app);
    consoleSimulationRoutes(app, { publicUrl, authorization, personOf, simulation: options.simulation });
    await app.register(async (guarded) => {
      guarded.addHook('onRequest', requireAdministrator);
      guarded.addHook('preValidation', afterBody(requireAdministrator));
      consoleAppRoutes(guarded, { authorization, secrets, personOf, health });
      consoleSessionRoutes(guarded, { hub, authorization, views, list, now, personOf });
      consoleUserRoutes(guarded, { hub, authorization, personOf });
      const reports = new ConformanceReports(options.records, now);
      const runs = new ConformanceRuns(now, async (user, run, report) =>
        reports.keep(run.id, (await users.get(user))?.name ?? user, report),
      );
      consoleConformanceRoutes(guarded, { authorization, hubUrl, specs: options.specs, runs, reports, personOf });
    });
  };
}
