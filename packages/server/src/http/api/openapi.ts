/** The server's addresses as OpenAPI 3.1, made of what each route takes and answers and of who may come in there. */
import { findDoor } from '../doors/door.ts';
import { DOORS } from '../doors/doors.ts';
import { DESCRIBED, type DescribedRoute, type Tag } from './described.ts';
import { ref, SCHEMAS } from './schemas.ts';

const METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** What is no interface for other programs: pages with their files and calls, and addresses that say that nothing is there. */
const PRIVATE = [
  /^GET \/(\*|favicon\.ico|(apps|patients|sessions|users)(\/\*)?|worklist|guests|join\/\*|launch|conformance|samples\/.*)?$/,
  / \/(api\/console|simulate)\//,
  /^GET \/hub(\/\*)?$/,
];

const BY_ROUTE: ReadonlyMap<string, DescribedRoute> = new Map(DESCRIBED.map((one) => [one.route, one]));

/** Whether a route may go without a description. Below `/fhir`, methods that an address does not know are routes too. */
function isPrivate(method: string, path: string): boolean {
  if (!METHODS.has(method) || PRIVATE.some((one) => one.test(`${method} ${path}`))) return true;
  return path.startsWith('/fhir') && !BY_ROUTE.has(`${method} ${path}`);
}

/**
 * The routes that are served, with what they take and answer.
 * @param routes as they were registered, `GET /hub/session`
 * @throws Error naming a route that nothing is said about
 */
export function describedRoutes(routes: readonly string[]): readonly DescribedRoute[] {
  return [...new Set(routes)].flatMap((route) => {
    const [method = '', written = ''] = route.split(' ');
    const path = written.replace(/(.)\/$/, '$1');
    const found = BY_ROUTE.get(`${method} ${path}`);
    if (found) return [found];
    if (isPrivate(method, path)) return [];
    throw new Error(`${route} is not described: say in http/api/described.ts what it takes and answers`);
  });
}

/** How each part of the server says what went wrong. */
const REFUSALS: Readonly<Record<Tag, object>> = {
  Hub: { 'text/plain': { schema: { type: 'string' } } },
  'Launch without SMART': { 'application/json': { schema: ref('OAuthError') } },
  FHIR: { 'application/fhir+json': { schema: ref('OperationOutcome') } },
  Authorization: {
    'application/json': { schema: ref('OAuthError') },
    'text/html': { schema: { type: 'string' } },
  },
  Operation: { 'application/json': { schema: { type: 'object' } } },
  Administration: { 'application/json': { schema: ref('OAuthError') } },
};

export interface ApiOptions {
  /** As they were registered. */
  readonly routes: readonly string[];
  readonly publicUrl: string;
  readonly version: string;
}

/** @throws Error naming a route that is not described */
export function openApi({ routes, publicUrl, version }: ApiOptions) {
  const paths: Record<string, Record<string, object>> = {};
  for (const one of describedRoutes(routes)) {
    const [method = '', path = ''] = one.route.split(' ');
    const address = path.replace(/:([A-Za-z]+)/g, '{$1}');
    paths[address] = { ...paths[address], [method.toLowerCase()]: operation(one, method, path) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Lockstep',
      version,
      description: 'FHIRcast Hub, with SMART App Launch and FHIR where the server has them.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: publicUrl }],
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'An access token with the scopes of the address' },
        folder: { type: 'http', scheme: 'bearer', description: "The token of the server's data folder" },
      },
    },
  };
}

function operation(
  { tag, summary, query = {}, body, bodyOptional, answers }: DescribedRoute,
  method: string,
  path: string,
): object {
  const authentication = findDoor(DOORS, method, path)?.authentication ?? 'none';
  const security = authentication.startsWith('bearer') ? ['token'] : authentication === 'folder' ? ['folder'] : [];
  const inPath = [...path.matchAll(/:([A-Za-z]+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const inQuery = Object.entries(query).map(([name, description]) => ({
    name,
    in: 'query',
    description,
    schema: { type: 'string' },
  }));
  const responses = Object.fromEntries(
    Object.entries(answers).map(([status, [description, content]]) => [
      status,
      { description, ...(content && { content: media(content) }) },
    ]),
  );
  return {
    operationId: `${method} ${path}`.replace(/[^A-Za-z0-9]+/g, '_').replace(/_$/, ''),
    tags: [tag],
    summary,
    security: security.map((name) => ({ [name]: [] })),
    ...(inPath.length + inQuery.length > 0 && { parameters: [...inPath, ...inQuery] }),
    ...(body && { requestBody: { required: bodyOptional !== true, content: media(body) } }),
    responses: { ...responses, default: { description: 'What went wrong', content: REFUSALS[tag] } },
  };
}

function media(content: Readonly<Record<string, object>>): object {
  return Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }]));
}
