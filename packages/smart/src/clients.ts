import { randomUUID } from 'node:crypto';
import type { RecordStore } from '@lockstep/store';
import { type Client, isAsymmetric, isPublic } from './client.ts';
import { type ClientProfile, type Metadata, readMetadata, toMetadata } from './client-metadata.ts';
import { OAuthError } from './oauth-error.ts';
import type { Clock } from './ports.ts';
import { Repository } from './repository.ts';
import { digest, randomToken } from './secrets.ts';

/** How long another node's change of a registration may go unnoticed, ms. */
const FRESH_FOR = 2000;

export interface NewClient {
  readonly client: Client;
  /** Shown once (REG-1); undefined for public and asymmetric clients. */
  readonly secret?: string;
  /** Shown once; authorizes RFC 7592 requests. */
  readonly registrationToken: string;
}

/** What becomes of a client: tokens of a suspended or deleted one end at once. */
export type ClientEnd = (clientId: string, reason: string) => Promise<void>;

/** The registered apps (REG-1, REG-3). */
export class Clients {
  readonly #records: Repository<Client>;
  readonly #clock: Clock;
  readonly #insecureAllowed: boolean;
  readonly #end: ClientEnd;
  readonly #cache = new Map<string, { client: Client | undefined; readAt: number }>();
  /** Grows with every change, so that what was read before one does not enter the cache after it. */
  #changes = 0;
  readonly #listeners = new Set<(id: string) => void | Promise<void>>();

  /** @param end ends the access of a client that is suspended, deleted or narrowed */
  constructor(store: RecordStore, clock: Clock, options: { insecureAllowed: boolean; end: ClientEnd }) {
    this.#clock = clock;
    this.#insecureAllowed = options.insecureAllowed;
    this.#end = options.end;
    this.#records = new Repository<Client>(store, clock, 'client', (client) => ({ origin: client.origins }));
  }

  /** Reads through a cache that changes empty, and that those nobody told outlive by two seconds. */
  async get(id: string): Promise<Client | undefined> {
    const cached = this.#cache.get(id);
    if (cached && this.#clock.now() - cached.readAt < FRESH_FOR) return cached.client;
    const changes = this.#changes;
    const client = await this.#records.get(id);
    if (changes !== this.#changes) return client;
    if (this.#cache.size > 10_000) this.#cache.clear();
    if (client) this.#cache.set(id, { client, readAt: this.#clock.now() });
    else this.#cache.delete(id);
    return client;
  }

  async list(): Promise<readonly Client[]> {
    return (await this.#records.list()).map(({ value }) => value);
  }

  /** Whether any active client registered this origin (CORS preflights name no client). */
  async knowsOrigin(origin: string): Promise<boolean> {
    const found = await this.#records.findBy('origin', origin);
    return found.some(({ value }) => value.status === 'active');
  }

  /**
   * Registers an app from RFC 7591 metadata.
   * @throws OAuthError when the metadata cannot be accepted; nothing is changed then
   */
  async add(
    metadata: Metadata,
    options: { status: 'active' | 'waiting'; trusted?: boolean; id?: string; secret?: string },
  ): Promise<NewClient> {
    const profile = readMetadata(metadata, this.#insecureAllowed);
    const secret = isPublic(profile) || isAsymmetric(profile) ? undefined : (options.secret ?? randomToken());
    const registrationToken = randomToken();
    const client: Client = {
      ...profile,
      id: options.id ?? randomUUID(),
      trusted: options.trusted ?? false,
      status: options.status,
      registeredAt: this.#clock.now(),
      registrationTokenDigest: digest(registrationToken),
      ...(secret === undefined ? {} : { secretDigest: digest(secret) }),
    };
    if (!(await this.#records.put(client.id, client, { condition: 'absent' }))) {
      throw new OAuthError('invalid_client_metadata', 'client_id is taken', 409);
    }
    return { client, registrationToken, ...(secret === undefined ? {} : { secret }) };
  }

  /**
   * The client as this metadata would make it; nothing is changed.
   * @throws OAuthError when the metadata cannot be accepted
   */
  edited(client: Client, metadata: Metadata): Client {
    return keepServerSide(client, readMetadata(metadata, this.#insecureAllowed));
  }

  /**
   * Replaces what a registration says. What the server decided (status, trust) and the secret stay; the access the client
   * has ends when its scopes, sessions or way to authenticate change.
   * @returns undefined when there is no such client
   */
  async edit(id: string, metadata: Metadata): Promise<Client | undefined> {
    const before = await this.#records.get(id);
    if (!before) return undefined;
    const profile = readMetadata(metadata, this.#insecureAllowed);
    const symmetric = !isPublic(profile) && !isAsymmetric(profile);
    if (symmetric && !before.secretDigest) {
      throw new OAuthError('invalid_client_metadata', 'a client without a secret cannot become a symmetric one');
    }
    const changed = await this.#change(id, (client) => keepServerSide(client, profile));
    const decisive = (client: ClientProfile) =>
      JSON.stringify([
        client.scope,
        client.sessionUsers,
        client.sessionWorkstations,
        client.authMethod,
        client.jwks,
        client.jwksUri,
      ]);
    if (changed && decisive(before) !== decisive(changed))
      await this.#end(id, 'the registration of the app has changed');
    return changed;
  }

  /** Merges RFC 7591 fields into the registration, `trusted` among them: an administrator's edit. */
  async patch(id: string, fields: Metadata): Promise<Client | undefined> {
    const before = await this.#records.get(id);
    if (!before) return undefined;
    const { trusted, ...metadata } = fields;
    if (trusted !== undefined && typeof trusted !== 'boolean') {
      throw new OAuthError('invalid_client_metadata', 'trusted must be true or false');
    }
    if (trusted !== undefined) await this.#change(id, (client) => ({ ...client, trusted }));
    return Object.keys(metadata).length === 0 ? this.get(id) : this.edit(id, { ...toMetadata(before), ...metadata });
  }

  /** Lets a waiting client work (REG-2), or a suspended one again. */
  activate(id: string): Promise<Client | undefined> {
    return this.#change(id, (client) => ({ ...client, status: 'active' }));
  }

  /** Ends the client's access until it is activated again. */
  async suspend(id: string): Promise<Client | undefined> {
    const client = await this.#change(id, (one) => ({ ...one, status: 'suspended' }));
    if (client) await this.#end(id, 'the app was suspended');
    return client;
  }

  async delete(id: string): Promise<boolean> {
    const deleted = await this.#records.delete(id);
    await this.#changed(id);
    if (deleted) await this.#end(id, 'the app was deleted');
    return deleted;
  }

  /** A new secret for a symmetric client; the old one is void at once. @returns undefined for other clients */
  async rotateSecret(id: string): Promise<string | undefined> {
    const secret = randomToken();
    const client = await this.#change(id, (one) => (one.secretDigest ? { ...one, secretDigest: digest(secret) } : one));
    return client?.secretDigest ? secret : undefined;
  }

  async noteLaunch(id: string): Promise<void> {
    await this.#change(id, (client) => ({ ...client, lastLaunchAt: this.#clock.now() }));
  }

  /** Tells which registration has changed or gone. @returns ends it */
  onChanged(listener: (id: string) => void | Promise<void>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Forgets what is cached of a client, which was changed here or by another node; without an id, of all. */
  invalidate(id?: string): void {
    this.#changes += 1;
    if (id === undefined) this.#cache.clear();
    else this.#cache.delete(id);
  }

  async #changed(id: string): Promise<void> {
    this.invalidate(id);
    await Promise.all([...this.#listeners].map((listener) => listener(id)));
  }

  async #change(id: string, change: (client: Client) => Client): Promise<Client | undefined> {
    const client = await this.#records.update(id, change);
    await this.#changed(id);
    return client;
  }
}

function keepServerSide(client: Client, profile: ClientProfile): Client {
  const { id, trusted, status, registeredAt, secretDigest, registrationTokenDigest, lastLaunchAt } = client;
  return {
    ...profile,
    id,
    trusted,
    status,
    registeredAt,
    ...(secretDigest && profile.authMethod.startsWith('client_secret') ? { secretDigest } : {}),
    ...(registrationTokenDigest ? { registrationTokenDigest } : {}),
    ...(lastLaunchAt ? { lastLaunchAt } : {}),
  };
}
