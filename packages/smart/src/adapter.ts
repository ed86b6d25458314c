import type { RecordStore } from '@lockstep/store';
import Provider, { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import type { BearerTokens, GrantContext } from './access.ts';
import { type Client, isPublic } from './client.ts';
import type { Clients } from './clients.ts';
import type { Clock } from './ports.ts';
import { RecordRepository } from './repository.ts';
import { digest } from './secrets.ts';
import type { SignIns } from './sign-ins.ts';

/** Where the adapter leaves a grant's context for the answer of the request that loaded it. */
const CONTEXT = Symbol('grant context');

/** The context of the grant that the current request of the provider has loaded. */
export function loadedContext(state: object | undefined): GrantContext | undefined {
  return (state as { [CONTEXT]?: GrantContext } | undefined)?.[CONTEXT];
}

/** Where the key is left that the tokens of the request being answered are bound to. */
const BINDING = Symbol('key of the tokens');

interface Binding {
  readonly client: Client;
  /** Thumbprint of the key (RFC 9449). */
  readonly jkt: string | undefined;
}

/** The tokens that the provider makes in answer to this request are bound to a key. */
export function bindTokens(state: object, binding: Binding): void {
  (state as { [BINDING]?: Binding })[BINDING] = binding;
}

/** The key that a token is bound to; a refresh token of a client that authenticates needs none. */
function boundTo(model: string): { readonly jkt?: string } {
  if (model === 'AuthorizationCode') return {};
  const { client, jkt } = (Provider.ctx?.state as { [BINDING]?: Binding } | undefined)?.[BINDING] ?? {};
  if (client === undefined || jkt === undefined) return {};
  return model === 'AccessToken' || isPublic(client) ? { jkt } : {};
}

interface Parts {
  readonly store: RecordStore;
  readonly clock: Clock;
  readonly access: BearerTokens;
  readonly clients: Clients;
  readonly signIns: SignIns;
}

type Fields = Omit<AdapterPayload, 'jti'>;

/**
 * Tokens are kept under their digest and without themselves. The key that a code was asked for with is kept as `tokenKey`:
 * the token endpoint checks it, and the provider would look for a proof of its own by `dpopJkt`.
 */
function kept({ jti: _, dpopJkt, ...fields }: AdapterPayload): Fields {
  return dpopJkt === undefined ? fields : { ...fields, tokenKey: dpopJkt };
}

function notUsed(): never {
  throw new Error('this part of the provider is switched off');
}

/** What all models share; each model says only what is its own. */
class Unsupported implements Adapter {
  async upsert(_id: string, _payload: AdapterPayload, _expiresIn: number): Promise<undefined> {
    return notUsed();
  }
  async find(_id: string): Promise<AdapterPayload | undefined> {
    return undefined;
  }
  async findByUserCode(): Promise<undefined> {
    return notUsed();
  }
  async findByUid(_uid: string): Promise<AdapterPayload | undefined> {
    return notUsed();
  }
  async consume(_id: string): Promise<undefined> {
    return notUsed();
  }
  async destroy(_id: string): Promise<undefined> {
    return notUsed();
  }
  async revokeByGrantId(_grantId: string): Promise<undefined> {
    return notUsed();
  }
}

function expiry(clock: Clock, expiresIn: number | undefined): { expiresAt?: number } {
  return expiresIn === undefined ? {} : { expiresAt: clock.now() + expiresIn * 1000 };
}

/** Codes, refresh tokens and access tokens. */
class TokenAdapter extends Unsupported {
  readonly #records: RecordRepository<AdapterPayload>;
  readonly #clock: Clock;
  readonly #access: BearerTokens;
  readonly #model: string;

  constructor(model: string, records: RecordRepository<AdapterPayload>, clock: Clock, access: BearerTokens) {
    super();
    this.#model = model;
    this.#records = records;
    this.#clock = clock;
    this.#access = access;
  }

  override async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<undefined> {
    await this.#records.put(digest(id), { ...kept(payload), ...boundTo(this.#model) }, expiry(this.#clock, expiresIn));
  }

  override async find(id: string): Promise<AdapterPayload | undefined> {
    const stored = await this.#records.find(digest(id));
    if (!stored) return undefined;
    const consumed = stored.consumedAt === undefined ? {} : { consumed: Math.floor(stored.consumedAt / 1000) };
    return { ...stored.value, ...consumed, jti: id };
  }

  /** Exactly one caller consumes; any other presents the token a second time, which ends the grant (AUT-6, TOK-4). */
  override async consume(id: string): Promise<undefined> {
    if (await this.#records.consume(digest(id))) return;
    const grantId = (await this.#records.get(digest(id)))?.grantId;
    if (grantId) await this.#access.endGrant(grantId, 'a code or refresh token was used twice');
    throw new errors.InvalidGrant('used before');
  }

  override async destroy(id: string): Promise<undefined> {
    await this.#records.delete(digest(id));
  }

  override async revokeByGrantId(grantId: string): Promise<undefined> {
    await this.#records.deleteBy('grant', grantId);
  }
}

class GrantAdapter extends Unsupported {
  readonly #access: BearerTokens;
  readonly #clock: Clock;

  constructor(access: BearerTokens, clock: Clock) {
    super();
    this.#access = access;
    this.#clock = clock;
  }

  /** Keeps the context that the grant has. */
  override async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<undefined> {
    const context = this.#access.contexts.get(id) ?? (await this.#access.grants.get(id))?.context;
    await this.#access.grants.put(id, context ? { payload, context } : { payload }, expiry(this.#clock, expiresIn));
  }

  override async find(id: string): Promise<AdapterPayload | undefined> {
    const record = await this.#access.grants.get(id);
    const state = Provider.ctx?.state as { [CONTEXT]?: GrantContext } | undefined;
    if (state && record?.context) state[CONTEXT] = record.context;
    return record?.payload;
  }

  override async destroy(id: string): Promise<undefined> {
    await this.#access.endGrant(id, 'a code or refresh token was used twice');
  }
}

/** Browser sessions: they live as long as the sign-in they stand for, under whatever id. */
class SessionAdapter extends Unsupported {
  readonly #signIns: SignIns;

  constructor(signIns: SignIns) {
    super();
    this.#signIns = signIns;
  }

  override upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<undefined> {
    return this.#signIns.saveSession(id, payload, expiresIn);
  }
  override find(id: string): Promise<AdapterPayload | undefined> {
    return this.#signIns.session(id);
  }
  override findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#signIns.sessionByUid(uid);
  }
  override async destroy(id: string): Promise<undefined> {
    await this.#signIns.dropSession(id);
  }
}

class InteractionAdapter extends Unsupported {
  readonly #records: RecordRepository<AdapterPayload>;
  readonly #clock: Clock;

  constructor(store: RecordStore, clock: Clock) {
    super();
    this.#records = new RecordRepository(store, clock, 'interaction');
    this.#clock = clock;
  }

  override async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<undefined> {
    await this.#records.put(id, payload, expiry(this.#clock, expiresIn));
  }
  override find(id: string): Promise<AdapterPayload | undefined> {
    return this.#records.get(id);
  }
  override async destroy(id: string): Promise<undefined> {
    await this.#records.delete(id);
  }
}

/** Clients as the provider needs them. They are authenticated before it sees them, so it is given `none`. */
export function providerMetadata(client: Client): AdapterPayload {
  const native = client.redirectUris.some((uri) => !/^https?:/.test(uri));
  const codes = client.grantTypes.includes('authorization_code');
  return {
    client_id: client.id,
    client_name: client.name,
    application_type: native ? 'native' : 'web',
    token_endpoint_auth_method: 'none',
    grant_types: client.grantTypes.filter((type) => type !== 'client_credentials'),
    response_types: codes ? ['code'] : [],
    redirect_uris: [...client.redirectUris],
    id_token_signed_response_alg: 'RS256',
    lockstep_legacy: client.switches.legacy === true,
  };
}

class ClientAdapter extends Unsupported {
  readonly #clients: Clients;

  constructor(clients: Clients) {
    super();
    this.#clients = clients;
  }

  override async find(id: string): Promise<AdapterPayload | undefined> {
    const client = await this.#clients.get(id);
    return client?.status === 'active' ? providerMetadata(client) : undefined;
  }
}

/** The provider's storage over the record store, one adapter a model. */
export function adapterFactory(parts: Parts): (model: string) => Adapter {
  const { store, clock, access, clients, signIns } = parts;
  const adapters: Readonly<Record<string, () => Adapter>> = {
    AuthorizationCode: () => new TokenAdapter('AuthorizationCode', access.codes, clock, access),
    RefreshToken: () => new TokenAdapter('RefreshToken', access.refreshTokens, clock, access),
    AccessToken: () =>
      new TokenAdapter('AccessToken', access.tokens as unknown as RecordRepository<AdapterPayload>, clock, access),
    Grant: () => new GrantAdapter(access, clock),
    Session: () => new SessionAdapter(signIns),
    Interaction: () => new InteractionAdapter(store, clock),
    Client: () => new ClientAdapter(clients),
  };
  return (model) => adapters[model]?.() ?? new Unsupported();
}
