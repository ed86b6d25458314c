/**
 * The authorization server's pages for a launch as another user: the same pages, in the same browser, with cookies of the
 * simulation's own, so that the person who is signed in stays so.
 */
import { hash } from 'node:crypto';
import type { SimulatedPerson } from '@lockstep/console/simulation';
import {
  type AuthorizationServer,
  InvalidUser,
  OAuthError,
  type PatientDirectory,
  type UserProfile,
} from '@lockstep/smart';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { basePathOf } from '../http/base-path.ts';

/** Keeps the simulation's cookies apart. */
const MARK = 'simulated_';

/** Headers that belong to one connection, or are made again. */
const NOT_PASSED_ON = new Set(['content-length', 'connection', 'transfer-encoding', 'date', 'set-cookie', 'location']);

export interface PersonParts {
  readonly publicUrl: string;
  readonly authorization: Pick<AuthorizationServer, 'signedIn' | 'beginSignIn' | 'languages'>;
}

/** `name=value` of the cookies that are the simulation's, under the names that the server knows. */
function ownCookies(header: string | undefined): readonly string[] {
  return (header ?? '').split(/; */).flatMap((pair) => (pair.startsWith(MARK) ? [pair.slice(MARK.length)] : []));
}

const pairOf = (cookie: string): string => cookie.split(';')[0] ?? '';

export interface PeopleParts {
  readonly users: AuthorizationServer['users'];
  readonly patients: PatientDirectory;
}

/** Those whom launches can be simulated for: sample users, and everybody whom the record knows. */
export class SimulatedPeople {
  readonly #parts: PeopleParts;

  constructor(parts: PeopleParts) {
    this.#parts = parts;
  }

  /** Reads a sample user's name, or `Practitioner/ID` or `Patient/ID`. */
  static named(text: string): SimulatedPerson {
    const [type, id] = text.split('/');
    if (id !== undefined && type === 'Practitioner') return { kind: 'practitioner', id };
    if (id !== undefined && type === 'Patient') return { kind: 'patient', id };
    return { kind: 'user', id: text };
  }

  /** @throws OAuthError where there is no such person, or they sign in by themselves */
  async find({ kind, id }: SimulatedPerson): Promise<UserProfile> {
    const { users } = this.#parts;
    if (kind === 'user') return usable(await users.get(id), 'user: there is no such sample user');
    const reference = `${kind === 'patient' ? 'Patient' : 'Practitioner'}/${id}`;
    const [known] = await users.withReference(reference);
    if (known) return usable(known, `${kind}: they sign in here by themselves`);
    return this.#add(reference, kind, id);
  }

  /** Somebody of the record becomes a sample user when a launch is simulated for them. */
  async #add(reference: string, kind: 'practitioner' | 'patient', id: string): Promise<UserProfile> {
    const { users, patients } = this.#parts;
    const found = kind === 'patient' ? await patients.patient(id) : await patients.practitioner(id);
    if (!found) throw new OAuthError('invalid_request', `${kind}: the record knows nobody of this id`);
    const userId = `simulated-${hash('sha256', reference, 'hex').slice(0, 16)}`;
    const add = (name: string) => users.add({ id: userId, name, reference }, { sample: true });
    try {
      return await add(found.name);
    } catch (error) {
      if (!(error instanceof InvalidUser)) throw error;
      // Another window was first, or the name cannot be used to sign in.
      return (await users.get(userId)) ?? add(reference);
    }
  }
}

function usable(user: UserProfile | undefined, otherwise: string): UserProfile {
  if (user?.sample && user.status === 'active') return user;
  throw new OAuthError('invalid_request', otherwise);
}

/**
 * Passes a page's request on for the user, who is signed in unless the launch asks for it.
 * @param base path of the simulation, such as `/simulate/user:admin/person`
 */
export async function servePerson(
  app: FastifyInstance,
  request: FastifyRequest,
  reply: FastifyReply,
  {
    publicUrl,
    authorization,
    base,
    path,
    user,
    asksSignIn,
  }: PersonParts & { base: string; path: string; user: UserProfile; asksSignIn: boolean },
): Promise<FastifyReply> {
  const { host, cookie: _, 'content-length': __, connection: ___, ...headers } = request.headers;
  const cookies = [...ownCookies(request.headers.cookie)];
  const set: string[] = [];
  const signedIn = await authorization.signedIn({ headers: { cookie: cookies.join('; ') } });
  if (!asksSignIn && signedIn?.user.id !== user.id) {
    const fresh = await authorization.beginSignIn(user);
    cookies.push(...fresh.map(pairOf));
    set.push(...fresh);
  }
  const passed = await app.inject({
    method: request.method as 'GET',
    url: path,
    headers: { ...headers, ...(host !== undefined && { host }), cookie: cookies.join('; ') },
    ...(request.body !== undefined && { payload: request.body as Buffer }),
  });
  for (const [name, value] of Object.entries(passed.headers)) {
    if (value !== undefined && !NOT_PASSED_ON.has(name)) reply.header(name, value);
  }
  set.push(...[passed.headers['set-cookie'] ?? []].flat());
  for (const one of set)
    reply.header(
      'set-cookie',
      `${MARK}${one.replace(/; *path=\/?([^;]*)/i, (_all, rest: string) => `; Path=${base}${rest && `/${rest}`}`)}`,
    );
  const { location } = passed.headers;
  if (location !== undefined) reply.header('location', ownAddress(String(location), publicUrl, base));
  const html = String(passed.headers['content-type'] ?? '').startsWith('text/html');
  if (!html) return reply.code(passed.statusCode).send(passed.rawPayload);
  const [, language = ''] = /<html lang="([^"]+)"/.exec(passed.payload) ?? [];
  const note = authorization.languages.find({ chosen: language }).words('A simulated launch, as {}.', user.name);
  return reply.code(passed.statusCode).send(marked(passed.payload, publicUrl, base, note));
}

/** Where the server's own pages go on, the simulated ones do. */
function ownAddress(address: string, publicUrl: string, base: string): string {
  const path = address.startsWith(`${publicUrl}/`) ? address.slice(publicUrl.length) : address;
  return path.startsWith('/auth/') ? `${base}${path}` : address;
}

/** The page with its links in the simulation, and word that it is one. */
function marked(page: string, publicUrl: string, base: string, words: string): string {
  const before = basePathOf(publicUrl);
  const note = `<p class="problem" role="note">${escaped(words)}</p>`;
  return page
    .replaceAll(`"${before}/auth/`, `"${before}${base}/auth/`)
    .replaceAll(`url=${before}/auth/`, `url=${before}${base}/auth/`)
    .replace('<main>', () => `<main>${note}`);
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
}
