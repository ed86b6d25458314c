/** What each address of the server takes and answers. Doors say who may come in; here is what they say then. */
import { ref, type Schema } from './schemas.ts';

export type Tag = 'Hub' | 'Launch without SMART' | 'FHIR' | 'Authorization' | 'Operation' | 'Administration';

type Content = Readonly<Record<string, Schema>>;

/** An address and what goes over it. */
export interface DescribedRoute {
  /** As it is registered: `DELETE /hub/session/:topic`. */
  readonly route: string;
  readonly tag: Tag;
  readonly summary: string;
  readonly query?: Readonly<Record<string, string>>;
  /** What is sent, by content type. */
  readonly body?: Content;
  /** Whether nothing may be sent. */
  readonly bodyOptional?: boolean;
  /** What is answered, by status: a description, and the body by content type where there is one. */
  readonly answers: Readonly<Record<number, readonly [description: string, content?: Content]>>;
}

const FORM = 'application/x-www-form-urlencoded';
const form = (schema: Schema): Content => ({ [FORM]: schema });
const json = (schema: Schema): Content => ({ 'application/json': schema });
const fhir = (schema: Schema): Content => ({ 'application/fhir+json': schema });
const PAGE: Content = { 'text/html': { type: 'string' } };
const page = (description: string) => [description, PAGE] as const;

type Answers = DescribedRoute['answers'];
type More = Pick<DescribedRoute, 'query' | 'body' | 'bodyOptional'>;

const described =
  (tag: Tag) =>
  (route: string, summary: string, answers: Answers, more: More = {}): DescribedRoute => ({
    route,
    tag,
    summary,
    answers,
    ...more,
  });

const hub = described('Hub');
const ticket = described('Launch without SMART');
const resource = described('FHIR');
const auth = described('Authorization');
const operation = described('Operation');
const admin = described('Administration');

const ACCEPTED: Answers = {
  202: ['The event was accepted and will reach every subscriber'],
  206: ['Accepted in part (IHE IRA)'],
};
const EVENT = { 'application/json': ref('Event'), 'application/fhir+json': ref('Event') };
const RESOURCE: readonly [string, Content] = ['The resource', fhir(ref('Resource'))];
const BUNDLE: readonly [string, Content] = ['A Bundle', fhir(ref('Bundle'))];
/** What anybody may read is answered with an ETag. */
const UNCHANGED: Answers = { 304: ['Not changed'] };
const NEXT_PAGE: Answers = { 200: page('The page again, with what is wrong'), 303: ['The next page'] };

export const DESCRIBED: readonly DescribedRoute[] = [
  hub('GET /hub/.well-known/fhircast-configuration', 'What the Hub can do', {
    200: ['The configuration', json(ref('FhircastConfiguration'))],
  }),
  hub(
    'POST /hub',
    'Subscribe, unsubscribe or publish',
    {
      202: ['Accepted; a WebSocket subscription is told its endpoint', json(ref('Subscribed'))],
      206: ['Accepted in part (IHE IRA)'],
    },
    {
      body: {
        [FORM]: ref('Subscription'),
        ...EVENT,
        'application/json': { anyOf: [ref('Subscription'), ref('Event')] },
      },
    },
  ),
  hub('GET /hub/:topic', 'The current context, as far as the token may see it', {
    200: ['The context; without one, an empty list', json(ref('CurrentContext'))],
  }),
  hub('POST /hub/:topic', 'Publish to a topic', ACCEPTED, { body: EVENT }),
  hub(
    'POST /hub/session',
    'Begin a session for a user',
    { 201: ['The session', json(ref('Session'))] },
    { body: json(ref('NewSession')) },
  ),
  hub(
    'GET /hub/session',
    'The sessions that the token may join',
    { 200: ['The sessions', json({ type: 'array', items: ref('Session') })] },
    {
      query: {
        user: 'Only those of this user',
        workstation: 'Only those at this workstation',
        after: 'Of the link to the next page',
      },
    },
  ),
  hub(
    'POST /hub/session/:topic/invitation',
    'Invite others into a session',
    { 201: ['The invitation', json(ref('Invitation'))] },
    { body: json(ref('NewInvitation')), bodyOptional: true },
  ),
  hub('DELETE /hub/session/:topic/invitation/:id', 'Take an invitation back; who came by it is denied', {
    204: ['Taken back'],
  }),
  hub('DELETE /hub/session/:topic/guest', 'Leave a session as its guest; the guest’s subscriptions are denied', {
    204: ['Left'],
  }),
  hub('POST /hub/invitation/:code', 'Join a session by invitation', { 200: ['The session', json(ref('Joined'))] }),
  hub('DELETE /hub/session/:topic', 'End a session; its subscribers are denied', { 204: ['Ended'] }),

  ticket(
    'POST /hub/ticket',
    'Make a one-time launch ticket',
    { 201: ['The ticket', json(ref('Ticket'))] },
    { body: json(ref('NewTicket')) },
  ),
  ticket('POST /hub/ticket/:ticket', 'Redeem a ticket', { 200: ['A token for the Hub', json(ref('Token'))] }),

  resource('GET /fhir/metadata', 'What the FHIR endpoint can do', {
    200: ['The CapabilityStatement', fhir(ref('CapabilityStatement'))],
  }),
  resource('GET /fhir/:type', 'Search, by the parameters of the CapabilityStatement', { 200: BUNDLE }),
  resource('POST /fhir/:type/_search', 'Search by a form', { 200: BUNDLE }, { body: form({ type: 'object' }) }),
  resource(
    'POST /fhir/:type',
    'Create',
    { 200: ['What If-None-Exist found', RESOURCE[1]], 201: RESOURCE },
    { body: fhir(ref('Resource')) },
  ),
  resource('GET /fhir/:type/:id', 'Read', { 200: RESOURCE, ...UNCHANGED }),
  resource(
    'PUT /fhir/:type/:id',
    'Update, or create under this id',
    { 200: RESOURCE, 201: RESOURCE },
    { body: fhir(ref('Resource')) },
  ),
  resource(
    'PATCH /fhir/:type/:id',
    'Change by a JSON Patch',
    { 200: RESOURCE },
    { body: { 'application/json-patch+json': ref('JsonPatch') } },
  ),
  resource('DELETE /fhir/:type/:id', 'Delete', { 204: ['Deleted'] }),
  resource(
    'PUT /fhir/:type',
    'Update the one resource that the search parameters find, or create it',
    { 200: RESOURCE, 201: RESOURCE },
    { body: fhir(ref('Resource')) },
  ),
  resource(
    'PATCH /fhir/:type',
    'Change the one resource that the search parameters find by a JSON Patch',
    { 200: RESOURCE },
    { body: { 'application/json-patch+json': ref('JsonPatch') } },
  ),
  resource('DELETE /fhir/:type', 'Delete the one resource that the search parameters find', {
    204: ['Deleted, or nothing found'],
  }),
  resource(
    'GET /fhir/:type/:id/_history',
    'All versions',
    { 200: BUNDLE },
    {
      query: { _count: 'Versions a page', _since: 'Only those of this instant or later' },
    },
  ),
  resource('GET /fhir/:type/:id/_history/:version', 'One version', { 200: RESOURCE, ...UNCHANGED }),
  resource(
    'GET /fhir/Patient/:id/$everything',
    'What belongs to a patient',
    { 200: BUNDLE },
    {
      query: {
        start: 'Only what tells of care on this date or later, and what says no time of care',
        end: 'Only what tells of care on this date or earlier, and what says no time of care',
        _since: 'Only what was written at this instant or later',
        _type: 'Only these types, with commas between them',
        _count: 'Resources a page',
      },
    },
  ),
  resource(
    'POST /fhir/Patient/:id/$everything',
    'The same, asked by a Parameters resource',
    { 200: BUNDLE },
    { body: fhir(ref('Resource')) },
  ),
  resource('GET /fhir/dicom-web/studies/:study/series/:series/instances/:instance', 'An image of a sample study', {
    200: ['A DICOM file', { 'application/dicom': { type: 'string', format: 'binary' } }],
  }),
  resource('POST /fhir', 'Batch or transaction', { 200: BUNDLE }, { body: fhir(ref('Bundle')) }),

  auth('GET /fhir/.well-known/smart-configuration', 'SMART discovery', {
    200: ['The document', json(ref('Discovery'))],
    ...UNCHANGED,
  }),
  auth('GET /.well-known/openid-configuration', 'OpenID discovery', {
    200: ['The document', json(ref('Discovery'))],
    ...UNCHANGED,
  }),
  auth('GET /.well-known/oauth-authorization-server', 'OAuth discovery (RFC 8414)', {
    200: ['The document', json(ref('Discovery'))],
    ...UNCHANGED,
  }),
  ...['', '/fhir', '/hub'].map((path) =>
    auth(`GET /.well-known/oauth-protected-resource${path}`, 'Where tokens come from (RFC 9728)', {
      200: ['The document', json(ref('ProtectedResource'))],
      ...UNCHANGED,
    }),
  ),
  auth('GET /auth/brand.json', 'Who runs the FHIR endpoint (User-access Brands)', {
    200: ['A Bundle', json(ref('Bundle'))],
    ...UNCHANGED,
  }),
  auth('GET /auth/jwks', 'The keys that id tokens are signed with', {
    200: ['The keys', json(ref('KeySet'))],
    ...UNCHANGED,
  }),
  auth('GET /auth/smart-style.json', 'The style of launched apps', { 200: ['The style', json({ type: 'object' })] }),
  auth('GET /auth/style.css', 'The style of the pages', { 200: ['A style sheet', { 'text/css': { type: 'string' } }] }),
  ...['GET', 'POST'].map((method) =>
    auth(`${method} /auth/userinfo`, 'Who the token is for', { 200: ['The person', json(ref('UserInfo'))] }),
  ),
  auth(
    'GET /auth/authorize',
    'An authorization request',
    { 200: page('A page'), 303: ['A page, or back to the app'] },
    {
      query: {
        response_type: '`code`',
        client_id: 'The app',
        redirect_uri: 'Where the answer goes',
        scope: 'What is asked for',
        state: 'Comes back with the answer',
        aud: 'The FHIR endpoint',
        code_challenge: 'PKCE, S256',
        code_challenge_method: '`S256`',
        launch: 'Of an EHR launch',
      },
    },
  ),
  auth(
    'POST /auth/authorize',
    'An authorization request by form',
    { 200: page('A page'), 303: ['To where it is held'] },
    {
      body: form({ type: 'object' }),
    },
  ),
  auth('GET /auth/authorize/held/:id', 'Goes on with a posted request', {
    200: page('A page'),
    303: ['The next page'],
  }),
  auth('GET /auth/authorize/:uid', 'Goes on after a page', { 303: ['The next page, or back to the app'] }),
  auth('POST /auth/token', 'A token', { 200: ['The token', json(ref('Token'))] }, { body: form(ref('TokenRequest')) }),
  auth(
    'POST /auth/introspect',
    'What a token stands for (RFC 7662)',
    {
      200: ['What is known', json(ref('Introspection'))],
    },
    { body: form(ref('TokenToLookAt')) },
  ),
  auth(
    'POST /auth/revoke',
    'Ends a token (RFC 7009)',
    { 200: ['Ended, or unknown'] },
    { body: form(ref('TokenToLookAt')) },
  ),
  auth(
    'POST /auth/register',
    'Register an app (RFC 7591)',
    { 201: ['The app', json(ref('Client'))] },
    {
      body: json(ref('ClientMetadata')),
    },
  ),
  auth('GET /auth/register/:id', "The app's registration", { 200: ['The app', json(ref('Client'))] }),
  auth(
    'PUT /auth/register/:id',
    'Change a registration',
    { 200: ['The app', json(ref('Client'))] },
    {
      body: json(ref('ClientMetadata')),
    },
  ),
  auth('DELETE /auth/register/:id', 'End a registration', { 204: ['Ended'] }),
  auth(
    'POST /launch',
    'Launch an app from an EHR',
    { 201: ['What to open', json(ref('Launched'))] },
    {
      body: json(ref('Launch')),
    },
  ),
  auth(
    'POST /auth/backchannel-logout',
    'A trusted issuer says that somebody signed out',
    { 200: ['Their access has ended'] },
    {
      body: form(ref('LogoutToken')),
    },
  ),
  auth('GET /auth/sign-in', 'The sign-in page', { 200: page('The page'), 303: ['To an outside provider'] }),
  auth('POST /auth/sign-in', 'Sign in', NEXT_PAGE, { body: form({ type: 'object' }) }),
  auth(
    'POST /auth/sign-out',
    'Sign out',
    { 200: page('Done'), 303: ['To the outside provider'] },
    {
      body: form({ type: 'object' }),
    },
  ),
  auth('GET /auth/session', 'Who is signed in at this browser', { 200: ['The person', json({ type: 'object' })] }),
  auth(
    'POST /auth/session',
    'Sign in by JSON',
    { 200: ['The person', json({ type: 'object' })] },
    {
      body: json({ type: 'object' }),
    },
  ),
  auth('DELETE /auth/session', 'Sign out', { 200: ['Where to sign out too', json({ type: 'object' })], 204: ['Done'] }),
  auth('GET /auth/second-factor', 'The second factor', { 200: page('The page'), 303: ['To the sign-in'] }),
  auth('POST /auth/second-factor', 'Set up or end the second factor', NEXT_PAGE, { body: form({ type: 'object' }) }),
  auth(
    'GET /auth/language',
    'Choose the language of the pages',
    { 303: ['The page that was shown'] },
    { query: { to: 'BCP 47', return: 'A path' } },
  ),
  auth('GET /auth/manage', 'The apps that one has let in', { 200: page('The page'), 303: ['To the sign-in'] }),
  auth('POST /auth/manage', "Take an app's access back", { 303: ['The page'] }, { body: form({ type: 'object' }) }),
  auth('GET /auth/outside', 'Sign in at the outside provider', { 303: ['To the provider'] }),
  auth(
    'POST /auth/outside',
    'Sign in at the outside provider',
    { 303: ['To the provider'] },
    { body: form({ type: 'object' }) },
  ),
  auth('GET /auth/outside/callback', "The outside provider's answer", { 303: ['On to where the person was going'] }),
  auth('GET /auth/signed-out', 'Signed out', { 200: page('The page') }),
  auth('GET /auth/interaction/:uid', 'The next page of an authorization request', {
    200: page('The page'),
    303: ['On'],
  }),
  ...['sign-in', 'outside', 'patient', 'encounter', 'session', 'consent', 'cancel'].map((step) =>
    auth(`POST /auth/interaction/:uid/${step}`, `The page of the step “${step}”`, NEXT_PAGE, {
      body: form({ type: 'object' }),
    }),
  ),

  operation('GET /health/live', 'The process answers', { 200: ['Alive', json(ref('Health'))] }),
  operation('GET /health/ready', 'It can store events and is not about to stop', {
    200: ['Ready', json(ref('Health'))],
    503: ['Not ready', json(ref('Health'))],
  }),
  operation('GET /metrics', 'Numbers for Prometheus', { 200: ['The numbers', { 'text/plain': { type: 'string' } }] }),
  operation('GET /openapi.json', 'This document', { 200: ['OpenAPI 3.1', json({ type: 'object' })] }),
  operation('GET /asyncapi.json', "The Hub's messages", { 200: ['AsyncAPI 3.0', json({ type: 'object' })] }),

  admin('GET /api/admin/server', 'About the server', { 200: ['What it is', json(ref('Server'))] }),
  admin(
    'POST /api/admin/backup',
    'Copy the database',
    { 201: ['What the copy holds', json({ type: 'object' })] },
    {
      body: json(ref('NewBackup')),
    },
  ),
  admin(
    'GET /api/admin/apps',
    'The apps',
    { 200: ['A page of them', json({ type: 'object' })] },
    {
      query: { after: 'The page begins after this app' },
    },
  ),
  admin(
    'POST /api/admin/apps',
    'Register an app',
    { 201: ['The app', json({ type: 'object' })] },
    {
      body: json(ref('ClientMetadata')),
    },
  ),
  admin(
    'POST /api/admin/apps/:id/topic-secret',
    'A new secret for derived topics',
    {
      200: ['The secret', json({ type: 'object' })],
    },
    { body: json({ type: 'object' }) },
  ),
  admin(
    'POST /api/admin/apps/:id/launch',
    'Launch an app for a user',
    { 201: ['What starts it', json({ type: 'object' })] },
    {
      body: json({ type: 'object' }),
    },
  ),
  admin('GET /api/admin/users', 'The users', { 200: ['The users', json({ type: 'array' })] }),
  admin(
    'POST /api/admin/users',
    'Add a user',
    { 201: ['The user', json({ type: 'object' })] },
    {
      body: json({ type: 'object' }),
    },
  ),
  admin(
    'POST /api/admin/keys/rotate',
    'A new signing key',
    { 200: ['Its id', json({ type: 'object' })] },
    {
      body: json({ type: 'object' }),
    },
  ),
  admin(
    'POST /api/admin/token',
    'A token for commands',
    { 200: ['The token', json(ref('Token'))] },
    {
      body: json({ type: 'object' }),
    },
  ),
];
