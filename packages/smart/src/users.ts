import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { isPlainText, MISLEADING_NAME, nameKey } from '@lockstep/fhircast';
import type { RecordStore } from '@lockstep/store';
import { passwordProblem } from './password-rules.ts';
import type { Clock } from './ports.ts';
import { RecordRepository, type RecordWrite } from './repository.ts';
import { digest } from './secrets.ts';

export interface User {
  /** The name to sign in with; lower case, and the subject of id tokens. */
  readonly id: string;
  readonly name: string;
  /** The user's FHIR resource, `Practitioner/123`. */
  readonly reference: string;
  readonly administrator: boolean;
  /** `system|value` or plain names by which other systems know the user (SES-7). */
  readonly aliases: readonly string[];
  /** A sample user signs in by one click, on loopback only. */
  readonly sample: boolean;
  readonly status: 'active' | 'suspended';
  /** `scrypt$N$r$p$salt$hash`, base64url. */
  readonly password?: string;
  /** Who the user is at the outside provider; such a user signs in there only and has no password. */
  readonly outside?: OutsideIdentity;
}

/** A person as an OpenID provider knows them: nothing else names one for good (OpenID Connect Core section 5.7). */
export interface OutsideIdentity {
  readonly issuer: string;
  readonly subject: string;
}

/** What may be shown of a user: everything but the password. */
export type UserProfile = Omit<User, 'password'>;

export interface NewUser {
  readonly id: string;
  readonly name: string;
  readonly reference?: string;
  readonly administrator?: boolean;
  readonly aliases?: readonly string[];
  readonly password?: string;
}

export const SAMPLE_USERS: readonly NewUser[] = [
  { id: 'dr-lena-okafor', name: 'Dr. Lena Okafor', reference: 'Practitioner/dr-lena-okafor', aliases: ['lokafor'] },
  {
    id: 'dr-tomas-lindqvist',
    name: 'Dr. Tomas Lindqvist',
    reference: 'Practitioner/dr-tomas-lindqvist',
    aliases: ['tlindqvist'],
  },
  { id: 'dr-mei-tanaka', name: 'Dr. Mei Tanaka', reference: 'Practitioner/dr-mei-tanaka', aliases: ['mtanaka'] },
  { id: 'admin', name: 'Administrator', reference: 'Practitioner/admin', administrator: true },
];

const COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };

/** Printable ASCII without what breaks `atob` in an id token (TOK-7). */
const USER_ID = /^[a-z0-9][a-z0-9._@+-]{0,99}$/;
const REFERENCE = /^(Practitioner|Patient|PractitionerRole|RelatedPerson|Person)\/[A-Za-z0-9.-]{1,64}$/;

export class InvalidUser extends Error {
  override readonly name = 'InvalidUser';
}

function derive(password: string, salt: Buffer, cost: typeof COST): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, 32, cost, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, COST);
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), key.toString('base64url')].join('$');
}

export async function passwordMatches(password: string, stored: string): Promise<boolean> {
  const [, n, r, p, salt = '', hash = ''] = stored.split('$');
  const cost = { ...COST, N: Number(n), r: Number(r), p: Number(p) };
  const key = await derive(password, Buffer.from(salt, 'base64url'), cost);
  const expected = Buffer.from(hash, 'base64url');
  return key.length === expected.length && timingSafeEqual(key, expected);
}

/** Compared against when a user does not exist, so that the answer takes as long (CWE-204). */
const DECOY = hashPassword(randomBytes(16).toString('base64url'));

function withoutPassword({ password: _, ...profile }: User): UserProfile {
  return profile;
}

function userRecords(store: RecordStore, clock: Clock): RecordRepository<User> {
  return new RecordRepository<User>(store, clock, 'user', (user) => ({
    reference: user.reference,
    alias: user.aliases,
    name: [...new Set(namesOf(user).map(nameKey))],
  }));
}

/** Users whom a name means: one, unless records are older than the check; two are read at most. */
async function meantBy(records: RecordRepository<User>, name: string): Promise<readonly User[]> {
  // The case as written, too: records of an earlier version have no index `name`.
  for (const [index, value] of [
    ['reference', name],
    ['alias', name],
    ['name', nameKey(name)],
  ] as const) {
    const found = await records.findBy(index, value, { limit: 2 });
    if (found.length > 0) return found.map(({ value: user }) => user);
  }
  const signIn = await records.get(nameKey(name));
  return signIn ? [signIn] : [];
}

/** Who a name means, for a Hub that starts before the authorization server does (SES-7, SES-8). */
export class UserNames {
  readonly #records: RecordRepository<User>;

  constructor(store: RecordStore, clock: Clock) {
    this.#records = userRecords(store, clock);
  }

  /** The user whom a reference, an alias or a sign-in name means, in any case. */
  async resolve(name: string): Promise<Pick<UserProfile, 'id' | 'reference' | 'aliases'> | undefined> {
    const [found] = await meantBy(this.#records, name);
    return found;
  }
}

/** The people who sign in here (REG-4). */
export class Users {
  readonly #records: RecordRepository<User>;
  /** The user that an outside identity stands for, under that identity's digest: it is given to one user only. */
  readonly #links: RecordRepository<{ readonly user: string }>;
  /** One record, written with every change of a name: of two changes at the same time the later one looks again. */
  readonly #nameChanges: RecordRepository<{ readonly at: number }>;
  readonly #clock: Clock;
  /** Changes of names in this process follow one another; only those of other nodes can come between. */
  #lastWrite: Promise<void> = Promise.resolve();
  readonly #end: (user: User, reason: string) => Promise<void>;

  /** @param end ends the access of a user who is suspended or deleted */
  constructor(store: RecordStore, clock: Clock, end: (user: User, reason: string) => Promise<void>) {
    this.#records = userRecords(store, clock);
    this.#links = new RecordRepository(store, clock, 'outside-user');
    this.#nameChanges = new RecordRepository(store, clock, 'user-name-change');
    this.#clock = clock;
    this.#end = end;
  }

  async get(id: string): Promise<UserProfile | undefined> {
    const user = await this.#records.get(id);
    return user && withoutPassword(user);
  }

  /** The user whom an outside identity was given to. */
  async byOutside(identity: OutsideIdentity): Promise<UserProfile | undefined> {
    const link = await this.#links.get(linkId(identity));
    return link && this.get(link.user);
  }

  /** The users who stand for a FHIR resource. */
  async withReference(reference: string): Promise<readonly UserProfile[]> {
    return (await this.#records.findBy('reference', reference)).map(({ value }) => withoutPassword(value));
  }

  /**
   * Makes a user of somebody who signed in at the outside provider.
   * @throws InvalidUser when a field is wrong, or the name or the identity is taken
   */
  async addOutside(user: Omit<NewUser, 'password'>, identity: OutsideIdentity): Promise<UserProfile> {
    const record = { ...(await this.#build(user, false)), outside: identity };
    await this.#writeNames(async () => {
      await this.#checkNew(record);
      if (await this.#links.get(linkId(identity))) throw new InvalidUser('the identity is that of another user');
      return [this.#records.write(record.id, record, { condition: 'absent' }), this.#link(record.id, identity)];
    });
    return withoutPassword(record);
  }

  /**
   * Gives an outside identity to a user who was here before: the password is gone, and so is the sample's one click.
   * @returns undefined when there is no such user, or one of the two was linked already
   */
  async linkOutside(id: string, identity: OutsideIdentity): Promise<UserProfile | undefined> {
    const stored = await this.#records.find(id);
    if (!stored || stored.value.outside) return undefined;
    const { password: _, ...user } = stored.value;
    const record: User = { ...user, sample: false, outside: identity };
    const writes = [this.#records.write(id, record, { condition: stored.revision }), this.#link(id, identity)];
    return (await this.#records.putAll(writes)) ? withoutPassword(record) : undefined;
  }

  #link(user: string, identity: OutsideIdentity) {
    return this.#links.write(linkId(identity), { user }, { condition: 'absent' });
  }

  /** All users: for work that is not a request's. */
  async list(): Promise<readonly UserProfile[]> {
    return (await this.#records.list()).map(({ value }) => withoutPassword(value));
  }

  /** Some of the users, in the order of their names. `next` is the `after` of the following page. */
  async page(options: {
    readonly after?: string | undefined;
    readonly limit: number;
  }): Promise<{ readonly users: readonly UserProfile[]; readonly next?: string }> {
    const { items, next } = await this.#records.page(options);
    return { users: items.map(({ value }) => withoutPassword(value)), ...(next === undefined ? {} : { next }) };
  }

  /** The sample users who may sign in. */
  async samples(): Promise<readonly UserProfile[]> {
    const ids = SAMPLE_USERS.map(({ id }) => id).sort();
    const found = await Promise.all(ids.map((id) => this.get(id)));
    return found.filter((user) => user?.sample && user.status === 'active') as UserProfile[];
  }

  /** The user whom a reference, an alias or a sign-in name means, in any case (SES-7, SES-8). */
  async resolve(name: string): Promise<UserProfile | undefined> {
    const [found] = await meantBy(this.#records, name);
    return found && withoutPassword(found);
  }

  /** A name that meant two people would show one the patients of the other (SES-7). @throws InvalidUser */
  async #checkNames(id: string, names: Partial<Pick<NewUser, 'reference' | 'aliases'>>): Promise<void> {
    const { reference, aliases = [] } = names;
    const given = aliases.map((name) => ['aliases', name]);
    for (const [field, name = ''] of [...(reference === undefined ? [] : [['reference', reference]]), ...given]) {
      const other = (await meantBy(this.#records, name)).find((user) => user.id !== id);
      if (other) throw new InvalidUser(`${field}: ${name} means ${other.name} already`);
    }
  }

  /** @throws InvalidUser when the user is there already, or one of the names means somebody else */
  async #checkNew(user: User): Promise<void> {
    await this.#checkNames(user.id, user);
    if (await this.#records.get(user.id)) throw new InvalidUser(`there is a user ${user.id} already`);
  }

  /**
   * Writes names that were checked to be free, together with the mark that no other name was written meanwhile; looks again
   * where one was (CWE-367).
   * @param prepare checks, and says what is to be written; throws for a name that is taken
   */
  #writeNames(prepare: () => Promise<readonly RecordWrite[]>): Promise<void> {
    const turn = this.#lastWrite.then(() => this.#writeNamesNow(prepare));
    this.#lastWrite = turn.catch(() => undefined);
    return turn;
  }

  async #writeNamesNow(prepare: () => Promise<readonly RecordWrite[]>): Promise<void> {
    for (;;) {
      const mark = await this.#nameChanges.find('last');
      const writes = await prepare();
      if (writes.length === 0) return;
      const at = { at: this.#clock.now() };
      const marked = this.#nameChanges.write('last', at, { condition: mark?.revision ?? 'absent' });
      if (await this.#records.putAll([...writes, marked])) return;
    }
  }

  /** @throws InvalidUser when a field is wrong or the name is taken */
  async add(user: NewUser, options: { sample?: boolean } = {}): Promise<UserProfile> {
    const record = await this.#build(user, options.sample ?? false);
    await this.#writeNames(async () => {
      await this.#checkNew(record);
      return [this.#records.write(record.id, record, { condition: 'absent' })];
    });
    return withoutPassword(record);
  }

  /** @throws InvalidUser when a field is wrong. @returns undefined when there is no such user */
  async edit(id: string, fields: Partial<Omit<NewUser, 'id'>>): Promise<UserProfile | undefined> {
    const before = await this.#records.get(id);
    if (!before) return undefined;
    if (before.outside && fields.password !== undefined)
      throw new InvalidUser(`${id} signs in elsewhere, without a password`);
    const built = await this.#build(
      { ...before, ...fields, password: undefined, ...pickPassword(fields) },
      before.sample,
    );
    let changed: User | undefined;
    await this.#writeNames(async () => {
      await this.#checkNames(id, fields);
      const stored = await this.#records.find(id);
      changed = undefined;
      if (!stored) return [];
      const { status, sample, outside, password } = stored.value;
      changed = {
        ...built,
        status,
        sample,
        ...(outside ? { outside } : !built.password && password ? { password } : {}),
      };
      return [this.#records.write(id, changed, { condition: stored.revision })];
    });
    if (changed && changed.reference !== before.reference)
      await this.#end(before, 'the user stands for another resource');
    return changed && withoutPassword(changed);
  }

  /** Ends the user's access until activated again. */
  async suspend(id: string): Promise<UserProfile | undefined> {
    const user = await this.#records.update(id, (one) => ({ ...one, status: 'suspended' }));
    if (user) await this.#end(user, 'the user was suspended');
    return user && withoutPassword(user);
  }

  async activate(id: string): Promise<UserProfile | undefined> {
    const user = await this.#records.update(id, (one) => ({ ...one, status: 'active' }));
    return user && withoutPassword(user);
  }

  async delete(id: string): Promise<boolean> {
    const user = await this.#records.get(id);
    const deleted = await this.#records.delete(id);
    if (user?.outside) await this.#links.delete(linkId(user.outside));
    if (user && deleted) await this.#end(user, 'the user was deleted');
    return deleted;
  }

  /** @returns the user, when name and password are right and the user is active */
  async checkPassword(id: string, password: string): Promise<UserProfile | undefined> {
    const user = await this.#records.get(id.trim().toLowerCase());
    const matches = await passwordMatches(password, user?.password ?? (await DECOY));
    return user?.password && !user.outside && matches && user.status === 'active' ? withoutPassword(user) : undefined;
  }

  async addSamples(): Promise<void> {
    for (const user of SAMPLE_USERS) {
      if (await this.#records.get(user.id)) continue;
      // Another node that starts at the same time may be first.
      await this.#records.put(user.id, await this.#build(user, true), { condition: 'absent' });
    }
  }

  async #build(user: { [K in keyof NewUser]: NewUser[K] | undefined }, sample: boolean): Promise<User> {
    const id = user.id?.trim().toLowerCase() ?? '';
    if (!USER_ID.test(id)) throw new InvalidUser('a user name holds lower-case letters, digits and . _ @ + - only');
    const reference = user.reference ?? defaultReference(id);
    if (!REFERENCE.test(reference)) throw new InvalidUser('reference must look like Practitioner/123');
    if (!user.name?.trim()) throw new InvalidUser('name is missing');
    const aliases = (user.aliases ?? []).map((alias) => alias.trim());
    if (aliases.includes('')) throw new InvalidUser('aliases: a name is blank');
    if (![user.name, ...aliases].every(isPlainText)) {
      throw new InvalidUser(`name and aliases ${MISLEADING_NAME}`);
    }
    if (user.password !== undefined) {
      const why = await passwordProblem(user.password, [id, ...user.name.split(/\s+/)]);
      if (why !== undefined) throw new InvalidUser(why);
    }
    return {
      id,
      name: user.name,
      reference,
      administrator: user.administrator ?? false,
      aliases,
      sample,
      status: 'active',
      ...(user.password === undefined ? {} : { password: await hashPassword(user.password) }),
    };
  }
}

/** The FHIR resource of a user for whom none is named. */
export function defaultReference(id: string): string {
  return `Practitioner/${id.replaceAll(/[^a-z0-9.-]/g, '-')}`;
}

/** Everything that means the user (SES-7). */
function namesOf({ id, reference, aliases }: User): readonly string[] {
  return [id, reference, ...aliases];
}

function linkId({ issuer, subject }: OutsideIdentity): string {
  return digest(JSON.stringify([issuer, subject]));
}

function pickPassword(fields: { readonly password?: string }): { password?: string } {
  return fields.password === undefined ? {} : { password: fields.password };
}
