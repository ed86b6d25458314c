/** Shapes of what goes over HTTP and WebSocket, as JSON schemas: OpenAPI and AsyncAPI are made of them. */

/** A JSON schema (draft 2020-12, as far as draft 7 has it too). */
export type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: 'string' };
const url: Schema = { type: 'string', format: 'uri' };
const time: Schema = { type: 'string', format: 'date-time' };
const seconds: Schema = { type: 'integer', minimum: 0 };
const list = (items: Schema): Schema => ({ type: 'array', items });

/** A reference to a schema of `SCHEMAS`; both documents have them at the same place. */
export const ref = (name: keyof typeof SCHEMAS): Schema => ({ $ref: `#/components/schemas/${name}` });

function object(required: Readonly<Record<string, Schema>>, optional: Readonly<Record<string, Schema>> = {}): Schema {
  return { type: 'object', required: Object.keys(required), properties: { ...required, ...optional } };
}

const contextElement: Schema = object({ key: text }, { resource: { type: 'object' }, reference: { type: 'object' } });

export const SCHEMAS = {
  Subscription: object(
    { 'hub.mode': { enum: ['subscribe', 'unsubscribe'] }, 'hub.topic': text },
    {
      'hub.channel.type': { enum: ['websocket', 'webhook'] },
      'hub.events': { type: 'string', description: 'Names of events, separated by commas; `*` for all' },
      'hub.lease_seconds': { type: ['integer', 'string'] },
      'hub.channel.endpoint': url,
      'hub.callback': url,
      'hub.secret': text,
      'subscriber.name': text,
    },
  ),
  Subscribed: object({ 'hub.channel.endpoint': url }),
  Event: object({
    timestamp: time,
    id: text,
    event: object(
      { 'hub.topic': text, 'hub.event': text, context: list(contextElement) },
      { 'context.versionId': text, 'context.priorVersionId': text },
    ),
  }),
  EventAnswer: object({ id: text, status: { type: ['integer', 'string'] } }),
  Confirmation: object({
    'hub.mode': { const: 'subscribe' },
    'hub.topic': text,
    'hub.events': text,
    'hub.lease_seconds': seconds,
  }),
  Denial: object({ 'hub.mode': { const: 'denied' }, 'hub.topic': text }, { 'hub.events': text, 'hub.reason': text }),
  Ping: object({ type: { const: 'ping' } }),
  Pong: object({ type: { const: 'pong' } }),
  CurrentContext: {
    oneOf: [
      object({ 'context.type': text, context: list(contextElement) }, { 'context.versionId': text }),
      // What the switch `contextList` of a registration asks for.
      list({ type: 'object' }),
    ],
  },
  NewSession: object({}, { user: text, workstation: text, label: text }),
  Session: object(
    { 'hub.topic': text, 'hub.url': url, user: text, started: time, subscribers: list(text) },
    {
      workstation: text,
      label: text,
      known: { const: false },
      guests: list(object({ user: text, joined: time }, { following_only: { type: 'boolean' } })),
      notFollowing: list(
        object(
          {
            subscriber: text,
            why: { enum: ['refused', 'failed', 'silent', 'lost', 'waiting', 'untold'] },
            since: time,
          },
          { 'event.id': text, 'hub.event': text, reason: text, shows: text, ended: { const: true } },
        ),
      ),
      context: { type: ['object', 'array'] },
    },
  ),
  NewInvitation: object({}, { following_only: { type: 'boolean' }, expires_in: seconds }),
  Invitation: object({ id: text, invitation_url: url, expires: time }, { following_only: { type: 'boolean' } }),
  Joined: object({ 'hub.topic': text, 'hub.url': url, user: text }, { following_only: { type: 'boolean' } }),
  FhircastConfiguration: object(
    {
      eventsSupported: list(text),
      websocketSupport: { const: true },
      webhookSupport: { type: 'boolean' },
      fhircastVersion: text,
      getCurrentSupport: { type: 'boolean' },
    },
    { capabilities: { type: 'object' }, fhirVersion: text },
  ),
  NewTicket: object({ client_id: text }, { user: text, topic: text, scope: text }),
  Ticket: object({ ticket: text, ticket_url: url, expires_in: seconds, 'hub.url': url, 'hub.topic': text }),
  Token: object(
    { access_token: text, token_type: { const: 'Bearer' }, scope: text },
    {
      expires_in: seconds,
      expires_at: { type: 'integer', description: 'ms since the epoch' },
      refresh_token: text,
      id_token: text,
      patient: text,
      encounter: text,
      fhirContext: { type: 'array' },
      need_patient_banner: { type: 'boolean' },
      smart_style_url: url,
      'hub.url': url,
      'hub.topic': text,
    },
  ),
  TokenRequest: object(
    { grant_type: { enum: ['authorization_code', 'refresh_token', 'client_credentials'] } },
    {
      code: text,
      redirect_uri: text,
      code_verifier: text,
      refresh_token: text,
      scope: text,
      client_id: text,
      client_secret: text,
      client_assertion_type: text,
      client_assertion: text,
    },
  ),
  TokenToLookAt: object({ token: text }, { token_type_hint: text, client_id: text, client_assertion: text }),
  Introspection: object({ active: { type: 'boolean' } }, { scope: text, client_id: text, exp: seconds, sub: text }),
  LogoutToken: object({ logout_token: text }),
  ClientMetadata: object(
    {},
    {
      client_name: text,
      redirect_uris: list(text),
      grant_types: list(text),
      token_endpoint_auth_method: text,
      scope: text,
      jwks: { type: 'object' },
      jwks_uri: url,
      launch_url: url,
      logo_uri: url,
    },
  ),
  Client: object(
    { client_id: text },
    { client_secret: text, registration_access_token: text, registration_client_uri: url, status: text },
  ),
  ProtectedResource: object({ resource: url, authorization_servers: list(url), scopes_supported: list(text) }),
  Discovery: object({ issuer: url, authorization_endpoint: url, token_endpoint: url, jwks_uri: url }),
  KeySet: object({ keys: list(object({ kty: text, kid: text })) }),
  Launch: object(
    { client_id: text },
    {
      user: text,
      patient: text,
      encounter: text,
      imaging_study: text,
      topic: text,
      intent: text,
      tenant: text,
      need_patient_banner: { type: 'boolean' },
      embedded: { type: 'boolean' },
    },
  ),
  Launched: object({ launch_url: url, launch: text, expires_in: seconds }),
  UserInfo: object({ sub: text }, { fhirUser: url, profile: url }),
  OAuthError: object({ error: text }, { error_description: text }),
  Health: object({ status: text }, { warnings: list(text) }),
  Resource: object({ resourceType: text }, { id: text, meta: { type: 'object' } }),
  Bundle: object({ resourceType: { const: 'Bundle' }, type: text }, { total: seconds, entry: { type: 'array' } }),
  CapabilityStatement: object({
    resourceType: { const: 'CapabilityStatement' },
    fhirVersion: text,
    rest: { type: 'array' },
  }),
  OperationOutcome: object({
    resourceType: { const: 'OperationOutcome' },
    issue: list(object({ severity: text, code: text }, { diagnostics: text })),
  }),
  JsonPatch: list(object({ op: text, path: text })),
  Server: object({ version: text, origin: url, hubUrl: url }, { fhirUrl: url }),
  NewBackup: object({ path: text }),
} as const satisfies Readonly<Record<string, Schema>>;
