/** The Hub's HTTP face: addresses, content types and status codes of hub-rules "Addresses", SUB, PUB, SES and CAP. */
import { dialectsOf, isObject, notFollowingJson, parseSubscription, topicIn } from '@lockstep/fhircast';
import {
  type Access,
  fhircastConfiguration,
  type Hub,
  type SessionGuest,
  type SessionListing,
  type VersionName,
} from '@lockstep/hub';
import { networkOf, type TokenDoor } from '@lockstep/smart';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { describePublished } from '../audit/published-event.ts';
import { describeRequest } from '../audit/request-audit.ts';
import { begunOf } from './begun-requests.ts';
import { SMALL_BODY } from './doors/door.ts';
import { failureOf } from './failure.ts';
import { type HubBody, isSubscription, readForm, readJson, type UnreadableBody } from './hub-bodies.ts';
import { refuse } from './plain.ts';
import { splitAddress } from './request-address.ts';

export interface HubRouteOptions {
  readonly hub: Hub;
  readonly hubUrl: string;
  readonly tokens: Pick<TokenDoor, 'find' | 'admit'>;
  readonly webhooks: boolean;
  /** Whether the audit records of events name the patient. */
  readonly auditPatients: boolean;
  readonly version: VersionName;
}

type Body = HubBody | UnreadableBody;

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPES = ['application/json', 'application/fhir+json'];

/** What the Hub's addresses take, the first one that fits. */
const METHODS: readonly (readonly [path: RegExp, methods: string])[] = [
  [/^\/hub$/, 'POST'],
  [/^\/hub\/session$/, 'GET, POST'],
  [/^\/hub\/session\/[^/]+$/, 'DELETE'],
  [/^\/hub\/session\/[^/]+\/invitation$/, 'POST'],
  [/^\/hub\/session\/[^/]+\/invitation\/[^/]+$/, 'DELETE'],
  [/^\/hub\/session\/[^/]+\/guest$/, 'DELETE'],
  [/^\/hub\/invitation\/[^/]+$/, 'POST'],
  [/^\/hub\/\.well-known\/fhircast-configuration$/, 'GET'],
  [/^\/hub\/[^/]+$/, 'GET, POST'],
];
const ENDPOINT = /^\/hub\/ws\/[^/]+$/;

/** Where Fastify refuses, in words that help more than its own. */
const REASONS: Readonly<Record<number, string>> = {
  413: 'The body is too large',
  415: `The Content-Type must be ${[FORM, ...JSON_TYPES].join(', ')}`,
};

/** RFC 6750 section 2.2: a client that cannot set headers sends the token with its form. */
function tokenInForm(request: FastifyRequest): string | undefined {
  const body = request.body as Body | undefined;
  if (request.headers.authorization !== undefined || !body || !('form' in body)) return undefined;
  const [token, ...more] = body.form.getAll('access_token');
  return more.length === 0 ? token : undefined;
}

function parseBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>(FORM, { parseAs: 'buffer', bodyLimit: SMALL_BODY }, (request, body, done) => {
    done(null, readForm(request.headers, body));
  });
  app.addContentTypeParser<Buffer>(JSON_TYPES, { parseAs: 'buffer' }, (request, body, done) => {
    done(null, readJson(request.headers, body));
  });
}

/** The body, unless it is refused. */
function readableBody(request: FastifyRequest, reply: FastifyReply): HubBody | undefined {
  const body = request.body as Body | undefined;
  if (!body) refuse(reply, 400, 'The body is empty');
  else if ('problem' in body) refuse(reply, body.status, body.problem);
  else return body;
  return undefined;
}

/** A subscription at `{hub.url}/{topic}` need not say its topic again (SES-9). */
function withPathTopic(
  fields: readonly (readonly [string, unknown])[],
  topic: string | undefined,
): Iterable<readonly [string, unknown]> {
  const says = fields.some(([name, value]) => name === 'hub.topic' && value !== '' && value !== null);
  if (topic === undefined || says) return fields;
  return [...fields.filter(([name]) => name !== 'hub.topic'), ['hub.topic', topic]];
}

/** A JSON subscription has the form's names (SUB-1). */
function formFields(body: HubBody): Iterable<readonly [string, unknown]> {
  if ('form' in body) return body.form;
  return isObject(body.json) ? Object.entries(body.json) : [];
}

/** What an invitation is asked to be; undefined for what is none. */
function invitationFields(body: unknown): { followingOnly: boolean; life?: number } | undefined {
  const { following_only: only, expires_in: life } = isObject(body) ? body : {};
  if (only !== undefined && typeof only !== 'boolean') return undefined;
  if (life !== undefined && typeof life !== 'number') return undefined;
  return { followingOnly: only === true, ...(life !== undefined && { life }) };
}

function guestJson({ user, joinedAt, followingOnly }: SessionGuest): object {
  return { user, joined: new Date(joinedAt).toISOString(), ...(followingOnly && { following_only: true }) };
}

/** A session as JSON (SES-3). */
function listing(hubUrl: string, { topic, info, subscribers, notFollowing, context }: SessionListing): string {
  const text = JSON.stringify({
    'hub.topic': topic,
    'hub.url': hubUrl,
    user: info.user,
    ...(info.known === false && { known: false }),
    ...(info.workstation && { workstation: info.workstation }),
    ...(info.label && { label: info.label }),
    started: new Date(info.startedAt).toISOString(),
    subscribers: subscribers.map(({ name }) => name),
    ...(info.guests?.length && { guests: info.guests.map(guestJson) }),
    ...(notFollowing.length > 0 && { notFollowing: notFollowing.map(notFollowingJson) }),
  });
  // The context goes out in its publisher's words (PUB-13).
  return context === undefined ? text : `${text.slice(0, -1)},"context":${context}}`;
}

function sendJson(reply: FastifyReply, text: string): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(text);
}

/** One text value of a query or a body; anything else is the caller's mistake. */
function textField(source: unknown, name: string): { value?: string } | undefined {
  const value = isObject(source) ? source[name] : undefined;
  if (value === undefined || value === null) return {};
  return typeof value === 'string' && value.length <= 256 ? { value } : undefined;
}

export function hubRoutes(options: HubRouteOptions): FastifyPluginAsync {
  const { hub, hubUrl } = options;
  const configuration = fhircastConfiguration({ webhooks: options.webhooks, version: options.version });

  const { tokens } = options;

  /** Who calls: the door has looked at the header, and left the form to be read. */
  async function authorize(request: FastifyRequest, reply: FastifyReply): Promise<Access | undefined> {
    if (request.caller) return request.caller;
    return admit(request, reply);
  }

  async function admit(request: FastifyRequest, reply: FastifyReply): Promise<Access | undefined> {
    const admission = await tokens.admit(request, await find(request));
    reply.headers(admission.headers);
    if (admission.ok) return { ...admission.info, address: networkOf(request.ip) };
    refuse(reply, 401, admission.reason);
    return undefined;
  }

  const find = (request: FastifyRequest) => tokens.find(request.headers.authorization, tokenInForm(request));

  /** TOK-6: what was subscribed while the token was being revoked, here or on another node, must not outlive it. */
  async function isStillGood({ tokenId, clientId }: Access, request: FastifyRequest): Promise<boolean> {
    if ((await find(request))?.info) return true;
    await hub.accessEnded({ tokenId, clientId, reason: 'The token was revoked' });
    return false;
  }

  async function subscription(
    access: Access,
    body: HubBody,
    request: FastifyRequest,
    reply: FastifyReply,
    pathTopic?: string,
  ): Promise<FastifyReply> {
    const fields = withPathTopic([...formFields(body)], pathTopic);
    const parsed = parseSubscription(fields, dialectsOf(access.switches));
    if (!parsed.ok) return refuse(reply, 400, parsed.reason);
    const { mode, topic } = parsed.value;
    if (pathTopic !== undefined && topicIn(hubUrl, topic) !== topicIn(hubUrl, pathTopic)) {
      return refuse(reply, 400, 'hub.topic and the topic in the path differ');
    }
    const answer = await (mode === 'subscribe'
      ? hub.subscribe(access, parsed.value)
      : hub.unsubscribe(access, parsed.value));
    if (!answer.ok) return refuse(reply, answer.status, answer.reason);
    if (mode === 'subscribe' && !(await isStillGood(access, request)))
      return refuse(reply, 401, 'The token was revoked');
    const { endpoint } = answer.value;
    return endpoint === undefined ? reply.code(202).send() : reply.code(202).send({ 'hub.channel.endpoint': endpoint });
  }

  async function publish(
    access: Access,
    body: HubBody,
    request: FastifyRequest,
    reply: FastifyReply,
    topic?: string,
  ): Promise<FastifyReply> {
    if (!('json' in body)) return refuse(reply, 415, `An event is published as ${JSON_TYPES.join(' or ')}`);
    describeRequest(describePublished(body.json, topic, options.auditPatients));
    const answer = await (begunOf(request.raw)?.published ?? hub.publish(access, body.exact, topic));
    if (!answer.ok) return refuse(reply, answer.status, answer.reason);
    // No content type: an empty body that claims to be JSON makes clients throw (PUB-1).
    return reply.code(answer.value).send();
  }

  return async (app) => {
    parseBodies(app);
    app.addHook('preParsing', async (request, _, payload) => begunOf(request.raw)?.body?.() ?? payload);

    const preflight = async (_: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
      reply
        .header('access-control-allow-methods', 'GET, POST, DELETE, OPTIONS')
        .header('access-control-allow-headers', 'Authorization, DPoP, Content-Type, Accept, X-Medplum')
        .header('access-control-max-age', '7200')
        .code(204)
        .send();
    app.options('/', preflight);
    app.options('/*', preflight);

    app.setErrorHandler((error, request, reply) => {
      const { status, reason, retryAfter } = failureOf(error);
      if (status >= 500) request.log.error({ err: error }, 'request failed');
      return refuse(reply, status, REASONS[status] ?? reason ?? 'The Hub could not do this', retryAfter);
    });
    const nothingHere = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
      const [path] = splitAddress(request.url);
      if (ENDPOINT.test(path)) {
        const reason = 'This is a WebSocket endpoint: a proxy in between has to pass Upgrade and Connection on';
        return refuse(reply.header('upgrade', 'websocket'), 426, reason);
      }
      const methods = METHODS.find(([one]) => one.test(path))?.[1];
      if (!methods) return refuse(reply, 404, 'There is nothing at this address of the Hub');
      return refuse(reply.header('allow', `${methods}, OPTIONS`), 405, `This address of the Hub takes ${methods}`);
    };
    app.setNotFoundHandler(nothingHere);
    // Or the console's pages would be looked for below the Hub.
    app.get('/', nothingHere);
    app.get('/*', nothingHere);

    app.get('/.well-known/fhircast-configuration', async () => configuration);

    app.post('/', async (request, reply) => {
      const access = await authorize(request, reply);
      if (!access) return reply;
      const body = readableBody(request, reply);
      if (!body) return reply;
      return isSubscription(body, undefined)
        ? subscription(access, body, request, reply)
        : publish(access, body, request, reply);
    });

    app.post('/session', async (request, reply) => {
      const access = await authorize(request, reply);
      if (!access) return reply;
      const body = readableBody(request, reply);
      if (!body) return reply;
      if (!('json' in body) || !isObject(body.json)) {
        return refuse(reply, 400, 'The body must be a JSON object {user, workstation?, label?}');
      }
      const user = textField(body.json, 'user');
      const workstation = textField(body.json, 'workstation');
      const label = textField(body.json, 'label');
      if (!user || !workstation || !label)
        return refuse(reply, 400, 'user, workstation and label must be short strings');
      const answer = await hub.createSession(access, {
        ...(user.value && { user: user.value }),
        ...(workstation.value && { workstation: workstation.value }),
        ...(label.value && { label: label.value }),
      });
      if (!answer.ok) return refuse(reply, answer.status, answer.reason);
      const { topic, info } = answer.value;
      reply.code(201).header('location', `${hubUrl}/session/${topic}`);
      return sendJson(reply, listing(hubUrl, { topic, info, subscribers: [], notFollowing: [] }));
    });

    app.get('/session', async (request, reply) => {
      const access = await authorize(request, reply);
      if (!access) return reply;
      const user = textField(request.query, 'user');
      const workstation = textField(request.query, 'workstation');
      const after = textField(request.query, 'after');
      if (!user || !workstation || !after) {
        return refuse(reply, 400, 'user, workstation and after may each be given once');
      }
      const answer = await hub.listSessions(access, {
        ...(user.value && { user: user.value }),
        ...(workstation.value && { workstation: workstation.value }),
        ...(after.value && { after: after.value }),
      });
      if (!answer.ok) return refuse(reply, answer.status, answer.reason);
      const { sessions, next } = answer.value;
      if (next !== undefined) {
        const query = new URLSearchParams({
          ...(user.value && { user: user.value }),
          ...(workstation.value && { workstation: workstation.value }),
          after: next,
        });
        reply.header('link', `<${hubUrl}/session?${query}>; rel="next"`);
      }
      const list = sessions.map((session) => listing(hubUrl, session));
      return sendJson(reply.header('cache-control', 'no-store'), `[${list.join(',')}]`);
    });

    app.delete<{ Params: { topic: string } }>('/session/:topic', async (request, reply) => {
      const access = await authorize(request, reply);
      if (!access) return reply;
      const answer = await hub.deleteSession(access, request.params.topic);
      return answer.ok ? reply.code(204).send() : refuse(reply, answer.status, answer.reason);
    });

    app.post<{ Params: { topic: string } }>('/session/:topic/invitation', async (request, reply) => {
      const access = await authorize(request, reply);
      if (!access) return reply;
      const body = request.body === undefined ? undefined : readableBody(request, reply);
      if (request.body !== undefined && !body) return reply;
      const fields = body && 'json' in body ? body.json : {};
      const wanted = invitationFields(fields);
      if (!wanted) return refuse(reply, 400, 'following_only must be true or false, expires_in a number of seconds');
      const answer = await hub.invite(access, request.params.topic, wanted);
      if (!answer.ok) return refuse(reply, answer.status, answer.reason);
      const { id, code, expiresAt } = answer.value;
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({
          id,
          invitation_url: `${hubUrl}/invitation/${code}`,
          expires: new Date(expiresAt).toISOString(),
          ...(wanted.followingOnly && { following_only: true }),
        });
    });

    app.delete<{ Params: { topic: string; id: string } }>('/session/:topic/invitation/:id', async (request, reply) => {
      const access = await authorize(request, reply);
      if (!access) return reply;
      const answer = await hub.withdrawInvitation(access, request.params.topic, request.params.id);
      return answer.ok ? reply.code(204).send() : refuse(reply, answer.status, answer.reason);
    });

    app.delete<{ Params: { topic: string } }>('/session/:topic/guest', async (request, reply) => {
      const access = await authorize(request, reply);
      if (!access) return reply;
      const answer = await hub.leaveSession(access, request.params.topic);
      return answer.ok ? reply.code(204).send() : refuse(reply, answer.status, answer.reason);
    });

    app.post<{ Params: { code: string } }>('/invitation/:code', async (request, reply) => {
      const access = await authorize(request, reply);
      if (!access) return reply;
      const answer = await hub.joinByInvitation(access, request.params.code);
      if (!answer.ok) return refuse(reply, answer.status, answer.reason);
      const { topic, user, followingOnly } = answer.value;
      return reply.header('cache-control', 'no-store').send({
        'hub.topic': topic,
        'hub.url': hubUrl,
        user,
        ...(followingOnly && { following_only: true }),
      });
    });

    app.get<{ Params: { topic: string } }>('/:topic', async (request, reply) => {
      const access = await authorize(request, reply);
      if (!access) return reply;
      const { topic } = request.params;
      const answer = await (access.switches.contextList === true
        ? hub.contextList(access, topic)
        : hub.currentContext(access, topic));
      if (!answer.ok) return refuse(reply, answer.status, answer.reason);
      return sendJson(reply.header('cache-control', 'no-store'), answer.value);
    });

    app.post<{ Params: { topic: string } }>('/:topic', async (request, reply) => {
      const access = await authorize(request, reply);
      if (!access) return reply;
      const body = readableBody(request, reply);
      if (!body) return reply;
      const { topic } = request.params;
      return isSubscription(body, topic)
        ? subscription(access, body, request, reply, topic)
        : publish(access, body, request, reply, topic);
    });
  };
}
