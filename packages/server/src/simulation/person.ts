/**
 * The authorization server's pages for a launch as another user: the same pages, in the same browser, with cookies of the
 * simulation's own, so that whoever is signed in stays signed in.
 */
import { type AuthorizationServer, OAuthError, type UserProfile } from '@lockstep/smart';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Keeps the simulation's cookies apart. */
const MARK = 'simulated_';

/** Headers that belong to one connection, or are made again. */
const NOT_PASSED_ON = new Set(['content-length', 'connection', 'transfer-encoding', 'date', 'set-cookie', 'location']);

export interface PersonParts {
  readonly origin: string;
  readonly authorization: Pick<AuthorizationServer, 'signedIn' | 'users'>;
}

/** `name=value` of the cookies that are the simulation's, under the names that the server knows. */
function ownCookies(header: string | undefined): readonly string[] {
  return (header ?? '').split(/; */).flatMap((pair) => (pair.startsWith(MARK) ? [pair.slice(MARK.length)] : []));
}

const pairOf = (cookie: string): string => cookie.split(';')[0] ?? '';

/** The sample user of this name. @throws OAuthError */
export async function sampleUser({ users }: Pick<AuthorizationServer, 'users'>, id: string): Promise<UserProfile> {
  const user = await users.get(id);
  if (!user?.sample || user.status !== 'active')
    throw new OAuthError('invalid_request', 'user: there is no such sample user');
  return user;
}

/** Passes a page's request on for the user. @param base path of the simulation, such as `/simulate/user:admin/person` */
export async function servePerson(
  app: FastifyInstance,
  request: FastifyRequest,
  reply: FastifyReply,
  { origin, authorization, base, path, userId }: PersonParts & { base: string; path: string; userId: string },
): Promise<FastifyReply> {
  const user = await sampleUser(authorization, userId);
  const { host, cookie: _, 'content-length': __, connection: ___, ...headers } = request.headers;
  const cookies = [...ownCookies(request.headers.cookie)];
  const set: string[] = [];
  const signedIn = await authorization.signedIn({ headers: { cookie: cookies.join('; ') } });
  if (signedIn?.user.id !== user.id) {
    const answer = await app.inject({
      method: 'POST',
      url: '/auth/session',
      headers: { ...(host !== undefined && { host }), 'content-type': 'application/json' },
      payload: JSON.stringify({ sample: user.id }),
    });
    if (answer.statusCode !== 200) throw new OAuthError('access_denied', 'sample users cannot sign in here', 403);
    const fresh = [answer.headers['set-cookie'] ?? []].flat();
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
  if (location !== undefined) reply.header('location', ownAddress(String(location), origin, base));
  const html = String(passed.headers['content-type'] ?? '').startsWith('text/html');
  return reply.code(passed.statusCode).send(html ? marked(passed.payload, base, user) : passed.rawPayload);
}

/** Where the server's own pages go on, the simulated ones do. */
function ownAddress(address: string, origin: string, base: string): string {
  const path = address.startsWith(`${origin}/`) ? address.slice(origin.length) : address;
  return path.startsWith('/auth/') ? `${base}${path}` : address;
}

/** The page with its links in the simulation, and word that it is one. */
function marked(page: string, base: string, { name }: UserProfile): string {
  const note = `<p class="problem" role="note">A simulated launch, as ${escaped(name)}.</p>`;
  return page
    .replaceAll('"/auth/', `"${base}/auth/`)
    .replaceAll('url=/auth/', `url=${base}/auth/`)
    .replace('<main>', `<main>${note}`);
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
}
