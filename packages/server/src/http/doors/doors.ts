/**
 * Every door of the server, route by route. A route without a row of its own stops the start: decide here who may come in and
 * what is recorded. What shows patients to a person who is signed in is recorded.
 */
import type { Authentication, Door, DoorRow } from './door.ts';

type Decided = Omit<DoorRow, 'methods' | 'path'>;

function door(authentication: Authentication, audit: Door['audit']): Decided {
  return { authentication, audit, shared: false, limit: 'door' };
}

const shared = (decided: Decided): Decided => ({ ...decided, shared: true });
/** The authorization server takes from the limiter itself: it answers with a page where a person reads it. */
const limitedInside = (decided: Decided): Decided => ({ ...decided, limit: 'handler' });

const PUBLISHED = door('none', { none: 'a published document' });
const PREFLIGHT = door('none', { none: 'a preflight of a browser' });
const PAGE = door('none', { none: 'files of pages, the same for everybody' });
const STEP = limitedInside(door('handler', { none: 'a step of a sign-in; what it ends with is recorded' }));
const BY_ITSELF = { none: 'a step of several; its handler records what is done', acts: true };
const OF_APPLICATIONS = door('browser', { none: 'shows applications and what they ask for, no patient' });
const OF_USERS = door('browser', { none: 'shows users of the server, no patient' });
const OF_TESTS = door('browser', { none: 'shows tests of Hubs, whose patients are invented' });
const OF_ONESELF = door('browser', { none: "shows the person's own sign-in and who follows its session, no patient" });
const ADMINISTRATION = door('browser', 'administration');
const SESSION_READ = door('browser', 'context-read');
const OF_SERVER = door('folder', { none: 'shows applications and users to the owner of the data folder, no patient' });
const COMMAND = door('folder', 'administration');
const FHIR = shared(door('bearer', 'fhir'));
const REGISTRATION = limitedInside(door('handler', 'client-registration'));
const SIGN_IN = limitedInside(door('handler', 'sign-in'));
const PASSED_ON = door('handler', { none: 'passed on to the real address' });
const NOTHING = door('none', { none: 'there is nothing at this address' });

const row = (methods: string, path: string, decided: Decided): DoorRow => ({ methods, path, ...decided });

/** Routes that are decided alike. @param paths what follows the base; an empty one is the base itself */
function rows(methods: string, base: string, paths: readonly string[], decided: Decided): readonly DoorRow[] {
  return paths.map((path) => row(methods, path === '' ? base : `${base}/${path}`, decided));
}

export const DOORS: readonly DoorRow[] = [
  // The Hub.
  ...rows('OPTIONS', '/hub', ['', '*'], shared(PREFLIGHT)),
  row('GET', '/hub/.well-known/fhircast-configuration', shared(PUBLISHED)),
  row('POST', '/hub', shared(door('bearer or form', 'publish'))),
  row('POST', '/hub/ticket', shared(door('bearer', 'ticket-make'))),
  row('POST', '/hub/ticket/:ticket', shared(door('handler', 'ticket-redeem'))),
  row('POST', '/hub/session', shared(door('bearer or form', 'session-create'))),
  row('GET', '/hub/session', shared(door('bearer', 'session-list'))),
  row('DELETE', '/hub/session/:topic', shared(door('bearer', 'session-end'))),
  row('POST', '/hub/session/:topic/invitation', shared(door('bearer', 'session-invite'))),
  row('DELETE', '/hub/session/:topic/invitation/:id', shared(door('bearer', 'session-uninvite'))),
  row('DELETE', '/hub/session/:topic/guest', shared(door('bearer', 'session-leave'))),
  row('POST', '/hub/invitation/:code', shared(door('bearer', 'session-join'))),
  row('GET', '/hub/:topic', shared(door('bearer', 'context-read'))),
  row('POST', '/hub/:topic', shared(door('bearer or form', 'publish'))),
  row('GET', '/hub', shared(NOTHING)),
  row('GET', '/hub/*', shared(NOTHING)),

  // The FHIR endpoint, of the own record or of a server behind. It makes a record of each request itself.
  row('GET', '/fhir/metadata', shared(PUBLISHED)),
  row('GET', '/fhir/.well-known/smart-configuration', shared(PUBLISHED)),
  ...rows('OPTIONS', '/fhir', ['.well-known/smart-configuration', '', '*'], shared(PREFLIGHT)),
  ...rows('*', '/fhir', ['', 'dicom-web/studies/:study/series/:series/instances/:instance', ':type/_search'], FHIR),
  ...rows('*', '/fhir', ['Patient/:id/$everything', ':type/:id/_history/:version', ':type/:id/_history'], FHIR),
  ...rows('*', '/fhir', [':type/:id', ':type', '*'], FHIR),

  // The authorization server.
  ...rows('GET OPTIONS', '/.well-known', ['oauth-authorization-server', 'openid-configuration'], PUBLISHED),
  ...rows('GET OPTIONS', '/.well-known/oauth-protected-resource', ['', 'fhir', 'hub'], PUBLISHED),
  ...rows('GET', '/auth', ['jwks', 'brand.json', 'style.css', 'smart-style.json'], PUBLISHED),
  ...rows('OPTIONS', '/auth', ['jwks', 'brand.json', 'token', 'introspect', 'revoke', 'userinfo'], PREFLIGHT),
  row('POST', '/auth/token', limitedInside(door('handler', 'token'))),
  row('POST', '/auth/introspect', limitedInside(door('handler', 'token-introspect'))),
  row('POST', '/auth/revoke', limitedInside(door('handler', 'token-revoke'))),
  row('POST', '/auth/register', REGISTRATION),
  row('GET PUT DELETE', '/auth/register/:id', REGISTRATION),
  row('POST', '/auth/interaction/:uid/consent', limitedInside(door('handler', 'consent'))),
  ...rows('POST', '/auth', ['interaction/:uid/sign-in', 'sign-in', 'session'], SIGN_IN),
  row('GET', '/auth/outside/callback', SIGN_IN),
  row('POST', '/auth/sign-out', limitedInside(door('handler', 'sign-out'))),
  row('DELETE', '/auth/session', limitedInside(door('handler', 'sign-out'))),
  row('POST', '/auth/manage', limitedInside(door('handler', 'token-revoke'))),
  row('POST', '/launch', limitedInside(door('handler', 'launch'))),
  ...rows('GET', '/auth', ['authorize', 'authorize/:uid', 'authorize/held/:id', 'interaction/:uid', 'sign-in'], STEP),
  ...rows(
    'GET',
    '/auth',
    ['session', 'language', 'signed-out', 'outside', 'second-factor', 'manage', 'userinfo'],
    STEP,
  ),
  ...rows('POST', '/auth/interaction/:uid', ['outside', 'patient', 'encounter', 'session', 'cancel'], STEP),
  ...rows('POST', '/auth', ['second-factor', 'backchannel-logout'], limitedInside(door('handler', BY_ITSELF))),
  ...rows('POST', '/auth', ['authorize', 'outside', 'userinfo'], STEP),

  // Administration by commands on this machine.
  row('POST', '/api/admin/token', door('folder', 'token')),
  row('POST', '/api/admin/apps/:id/launch', door('folder', 'launch')),
  ...rows('GET', '/api/admin', ['server', 'apps', 'users'], OF_SERVER),
  ...rows('POST', '/api/admin', ['apps', 'apps/:id/topic-secret', 'users', 'keys/rotate', 'backup'], COMMAND),

  // The console. Patients, charts and the worklist come from the FHIR endpoint.
  ...rows('GET', '/api/console', ['me', 'session'], OF_ONESELF),
  row('GET', '/api/console/sessions', door('browser', 'session-list')),
  ...rows('GET', '/api/console/sessions/:topic', ['', 'timeline', 'log', 'export'], SESSION_READ),
  row('DELETE', '/api/console/sessions/:topic', door('browser', 'session-end')),
  row('POST', '/api/console/sessions/:topic/publish', door('browser', 'publish')),
  row('POST', '/api/console/token', door('browser', 'token')),
  row('POST', '/api/console/password', door('browser', 'password-change')),
  row('POST', '/api/console/apps/:id/launch', door('browser', 'launch')),
  row('POST', '/api/console/simulation/launch', door('browser', 'launch')),
  ...rows('GET', '/api/console', ['apps', 'apps/:id', 'launches/:launch'], OF_APPLICATIONS),
  ...rows('POST', '/api/console', ['scopes', 'manifest'], OF_APPLICATIONS),
  ...rows('POST', '/api/console/apps', ['', ':id/suspend', ':id/activate'], ADMINISTRATION),
  ...rows('POST', '/api/console/apps/:id', ['secret', 'topic-secret'], ADMINISTRATION),
  row('PUT', '/api/console/apps/:id', ADMINISTRATION),
  ...rows('DELETE', '/api/console/apps/:id', ['', 'tokens', 'tokens/:tokenId'], ADMINISTRATION),
  ...rows('GET', '/api/console', ['users', 'users/:id', 'simulation'], OF_USERS),
  row('POST', '/api/console/users', ADMINISTRATION),
  ...rows('POST', '/api/console/users/:id', ['password', 'suspend', 'activate', 'sign-out'], ADMINISTRATION),
  row('PUT', '/api/console/users/:id', ADMINISTRATION),
  ...rows('DELETE', '/api/console/users/:id', ['', 'second-factor'], ADMINISTRATION),
  ...rows('GET', '/api/console/conformance', ['', 'run/live', 'run/report', 'run/report/:form'], OF_TESTS),
  ...rows('GET', '/api/console/conformance/reports/:id', ['', 'since/:other', 'as/:form'], OF_TESTS),
  ...rows('POST', '/api/console/conformance/run', ['', 'again', 'answer'], ADMINISTRATION),
  row('DELETE', '/api/console/conformance/run', ADMINISTRATION),

  // Simulated failures, on loopback: the real door behind each decides and records.
  row('GET', '/simulate/:options/fhir/.well-known/smart-configuration', PASSED_ON),
  ...rows('GET POST', '/simulate/:options', ['auth/authorize', 'person/auth/*'], PASSED_ON),
  ...rows('POST OPTIONS', '/simulate/:options/auth', ['token', 'revoke'], PASSED_ON),
  ...rows('*', '/simulate/:options', ['fhir/*', 'hub', 'hub/*'], PASSED_ON),

  // Operation.
  ...rows('GET', '/health', ['live', 'ready'], door('none', { none: 'says only that the server works' })),
  ...rows('GET', '', ['openapi.json', 'asyncapi.json'], shared(PUBLISHED)),
  row('GET', '/metrics', door('none', { none: 'numbers only' })),

  // Pages.
  row('GET', '/', PAGE),
  ...rows('GET', '', ['favicon.ico', 'worklist', 'guests', 'launch', 'conformance', 'patients/*', 'join/*'], PAGE),
  ...rows('GET', '', ['apps', 'apps/*', 'sessions', 'sessions/*', 'users', 'users/*'], PAGE),
  ...rows('GET', '/samples', ['viewer', 'viewer/*', 'report-writer', 'report-writer/*'], PAGE),
  row('GET', '/*', PAGE),
];
