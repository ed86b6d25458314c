/** What the console asks of the server, as JSON: for the person signed in, and some of it for administrators only. */
import { Scopes } from '@lockstep/fhircast';
import type { Access, Hub } from '@lockstep/hub';
import {
  type AuthorizationServer,
  type Client,
  groupScopes,
  InvalidUser,
  OAuthError,
  type SignedIn,
  scopeWords,
  toMetadata,
} from '@lockstep/smart';
import type { LogEntry } from '@lockstep/store';
import type { FastifyError, FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { FirstAdministrator } from '../first-administrator.ts';
import { type Inspector, toTimeline } from '../inspector.ts';
import { type Launcher, readLaunchForm } from '../launch/launcher.ts';
import { CONSOLE_CLIENT, CONSOLE_SCOPE, OWN_CLIENTS } from '../own-apps.ts';
import { anchorViews, type SessionDetail, sessionView } from './console-sessions.ts';

export interface ConsoleOptions {
  readonly hub: Hub;
  readonly hubUrl: string;
  readonly fhirUrl: string;
  readonly origin: string;
  readonly authorization: AuthorizationServer;
  readonly inspector: Inspector;
  readonly administrator: FirstAdministrator;
  readonly launcher: Launcher;
  readonly now: () => number;
}

/** s. */
const TOKEN_LIFE = 3600;

/** A request of the console that is refused. */
class ConsoleError extends Error {
  override readonly name = 'ConsoleError';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

type Body = Readonly<Record<string, unknown>>;
type ById = { Params: { id: string } };
type ByTopic = { Params: { topic: string } };

function bodyOf(request: FastifyRequest): Body {
  const { body } = request;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ConsoleError(400, 'Send a JSON object.');
  }
  return body as Body;
}

/** An app as everybody sees it. */
function appView(client: Client): Record<string, unknown> {
  return {
    id: client.id,
    name: client.name,
    ...(client.description && { description: client.description }),
    ...(client.logoUri && { logo: client.logoUri }),
    ...(client.launchUrl && { launchUrl: client.launchUrl }),
    launchKinds: client.launchKinds,
    status: client.status,
    ...(client.lastLaunchAt && { lastLaunchAt: client.lastLaunchAt }),
  };
}

/** A log entry's own line of facts, and the event as it went out. */
function logView({ number, at, body }: LogEntry): { number: number; at: number; message: unknown } {
  return { number, at, message: JSON.parse(body.slice(body.indexOf('\n') + 1)) as unknown };
}

export function consoleRoutes(options: ConsoleOptions): FastifyPluginAsync {
  const { hub, hubUrl, fhirUrl, origin, authorization, inspector, administrator, launcher, now } = options;
  const { clients, users } = authorization;
  const people = new WeakMap<FastifyRequest, SignedIn>();

  /** The person signed in; calls that change something carry the sign-in's CSRF value (CWE-352). */
  async function authenticate(request: FastifyRequest): Promise<void> {
    const signedIn = await authorization.signedIn(request);
    if (!signedIn) throw new ConsoleError(401, 'You are not signed in.');
    if (request.method !== 'GET') {
      const { origin: from, 'x-csrf-token': csrf } = request.headers;
      if (from !== undefined && from !== origin) throw new ConsoleError(403, 'The request came from another site.');
      if (csrf !== signedIn.csrf) throw new ConsoleError(403, 'The x-csrf-token header is missing or wrong.');
    }
    people.set(request, signedIn);
  }

  const personOf = (request: FastifyRequest): SignedIn => people.get(request)!;

  async function requireAdministrator(request: FastifyRequest): Promise<void> {
    const { user } = personOf(request);
    if (!user.administrator) throw new ConsoleError(403, 'This is for administrators.');
    if (administrator.mustChoose(user.id)) throw new ConsoleError(403, 'Choose a password of your own first.');
  }

  async function clientOf(id: string): Promise<Client> {
    const client = await clients.get(id);
    if (!client || OWN_CLIENTS.has(client.id)) throw new ConsoleError(404, 'There is no such app.');
    return client;
  }

  async function inspect(topic: string) {
    const found = await hub.inspect(topic);
    if (!found) throw new ConsoleError(404, 'There is no such session.');
    return found;
  }

  /** The sign-in's session; one that has ended meanwhile begins anew under its topic. */
  async function ownSession({ user, topic, workstation }: SignedIn) {
    const found = await hub.inspect(topic);
    if (found) return found;
    const session = { user: user.reference, aliases: [user.id, ...user.aliases], topic };
    await hub.openSession({ ...session, ...(workstation && { workstation }) });
    return inspect(topic);
  }

  function forEverybody(app: FastifyInstance): void {
    app.get('/me', async (request) => {
      const { user } = personOf(request);
      return { mustChoosePassword: administrator.mustChoose(user.id) };
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
        fhir: fhirUrl,
      };
    });

    app.get('/session', async (request) => sessionView(await ownSession(personOf(request)), { users, clients }));

    app.get('/apps', async (request) => {
      const { administrator: all } = personOf(request).user;
      const list = (await clients.list()).filter(
        ({ id, status }) => !OWN_CLIENTS.has(id) && (all || status === 'active'),
      );
      return list.map(appView);
    });

    /** Starts an app for the person, in the session of the sign-in, in the way the app was made for (LAU-1). */
    app.post<ById>('/apps/:id/launch', async (request, reply) => {
      const { user, topic } = personOf(request);
      const client = await clientOf(request.params.id);
      const form = readLaunchForm(bodyOf(request).form);
      await ownSession(personOf(request));
      const launched = await launcher.launch(client, user, topic, form);
      // Where the server keeps its files is not everybody's business.
      return reply.code(201).send(launched.form === 'file' ? { form: launched.form, file: launched.file } : launched);
    });

    app.post('/password', async (request, reply) => {
      const { user } = personOf(request);
      const { before, after } = bodyOf(request);
      if (typeof before !== 'string' || !(await users.checkPassword(user.id, before))) {
        throw new ConsoleError(400, 'before: the password you have now is another.');
      }
      if (typeof after !== 'string' || after === before) {
        throw new ConsoleError(400, 'after: choose a password you have not had.');
      }
      await users.edit(user.id, { password: after });
      await administrator.chosen(user.id);
      return reply.code(204).send();
    });
  }

  function appRoutes(app: FastifyInstance): void {
    async function details(client: Client): Promise<Record<string, unknown>> {
      const tokens = await authorization.liveTokens(client.id);
      return {
        ...appView(client),
        metadata: { ...toMetadata(client), trusted: client.trusted },
        trusted: client.trusted,
        hasSecret: client.secretDigest !== undefined,
        registeredAt: client.registeredAt,
        scopes: groupScopes(new Scopes(client.scope).list).map(({ title, entries }) => ({
          title,
          entries: entries.map(({ scope, words }) => ({ scope: scope.text, words })),
        })),
        tokens: await Promise.all(
          tokens.map(async (token) => {
            const person = token.user === undefined ? undefined : await users.resolve(token.user);
            return { ...token, ...(person && { userName: person.name }) };
          }),
        ),
      };
    }

    app.get<ById>('/apps/:id', async (request) => details(await clientOf(request.params.id)));

    app.post('/apps', async (request, reply) => {
      const { trusted, ...metadata } = bodyOf(request);
      const { client, secret } = await clients.add(metadata, { status: 'active', trusted: trusted === true });
      return reply.code(201).send({ ...(await details(client)), ...(secret && { secret }) });
    });

    app.put<ById>('/apps/:id', async (request) => {
      const { id } = await clientOf(request.params.id);
      const { trusted, ...metadata } = bodyOf(request);
      const edited = await clients.edit(id, metadata);
      if (!edited) throw new ConsoleError(404, 'There is no such app.');
      await clients.patch(id, { trusted: trusted === true });
      return details(await clientOf(id));
    });

    app.post<ById>('/apps/:id/suspend', async (request) => {
      const { id } = await clientOf(request.params.id);
      await clients.suspend(id);
      return details(await clientOf(id));
    });

    app.post<ById>('/apps/:id/activate', async (request) => {
      const { id } = await clientOf(request.params.id);
      await clients.activate(id);
      return details(await clientOf(id));
    });

    app.post<ById>('/apps/:id/secret', async (request) => {
      const { id } = await clientOf(request.params.id);
      const secret = await clients.rotateSecret(id);
      if (secret === undefined) throw new ConsoleError(409, 'The app has no secret.');
      return { secret };
    });

    app.delete<ById>('/apps/:id', async (request, reply) => {
      const { id } = await clientOf(request.params.id);
      await clients.delete(id);
      return reply.code(204).send();
    });

    app.delete<ById>('/apps/:id/tokens', async (request, reply) => {
      const { id } = await clientOf(request.params.id);
      for (const { tokenId } of await authorization.liveTokens(id)) await authorization.revokeToken(tokenId);
      return reply.code(204).send();
    });

    app.delete<{ Params: { id: string; tokenId: string } }>('/apps/:id/tokens/:tokenId', async (request, reply) => {
      const { id, tokenId } = request.params;
      await clientOf(id);
      const mine = (await authorization.liveTokens(id)).some((token) => token.tokenId === tokenId);
      if (!mine || !(await authorization.revokeToken(tokenId))) throw new ConsoleError(404, 'There is no such token.');
      return reply.code(204).send();
    });

    /** What scopes mean, in the words of the consent page. */
    app.post('/scopes', async (request) => {
      const { scope } = bodyOf(request);
      const { list } = new Scopes(typeof scope === 'string' ? scope.slice(0, 5000) : '');
      return list.map((one) => ({ scope: one.text, words: scopeWords(one) }));
    });
  }

  function sessionRoutes(app: FastifyInstance): void {
    app.get('/sessions', async () => {
      const listed = await Promise.all((await hub.sessions()).map(({ topic }) => hub.inspect(topic)));
      const views = listed.flatMap((one) => (one ? [sessionView(one, { users, clients })] : []));
      return Promise.all(views);
    });

    app.get<ByTopic>('/sessions/:topic', async (request): Promise<SessionDetail> => {
      const found = await inspect(request.params.topic);
      return { ...(await sessionView(found, { users, clients })), anchors: anchorViews(found.state) };
    });

    app.get<ByTopic>('/sessions/:topic/timeline', async (request) => {
      await inspect(request.params.topic);
      return inspector.recent(request.params.topic).map(toTimeline);
    });

    app.get<ByTopic & { Querystring: { after?: string } }>('/sessions/:topic/log', async (request) => {
      const { topic } = request.params;
      const { state } = await inspect(topic);
      const after = Number(request.query.after ?? 0);
      if (!Number.isSafeInteger(after) || after < 0) throw new ConsoleError(400, 'after must be a whole number.');
      return (await heldLog(topic, after, state.nextNumber)).map(logView);
    });

    /** The log from a number on, or from the first entry that is still held. */
    async function heldLog(topic: string, after: number, next: number): Promise<readonly LogEntry[]> {
      if (after + 1 >= next) return [];
      const asked = await hub.log(topic, after);
      if (asked.length > 0) return asked;
      // The oldest entries are gone; where the held ones begin is found by halving.
      let [missing, held] = [after, next - 1];
      let found: readonly LogEntry[] = [];
      while (held - missing > 1) {
        const middle = Math.floor((held + missing) / 2);
        const entries = await hub.log(topic, middle);
        if (entries.length > 0) {
          found = entries;
          held = middle;
        } else missing = middle;
      }
      return found;
    }

    /** Everything that is known of a session, one JSON object a line, in the order it happened. */
    app.get<ByTopic>('/sessions/:topic/export', async (request, reply) => {
      const { topic } = request.params;
      const { state } = await inspect(topic);
      const log = (await heldLog(topic, 0, state.nextNumber)).map((entry) => ({ type: 'event', ...logView(entry) }));
      const seen = inspector.recent(topic).map((entry) => ({ type: 'observation', ...toTimeline(entry) }));
      const lines = [...log, ...seen].sort((a, b) => a.at - b.at);
      return reply
        .type('application/x-ndjson; charset=utf-8')
        .header('content-disposition', `attachment; filename="session-${topic.slice(0, 8)}.jsonl"`)
        .send(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    });

    app.post<ByTopic>('/sessions/:topic/publish', async (request, reply) => {
      const { topic } = request.params;
      await inspect(topic);
      const answer = await hub.publish(composerAccess(personOf(request)), bodyOf(request), topic);
      if (!answer.ok) throw new ConsoleError(answer.status, answer.reason);
      return reply.code(202).send({ status: answer.value });
    });

    app.delete<ByTopic>('/sessions/:topic', async (request, reply) => {
      await inspect(request.params.topic);
      await hub.endSession(request.params.topic, 'An administrator ended the session');
      return reply.code(204).send();
    });
  }

  /** The composer publishes into any session, in the administrator's own name. */
  function composerAccess({ signInId, user }: SignedIn): Access {
    return {
      tokenId: `composer ${signInId}`,
      grantId: `composer ${signInId}`,
      clientId: CONSOLE_CLIENT,
      clientName: `Composer of ${user.name}`,
      scopes: new Scopes('fhircast/*.*'),
      expiresAt: now() + TOKEN_LIFE * 1000,
      userAliases: [],
      topics: [],
      sessions: 'all',
      switches: {},
    };
  }

  return async (app) => {
    app.addHook('onRequest', async (_, reply) => {
      reply.header('cache-control', 'no-store');
    });
    app.addHook('preHandler', authenticate);
    app.setErrorHandler((error: FastifyError, request, reply) => answerError(error, request, reply));
    forEverybody(app);
    await app.register(async (guarded) => {
      guarded.addHook('preHandler', requireAdministrator);
      appRoutes(guarded);
      sessionRoutes(guarded);
    });
  };
}

function answerError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof ConsoleError) return reply.code(error.status).send({ message: error.message });
  if (error instanceof OAuthError) return reply.code(error.status).send({ error: error.error, message: error.message });
  if (error instanceof InvalidUser) return reply.code(400).send({ message: error.message });
  const status = error.statusCode ?? (error.name === 'StoreUnavailable' ? 503 : 500);
  if (status < 500) return reply.code(status).send({ message: error.message });
  request.log.error({ err: error }, 'request of the console failed');
  return reply.code(status).send({ message: 'The server could not do this.' });
}
