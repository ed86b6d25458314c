/** The people who sign in, for administrators (REG-4). */

import { randomBytes } from 'node:crypto';
import type { UserView } from '@lockstep/console/wire';
import { folded, foldedWords } from '@lockstep/fhir/parts';
import type { Hub } from '@lockstep/hub';
import { type AuthorizationServer, InvalidUser, type UserProfile } from '@lockstep/smart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { readUser } from '../admin/administration.ts';
import { audit, type ById, bodyOf, ConsoleError, type PersonOf, pageAsked, tellNext } from './console-request.ts';

export interface ConsoleUserParts {
  readonly hub: Hub;
  readonly authorization: Pick<AuthorizationServer, 'users' | 'endSecondFactors'>;
  readonly personOf: PersonOf;
}

/** Users that one request looks through. */
const MOST_SEARCHED = 1000;

/** A password that is shown once: 96 random bits. */
function newPassword(): string {
  return randomBytes(12).toString('base64url');
}

/** Whether each word is in a name, the sign-in name, the reference or an alias. */
function isFound({ id, name, reference, aliases }: UserProfile, words: readonly string[]): boolean {
  const text = folded([id, name, reference, ...aliases].join('\n'));
  return words.every((word) => text.includes(word));
}

export function consoleUserRoutes(app: FastifyInstance, { hub, authorization, personOf }: ConsoleUserParts): void {
  const { users } = authorization;

  function note(request: FastifyRequest, action: string, id: string): void {
    audit(request, { action, user: personOf(request).user.id, detail: id });
  }

  async function userOf(id: string): Promise<UserProfile> {
    const user = await users.get(id);
    if (!user) throw new ConsoleError(404, 'There is no such user.');
    return user;
  }

  /** Administrators cannot lock themselves out. */
  async function otherUser(request: FastifyRequest): Promise<UserProfile> {
    const user = await userOf((request.params as ById['Params']).id);
    if (user.id === personOf(request).user.id) throw new ConsoleError(409, 'You cannot do this to yourself.');
    return user;
  }

  const sessionsOf = ({ reference }: UserProfile) => hub.sessions({ user: reference });

  async function view(user: UserProfile): Promise<UserView> {
    const { id, name, reference, administrator, aliases, sample, status } = user;
    const { length: sessions } = await sessionsOf(user);
    const outside = user.outside !== undefined;
    return { id, name, reference, administrator, aliases, sample, outside, status, sessions };
  }

  async function endSessions(user: UserProfile, reason: string): Promise<void> {
    for (const { topic } of await sessionsOf(user)) await hub.endSession(topic, reason);
  }

  /** Ends sign-ins, tokens and sessions. Suspending is what ends access; the user is let in again at once. */
  async function signOut(user: UserProfile, reason: string): Promise<void> {
    await users.suspend(user.id);
    await endSessions(user, reason);
    if (user.status === 'active') await users.activate(user.id);
  }

  /**
   * A page of the users, or of those who match `?search=`; `Link` leads to the next one. A search goes through so many users
   * at most: a page of it may hold few or none, and still lead on.
   */
  app.get('/users', async (request, reply) => {
    const asked = pageAsked(request);
    const { search } = request.query as { readonly search?: unknown };
    const words = typeof search === 'string' ? foldedWords(search) : [];
    const found: UserProfile[] = [];
    let { after } = asked;
    let searched = 0;
    do {
      const { users: page, next } = await users.page({ after, limit: asked.limit });
      for (const user of page) {
        if (found.length === asked.limit) break;
        after = user.id;
        if (isFound(user, words)) found.push(user);
      }
      searched += page.length;
      if (next === undefined && after === page.at(-1)?.id) after = undefined;
      if (page.length === 0) after = undefined;
    } while (after !== undefined && found.length < asked.limit && searched < MOST_SEARCHED);
    tellNext(reply, '/api/console/users', after, asked.limit, words.length > 0 ? { search: words.join(' ') } : {});
    return Promise.all(found.map(view));
  });
  app.get<ById>('/users/:id', async (request) => view(await userOf(request.params.id)));

  app.post('/users', async (request, reply) => {
    const given = readUser(bodyOf(request));
    const made = given.password === undefined ? newPassword() : undefined;
    const user = await users.add(made === undefined ? given : { ...given, password: made });
    note(request, 'user.add', user.id);
    return reply.code(201).send({ ...(await view(user)), ...(made !== undefined && { password: made }) });
  });

  app.put<ById>('/users/:id', async (request) => {
    const before = await userOf(request.params.id);
    const { id, password: _, ...fields } = readUser({ ...bodyOf(request), id: before.id });
    if (id === personOf(request).user.id && fields.administrator === false) {
      throw new ConsoleError(409, 'administrator: you cannot take this from yourself.');
    }
    const edited = await users.edit(id, fields);
    if (!edited) throw new ConsoleError(404, 'There is no such user.');
    note(request, 'user.edit', id);
    // What was granted to somebody else's reference, or to an administrator, is worth nothing now.
    if (edited.reference !== before.reference || (before.administrator && !edited.administrator)) {
      await signOut(before, 'an administrator changed who the user is');
    }
    return view(await userOf(id));
  });

  app.post<ById>('/users/:id/password', async (request) => {
    const user = await otherUser(request);
    const { password } = bodyOf(request);
    if (password !== undefined && typeof password !== 'string') throw new InvalidUser('password must be a string');
    const made = password === undefined ? newPassword() : undefined;
    await users.edit(user.id, { password: made ?? password ?? '' });
    note(request, 'user.password', user.id);
    // People who knew the old password lose access.
    await signOut(user, 'an administrator set a new password');
    return { ...(made !== undefined && { password: made }) };
  });

  /** Ends the second factor of somebody who has lost it. */
  app.delete<ById>('/users/:id/second-factor', async (request, reply) => {
    const user = await otherUser(request);
    if (!(await authorization.endSecondFactors(user.id))) throw new ConsoleError(404, 'There is no second factor.');
    note(request, 'user.second-factor', user.id);
    return reply.code(204).send();
  });

  app.post<ById>('/users/:id/suspend', async (request) => {
    const user = await otherUser(request);
    await users.suspend(user.id);
    await endSessions(user, 'the user was suspended');
    note(request, 'user.suspend', user.id);
    return view(await userOf(user.id));
  });

  app.post<ById>('/users/:id/activate', async (request) => {
    const { id } = await userOf(request.params.id);
    await users.activate(id);
    note(request, 'user.activate', id);
    return view(await userOf(id));
  });

  app.post<ById>('/users/:id/sign-out', async (request) => {
    const user = await otherUser(request);
    await signOut(user, 'an administrator signed the user out');
    note(request, 'user.sign-out', user.id);
    return view(await userOf(user.id));
  });

  app.delete<ById>('/users/:id', async (request, reply) => {
    const user = await otherUser(request);
    await users.delete(user.id);
    await authorization.endSecondFactors(user.id);
    await endSessions(user, 'the user was deleted');
    note(request, 'user.delete', user.id);
    return reply.code(204).send();
  });
}
