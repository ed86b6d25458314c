/** Every door of the server. A route that fits no row stops the start: decide here who may come in and what is recorded. */
import type { Act, Authentication, DoorRow } from './door.ts';

type Decided = Omit<DoorRow, 'methods' | 'path'>;

function door(authentication: Authentication, audit: Act | { readonly none: string }): Decided {
  return { authentication, audit, shared: false, limit: 'door' };
}

const shared = (decided: Decided): Decided => ({ ...decided, shared: true });
/** The authorization server takes from the limiter itself: it answers with a page where a person reads it. */
const limitedInside = (decided: Decided): Decided => ({ ...decided, limit: 'handler' });

const PUBLISHED = door('none', { none: 'a published document' });
const PREFLIGHT = door('none', { none: 'a preflight of a browser' });
const PAGE = door('none', { none: 'files of pages, the same for everybody' });
const STEP = limitedInside(door('handler', { none: 'a step of a sign-in; what it ends with is recorded' }));
const NOTHING = door('none', { none: 'there is nothing at this address' });

const row = (methods: string, path: string, decided: Decided): DoorRow => ({ methods, path, ...decided });

export const DOORS: readonly DoorRow[] = [
  row('OPTIONS', '/hub**', shared(PREFLIGHT)),
  row('OPTIONS', '/fhir**', shared(PREFLIGHT)),
  row('OPTIONS', '/auth/**', PREFLIGHT),
  row('OPTIONS', '/.well-known/**', PREFLIGHT),

  // The Hub.
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

  // The FHIR endpoint.
  row('GET', '/fhir/metadata', shared(PUBLISHED)),
  row('GET', '/fhir/.well-known/**', shared(PUBLISHED)),
  row('*', '/fhir**', shared(door('bearer', 'fhir'))),

  // The authorization server.
  row('GET', '/.well-known/**', PUBLISHED),
  row('GET', '/auth/jwks', PUBLISHED),
  row('GET', '/auth/brand.json', PUBLISHED),
  row('GET', '/auth/style.css', PUBLISHED),
  row('GET', '/auth/smart-style.json', PUBLISHED),
  row('POST', '/auth/token', limitedInside(door('handler', 'token'))),
  row('POST', '/auth/introspect', limitedInside(door('handler', 'token-introspect'))),
  row('POST', '/auth/revoke', limitedInside(door('handler', 'token-revoke'))),
  row('*', '/auth/register**', limitedInside(door('handler', 'client-registration'))),
  row('POST', '/auth/interaction/:uid/consent', limitedInside(door('handler', 'consent'))),
  row('POST', '/auth/interaction/:uid/sign-in', limitedInside(door('handler', 'sign-in'))),
  row('POST', '/auth/sign-in', limitedInside(door('handler', 'sign-in'))),
  row('POST', '/auth/sign-out', limitedInside(door('handler', 'sign-out'))),
  row('POST', '/auth/session', limitedInside(door('handler', 'sign-in'))),
  row('DELETE', '/auth/session', limitedInside(door('handler', 'sign-out'))),
  row('GET', '/auth/outside/callback', limitedInside(door('handler', 'sign-in'))),
  row('POST', '/auth/manage', limitedInside(door('handler', 'token-revoke'))),
  row('*', '/auth/**', STEP),
  row('POST', '/launch', limitedInside(door('handler', 'launch'))),

  // Administration by commands on this machine.
  row('POST', '/api/admin/token', door('folder', 'token')),
  row('POST', '/api/admin/apps/:id/launch', door('folder', 'launch')),
  row('GET', '/api/admin/**', door('folder', { none: 'reads what only the owner of the data folder sees' })),
  row('*', '/api/admin/**', door('folder', 'administration')),

  // The console.
  row('GET', '/api/console/session', door('browser', { none: "reads the person's own session" })),
  row('GET', '/api/console/sessions/:topic**', door('browser', 'context-read')),
  row('GET', '/api/console/sessions', door('browser', 'session-list')),
  row('DELETE', '/api/console/sessions/:topic', door('browser', 'session-end')),
  row('POST', '/api/console/sessions/:topic/publish', door('browser', 'publish')),
  row('POST', '/api/console/token', door('browser', 'token')),
  row('POST', '/api/console/password', door('browser', 'password-change')),
  row('POST', '/api/console/apps/:id/launch', door('browser', 'launch')),
  row('POST', '/api/console/simulation/launch', door('browser', 'launch')),
  row('POST', '/api/console/scopes', door('browser', { none: 'explains scopes, changes nothing' })),
  row('POST', '/api/console/manifest', door('browser', { none: 'reads a manifest, changes nothing' })),
  row('GET', '/api/console/**', door('browser', { none: 'reads no patient data' })),
  row('*', '/api/console/**', door('browser', 'administration')),

  // Simulated failures, on loopback: the real door behind each decides and records.
  row('*', '/simulate/**', door('handler', { none: 'passed on to the real address' })),

  // Operation.
  row('GET', '/health/**', door('none', { none: 'says only that the server works' })),
  row('GET', '/openapi.json', shared(PUBLISHED)),
  row('GET', '/asyncapi.json', shared(PUBLISHED)),
  row('GET', '/metrics', door('none', { none: 'numbers only' })),

  // Pages.
  row('GET', '/', PAGE),
  row('GET', '/apps**', PAGE),
  row('GET', '/sessions**', PAGE),
  row('GET', '/users**', PAGE),
  row('GET', '/patients/**', PAGE),
  row('GET', '/worklist', PAGE),
  row('GET', '/guests', PAGE),
  row('GET', '/join/**', PAGE),
  row('GET', '/launch', PAGE),
  row('GET', '/conformance', PAGE),
  row('GET', '/samples/**', PAGE),
  row('GET', '/favicon.ico', PAGE),
  row('GET', '/*', PAGE),
];
