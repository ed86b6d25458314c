/** Registered apps, for administrators. */
import type { App, AppDetails, ReadManifest, RegisteredApp } from '@lockstep/console/wire';
import { Scopes } from '@lockstep/fhircast';
import {
  type AuthorizationServer,
  type Client,
  groupScopes,
  OAuthError,
  readManifest,
  revisionOf,
  scopeWords,
  toMetadata,
} from '@lockstep/smart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AppHealthCounts } from '../app-health.ts';
import type { TopicSecrets } from '../launch/topic-secrets.ts';
import { chosenId, isNoApp } from '../own-apps.ts';
import { audit, type ById, bodyOf, ConsoleError, type PersonOf } from './console-request.ts';

/** An app as everybody sees it. */
export function appView(client: Client): App {
  return {
    id: client.id,
    name: client.name,
    ...(client.description && { description: client.description }),
    ...(client.category && { category: client.category }),
    ...(client.logoUri && { logo: client.logoUri }),
    ...(client.launchUrl && { launchUrl: client.launchUrl }),
    launchKinds: client.launchKinds,
    status: client.status,
    ...(client.lastLaunchAt && { lastLaunchAt: client.lastLaunchAt }),
  };
}

/** The app, unless it is the server's own. @throws ConsoleError */
export async function clientOf({ clients }: Pick<AuthorizationServer, 'clients'>, id: string): Promise<Client> {
  const client = await clients.get(id);
  if (!client || isNoApp(client)) throw new ConsoleError(404, 'There is no such app.');
  return client;
}

export interface ConsoleAppParts {
  readonly health: Pick<AppHealthCounts, 'read' | 'forget'>;
  readonly authorization: AuthorizationServer;
  readonly secrets: TopicSecrets;
  readonly personOf: PersonOf;
}

/** An app that says nothing yet. */
const BLANK: Client = {
  id: '',
  name: '',
  authMethod: 'none',
  redirectUris: [],
  grantTypes: [],
  scope: '',
  launchKinds: [],
  origins: [],
  resourceServer: false,
  trusted: false,
  switches: {},
  status: 'waiting',
  registeredAt: 0,
};

export function consoleAppRoutes(
  app: FastifyInstance,
  { authorization, secrets, personOf, health }: ConsoleAppParts,
): void {
  const { clients, users } = authorization;

  function note(request: FastifyRequest, action: string, clientId: string): void {
    audit(request, { action, user: personOf(request).user.id, clientId });
  }

  async function details(client: Client): Promise<AppDetails> {
    const [tokens, doing] = await Promise.all([authorization.liveTokens(client.id), health.read(client.id)]);
    return {
      ...appView(client),
      metadata: { ...toMetadata(client), trusted: client.trusted, ...(client.launcher && { launcher: true }) },
      trusted: client.trusted,
      launcher: client.launcher === true,
      revision: revisionOf(client),
      hasSecret: client.secretDigest !== undefined,
      registeredAt: client.registeredAt,
      health: doing,
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

  app.get<ById>('/apps/:id', async (request) => details(await clientOf(authorization, request.params.id)));

  /** What registering with a manifest would make, so that every way of registering reads it alike (REG-1). */
  app.post('/manifest', async (request): Promise<ReadManifest> => {
    const { text } = bodyOf(request);
    if (typeof text !== 'string') throw new ConsoleError(400, 'text: send the manifest as a string.');
    const metadata = readManifest(text);
    try {
      const {
        client_id: _,
        client_id_issued_at: __,
        status: ___,
        ...read
      } = toMetadata(clients.edited(BLANK, metadata));
      return { metadata: read };
    } catch (error) {
      if (error instanceof OAuthError) return { metadata, problem: error.message };
      throw error;
    }
  });

  app.post('/apps', async (request, reply) => {
    const { trusted, launcher, client_id: chosen, ...metadata } = bodyOf(request);
    const { client, secret } = await clients.add(metadata, {
      ...chosenId(chosen),
      status: 'active',
      trusted: trusted === true,
      launcher: launcher === true,
    });
    const topicSecret = client.launchKinds.includes('derived') ? await secrets.renew(client.id) : undefined;
    note(request, 'app.add', client.id);
    const registered: RegisteredApp = {
      ...(await details(client)),
      ...(secret !== undefined && { secret }),
      ...(topicSecret !== undefined && { topicSecret }),
    };
    return reply.code(201).send(registered);
  });

  app.put<ById>('/apps/:id', async (request) => {
    const { id } = await clientOf(authorization, request.params.id);
    const { trusted, launcher, ...metadata } = bodyOf(request);
    const decided = { trusted: trusted === true, launcher: launcher === true };
    if (!(await clients.edit(id, metadata, decided))) throw new ConsoleError(404, 'There is no such app.');
    note(request, 'app.edit', id);
    return details(await clientOf(authorization, id));
  });

  app.post<ById>('/apps/:id/suspend', async (request) => {
    const { id } = await clientOf(authorization, request.params.id);
    await clients.suspend(id);
    note(request, 'app.suspend', id);
    return details(await clientOf(authorization, id));
  });

  /** Lets in what was shown: the body carries the `revision` of the details that were looked at (REG-6). */
  app.post<ById>('/apps/:id/activate', async (request) => {
    const { id } = await clientOf(authorization, request.params.id);
    const { revision } = bodyOf(request);
    if (typeof revision !== 'string') throw new ConsoleError(400, 'revision: send that of the app as it was shown.');
    await clients.activate(id, revision);
    note(request, 'app.activate', id);
    return details(await clientOf(authorization, id));
  });

  app.post<ById>('/apps/:id/secret', async (request) => {
    const { id } = await clientOf(authorization, request.params.id);
    const secret = await clients.rotateSecret(id);
    if (secret === undefined) throw new ConsoleError(409, 'The app has no secret.');
    note(request, 'app.secret', id);
    return { secret };
  });

  /** A new secret for derived topics; the old one is void at once (LAU-2). */
  app.post<ById>('/apps/:id/topic-secret', async (request) => {
    const { id, launchKinds } = await clientOf(authorization, request.params.id);
    if (!launchKinds.includes('derived')) throw new ConsoleError(409, 'The app does not derive topics.');
    note(request, 'app.topic-secret', id);
    return { topicSecret: await secrets.renew(id) };
  });

  app.delete<ById>('/apps/:id', async (request, reply) => {
    const { id } = await clientOf(authorization, request.params.id);
    await clients.delete(id);
    await health.forget(id);
    note(request, 'app.delete', id);
    return reply.code(204).send();
  });

  app.delete<ById>('/apps/:id/tokens', async (request, reply) => {
    const { id } = await clientOf(authorization, request.params.id);
    await authorization.revokeAllOf(id);
    return reply.code(204).send();
  });

  app.delete<{ Params: { id: string; tokenId: string } }>('/apps/:id/tokens/:tokenId', async (request, reply) => {
    const { id, tokenId } = request.params;
    await clientOf(authorization, id);
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
