/** The administration interface of commands on the same machine: `/api/admin/…`, with the token of the data folder's file. */
import { hash, timingSafeEqual } from 'node:crypto';
import { isAbsolute } from 'node:path';
import { bearerToken } from '@lockstep/fhircast';
import { type AuthorizationServer, OAuthError, type SessionDirectory } from '@lockstep/smart';
import type { BackupReport } from '@lockstep/store-sqlite';
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify';
import { type Administration, readUser } from '../admin/administration.ts';
import { describeRequest } from '../audit/request-audit.ts';
import { type Launcher, readLaunchForm } from '../launch/launcher.ts';
import { COMMAND_LINE_CLIENT, COMMAND_LINE_SCOPE } from '../own-apps.ts';
import { answerOAuthErrors, jsonBody, optionalText, requiredText } from './json-bodies.ts';

export interface AdminRouteOptions {
  readonly token: string;
  /** What the server says about itself. */
  readonly about: Readonly<Record<string, unknown>>;
  /** Copies the database into a new file; absent where the state is on Redis. */
  readonly backup?: (path: string) => Promise<BackupReport>;
  /** Absent where there are neither apps nor users. */
  readonly appsAndUsers?: AppsAndUsers | undefined;
}

/** What administers apps and users, and acts for them. */
export interface AppsAndUsers {
  readonly administration: Administration;
  readonly authorization: AuthorizationServer;
  readonly sessions: SessionDirectory;
  readonly launcher: Launcher;
}

/** Life of a token that a command gets, s. */
const TOKEN_LIFE = 3600;

function sameToken(a: string, b: string): boolean {
  return timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'));
}

export function adminRoutes(options: AdminRouteOptions): FastifyPluginAsync {
  const { backup, appsAndUsers } = options;

  async function authenticate({ headers }: FastifyRequest): Promise<void> {
    // It is for this machine: what a browser or a proxy sends on is not (defence in depth, the token decides).
    const forwarded = ['origin', 'forwarded', 'x-forwarded-for'].some((name) => headers[name] !== undefined);
    const bearer = bearerToken(headers.authorization);
    if (forwarded || bearer === undefined || !sameToken(bearer, options.token)) {
      throw new OAuthError('invalid_token', "the administration token of the server's data folder is required", 401);
    }
    describeRequest({ clientId: COMMAND_LINE_CLIENT });
  }

  return async (app) => {
    answerOAuthErrors(app);
    app.addHook('onRequest', authenticate);
    app.addHook('onRequest', async (_, reply) => {
      reply.header('cache-control', 'no-store');
    });

    app.get('/server', async () => options.about);
    app.post('/backup', async (request, reply) => {
      const path = requiredText(jsonBody(request), 'path', 4096);
      if (!backup) throw new OAuthError('invalid_request', 'the state is on Redis: copy it by the means of Redis', 409);
      if (!isAbsolute(path)) throw new OAuthError('invalid_request', 'path: must be absolute');
      try {
        return await reply.code(201).send(await backup(path));
      } catch (error) {
        if (error instanceof RangeError)
          throw new OAuthError('invalid_request', `no copy was made: ${error.message}`, 409);
        throw error;
      }
    });
    if (appsAndUsers) appAndUserRoutes(app, appsAndUsers);
  };
}

function appAndUserRoutes(
  app: FastifyInstance,
  { administration, authorization, sessions, launcher }: AppsAndUsers,
): void {
  app.get('/apps', (request) => {
    const { after } = request.query as { readonly after?: unknown };
    return administration.apps(typeof after === 'string' && after !== '' ? after : undefined);
  });
  app.post('/apps', async (request, reply) => {
    return reply.code(201).send(await administration.registerApp(jsonBody(request)));
  });
  app.post<{ Params: { id: string } }>('/apps/:id/topic-secret', (request) =>
    administration.topicSecret(request.params.id),
  );
  app.get('/users', () => administration.users());
  app.post('/users', async (request, reply) => {
    const user = await administration.addUser(readUser(jsonBody(request)));
    return reply.code(201).send(user);
  });
  app.post('/keys/rotate', () => administration.rotateKeys());

  /** A token that sees every session: for the commands that listen and publish. */
  app.post('/token', async (request) => {
    const scope = optionalText(jsonBody(request), 'scope', 2000) ?? COMMAND_LINE_SCOPE;
    const { token, expiresAt } = await authorization.serverToken(COMMAND_LINE_CLIENT, { scope, life: TOKEN_LIFE });
    return { access_token: token, token_type: 'Bearer', expires_at: expiresAt, scope };
  });

  app.post<{ Params: { id: string } }>('/apps/:id/launch', async (request, reply) => {
    const body = jsonBody(request);
    const client = await authorization.clients.get(request.params.id);
    if (!client) throw new OAuthError('invalid_request', 'there is no such app', 404);
    const user = await authorization.users.resolve(requiredText(body, 'user'));
    if (!user) throw new OAuthError('invalid_request', 'user: there is no such user');
    const topic = optionalText(body, 'topic');
    const form = readLaunchForm(optionalText(body, 'form'));
    if (topic !== undefined && !(await sessions.belongsTo(topic, user.reference))) {
      throw new OAuthError('invalid_request', 'topic: the user has no such session');
    }
    const session = topic ?? (await sessions.ofUser(user.reference)).at(-1)?.topic;
    const into = session ?? (await sessions.open({ user: user.reference, aliases: [user.id, ...user.aliases] })).topic;
    return reply.code(201).send(await launcher.launch(client, user, into, {}, form));
  });
}
