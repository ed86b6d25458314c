/** Sessions of everybody, for administrators: what happens in them, and a composer that takes part. */
import type { LogLine, SessionDetail, SessionRowPage } from '@lockstep/console/wire';
import { Scopes } from '@lockstep/fhircast';
import type { Access, Hub } from '@lockstep/hub';
import type { AuthorizationServer, SignedIn } from '@lockstep/smart';
import type { LogEntry } from '@lockstep/store';
import type { FastifyInstance } from 'fastify';
import { composerClient } from '../own-apps.ts';
import type { SessionList } from '../session-list.ts';
import type { SharedViews } from '../shared-views.ts';
import { type ByTopic, bodyOf, ConsoleError, type PersonOf, pageAsked } from './console-request.ts';
import { anchorViews, sessionView } from './console-sessions.ts';

export interface ConsoleSessionParts {
  readonly hub: Hub;
  readonly authorization: AuthorizationServer;
  readonly views: SharedViews;
  readonly list: SessionList;
  readonly now: () => number;
  readonly personOf: PersonOf;
}

/** Life of what the composer may do, ms: a new one is made for every message. */
const COMPOSER_LIFE = 60_000;

/** A log entry's own line of facts, and the event as it went out. */
function logView({ number, at, body }: LogEntry): LogLine {
  return { number, at, message: JSON.parse(body.slice(body.indexOf('\n') + 1)) as LogLine['message'] };
}

export function consoleSessionRoutes(app: FastifyInstance, parts: ConsoleSessionParts): void {
  const { hub, authorization, views, list, now, personOf } = parts;

  async function inspect(topic: string) {
    const found = await hub.inspect(topic);
    if (!found) throw new ConsoleError(404, 'There is no such session.');
    return found;
  }

  /** `?search=…&offset=…&limit=…`: words that the user, the workstation or the patient is found by. */
  app.get('/sessions', async (request): Promise<SessionRowPage> => {
    const { search, offset = '0' } = request.query as { readonly search?: unknown; readonly offset?: unknown };
    if (typeof offset !== 'string' || !/^\d{1,9}$/.test(offset))
      throw new ConsoleError(400, 'offset must be a whole number.');
    const text = typeof search === 'string' ? search : '';
    const { sessions: page, ...counts } = await list.page(text, Number(offset), pageAsked(request).limit);
    const rows = page.map(async ({ topic, patient }) => {
      const found = await hub.inspect(topic);
      if (!found) return undefined;
      const view = await sessionView(found, { authorization, views });
      return { ...view, ...(patient !== undefined && { patient }) };
    });
    return { sessions: (await Promise.all(rows)).filter((row) => row !== undefined), ...counts };
  });

  app.get<ByTopic>('/sessions/:topic', async (request): Promise<SessionDetail> => {
    const found = await inspect(request.params.topic);
    return { ...(await sessionView(found, { authorization, views })), anchors: anchorViews(found.state) };
  });

  app.get<ByTopic>('/sessions/:topic/timeline', async (request) => {
    await inspect(request.params.topic);
    return views.timeline(request.params.topic);
  });

  app.get<ByTopic & { Querystring: { after?: string } }>('/sessions/:topic/log', async (request) => {
    const { topic } = request.params;
    await inspect(topic);
    const after = Number(request.query.after ?? 0);
    if (!Number.isSafeInteger(after) || after < 0) throw new ConsoleError(400, 'after must be a whole number.');
    return (await hub.log(topic, after)).map(logView);
  });

  /** Everything that is known of a session, one JSON object a line, in the order it happened. */
  app.get<ByTopic>('/sessions/:topic/export', async (request, reply) => {
    const { topic } = request.params;
    await inspect(topic);
    const log = (await hub.log(topic)).map((entry) => ({ type: 'event', ...logView(entry) }));
    const seen = (await views.timeline(topic)).map((entry) => ({ type: 'observation', ...entry }));
    const lines = [...log, ...seen].sort((a, b) => a.at - b.at);
    return reply
      .type('application/x-ndjson; charset=utf-8')
      .header('content-disposition', `attachment; filename="session-${topic.slice(0, 8)}.jsonl"`)
      .send(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  });

  app.post<ByTopic>('/sessions/:topic/publish', async (request, reply) => {
    const { topic } = request.params;
    await inspect(topic);
    const answer = await hub.publish(composerAccess(personOf(request)), JSON.stringify(bodyOf(request)), topic);
    if (!answer.ok) throw new ConsoleError(answer.status, answer.reason);
    return reply.code(202).send({ status: answer.value });
  });

  app.delete<ByTopic>('/sessions/:topic', async (request, reply) => {
    await inspect(request.params.topic);
    await hub.endSession(request.params.topic, 'An administrator ended the session');
    return reply.code(204).send();
  });

  /** The composer publishes into any session, in the administrator's own name. */
  function composerAccess({ signInId, user }: SignedIn): Access {
    return {
      tokenId: `composer ${signInId}`,
      grantId: `composer ${signInId}`,
      clientId: composerClient(user.id),
      clientName: `Composer of ${user.name}`,
      scopes: new Scopes('fhircast/*.*'),
      expiresAt: now() + COMPOSER_LIFE,
      userAliases: [],
      topics: [],
      sessions: 'all',
      switches: {},
    };
  }
}
