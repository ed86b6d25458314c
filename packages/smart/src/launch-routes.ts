import { nameKey, presentedToken, topicIn } from '@lockstep/fhircast';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Launches } from './launches.ts';
import { OAuthError } from './oauth-error.ts';
import type { AuditEntry, SessionDirectory } from './ports.ts';
import { requireCsrf } from './sign-in-routes.ts';
import type { SignIns } from './sign-ins.ts';
import type { TokenDoor } from './token-door.ts';
import type { TokenInfo } from './token-info.ts';
import type { UserProfile, Users } from './users.ts';

interface Parts {
  readonly hubUrl: string;
  readonly tokens: TokenDoor;
  readonly launches: Launches;
  readonly signIns: SignIns;
  readonly sessions: SessionDirectory;
  readonly users: Users;
  readonly audit: (entry: AuditEntry) => void;
}

type Body = Readonly<Record<string, unknown>>;

function optional(body: Body, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string' || value.length > 500)
    throw new OAuthError('invalid_request', `${name} must be a string`);
  return value;
}

function flag(body: Body, name: string): boolean | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') throw new OAuthError('invalid_request', `${name} must be true or false`);
  return value;
}

/** For whom a launch is made, and by whom. */
interface Launching {
  readonly user: UserProfile;
  readonly by: 'person' | 'ehr';
  /** The only workstations whose sessions the caller may name; undefined: all of the user's. */
  readonly workstations?: readonly string[] | undefined;
}

/** Whether a backend client's registration lets it act for this user (SES-4). */
function mayActFor(info: TokenInfo, user: UserProfile): boolean {
  if (info.sessions === 'all') return true;
  const names = [user.reference, user.id, ...user.aliases].map(nameKey);
  return info.sessions?.users?.some((name) => names.includes(nameKey(name))) ?? false;
}

/** `POST /launch`: for the embedded EHR's person, and for an outside EHR with a backend token of the scope `launch` (AUT-3). */
export function launchRoutes(app: FastifyInstance, parts: Parts): void {
  const { hubUrl, tokens, launches, signIns, sessions, users, audit } = parts;

  async function launching(request: FastifyRequest, reply: FastifyReply, body: Body): Promise<Launching> {
    const named = optional(body, 'user');
    if (presentedToken(request.headers.authorization)) {
      return launchingForUser(await tokens.require(request, reply), named);
    }
    const signedIn = await signIns.signedIn(request);
    if (!signedIn) throw new OAuthError('invalid_token', 'sign in, or send an access token', 401);
    requireCsrf(request, signedIn);
    const user = named === undefined ? signedIn.user : await users.resolve(named);
    if (user?.id !== signedIn.user.id)
      throw new OAuthError('access_denied', 'user: you can launch for yourself only', 403);
    return { user, by: 'person' };
  }

  async function launchingForUser(info: TokenInfo, named: string | undefined): Promise<Launching> {
    // A person's app holds `launch` too, but only to be launched itself.
    if (!info.sessions || !info.scopes.has('launch')) {
      throw new OAuthError('insufficient_scope', 'a backend token with the scope launch is needed', 403);
    }
    if (named === undefined) throw new OAuthError('invalid_request', 'user is missing');
    const user = await users.resolve(named);
    // What the client may not see answers like what does not exist (SES-4).
    if (user?.status !== 'active' || !mayActFor(info, user)) {
      throw new OAuthError('invalid_request', 'user: there is no such user');
    }
    return { user, by: 'ehr', workstations: info.sessions === 'all' ? undefined : info.sessions.workstations };
  }

  /** @throws OAuthError for a session that the caller may not see: it answers like one that does not exist (SES-4) */
  async function checkTopic(topic: string, { user, workstations }: Launching): Promise<void> {
    if (workstations === undefined) return;
    const session = (await sessions.ofUser(user.reference)).find((one) => one.topic === topic);
    const here = session?.workstation;
    if (here !== undefined && workstations.some((one) => nameKey(one) === nameKey(here))) return;
    throw new OAuthError('invalid_request', 'topic: the user has no such session');
  }

  app.post('/launch', async (request, reply) => {
    reply.header('cache-control', 'no-store');
    if (typeof request.body !== 'object' || request.body === null || Array.isArray(request.body)) {
      throw new OAuthError('invalid_request', 'send a JSON object');
    }
    const body = request.body as Body;
    const who = await launching(request, reply, body);
    const clientId = optional(body, 'client_id');
    if (clientId === undefined) throw new OAuthError('invalid_request', 'client_id is missing');
    const written = optional(body, 'topic');
    const topic = written === undefined ? undefined : topicIn(hubUrl, written);
    if (topic !== undefined) await checkTopic(topic, who);
    const given = {
      clientId,
      patient: optional(body, 'patient'),
      encounter: optional(body, 'encounter'),
      imagingStudy: optional(body, 'imaging_study'),
      topic,
      intent: optional(body, 'intent'),
      tenant: optional(body, 'tenant'),
      needPatientBanner: flag(body, 'need_patient_banner'),
      embedded: flag(body, 'embedded'),
    };
    const answer = await launches.create(who.user, given, who.by);
    audit({ action: 'launch', user: who.user.id, clientId });
    return reply.code(201).send(answer);
  });
}
