import { ENGLISH, type Said, said } from '../pages/page-language.ts';
import type { AuditEntry } from '../ports.ts';
import { defaultReference, InvalidUser, type UserProfile, type Users } from '../users.ts';
import type { OutsidePerson } from './claims.ts';
import type { OutsideOptions } from './options.ts';

/** The person is who they say, and may not come in all the same; the problem says why. */
export class NotLetIn extends Error {
  override readonly name = 'NotLetIn';
  readonly problem: Said;

  constructor(problem: Said) {
    super(ENGLISH.say(problem));
    this.problem = problem;
  }
}

/** Which user an outside person is: by issuer and subject, and by nothing else once that is settled (REG-4). */
export class OutsidePeople {
  readonly #users: Users;
  readonly #options: OutsideOptions;
  readonly #audit: (entry: AuditEntry) => void;

  constructor(users: Users, options: OutsideOptions, audit: (entry: AuditEntry) => void) {
    this.#users = users;
    this.#options = options;
    this.#audit = audit;
  }

  /**
   * The person's user, made or linked at the first sign-in, brought up to date at each.
   * @throws NotLetIn
   */
  async userOf(person: OutsidePerson): Promise<UserProfile> {
    try {
      const user =
        (await this.#users.byOutside(person.identity)) ?? (await this.#first(person).catch(this.#orMeanwhile(person)));
      if (user.status !== 'active') throw new NotLetIn(said('Your account here is suspended. Ask an administrator.'));
      return await this.#upToDate(user, person);
    } catch (error) {
      if (!(error instanceof InvalidUser)) throw error;
      throw new NotLetIn({ ...said('Your account cannot be used here:'), detail: `${error.message}.` });
    }
  }

  async #first(person: OutsidePerson): Promise<UserProfile> {
    const { identity, userName } = person;
    const { name, newUsers, linkByName } = this.#options;
    const before = await this.#users.get(userName);
    if (before) {
      const linked = linkByName && !before.outside ? await this.#users.linkOutside(before.id, identity) : undefined;
      if (!linked) throw taken(userName);
      this.#audit({ action: 'user.link', user: linked.id });
      return linked;
    }
    // A name by which others mean somebody else: their applications would follow the wrong person.
    if (await this.#users.resolve(userName)) throw taken(userName);
    if (!newUsers) throw new NotLetIn(said('{} knows you, but you are no user here yet. Ask an administrator.', name));
    const reference = person.reference ?? defaultReference(userName);
    await this.#notAnothers(reference);
    const added = await this.#users.addOutside(
      { id: userName, name: person.name, reference, administrator: person.administrator ?? false },
      identity,
    );
    this.#audit({ action: 'user.add', user: added.id });
    return added;
  }

  /** The same person may have come by another window in the same moment, and be the user who is in the way. */
  #orMeanwhile({ identity }: OutsidePerson): (error: unknown) => Promise<UserProfile> {
    return async (error) => {
      const user = await this.#users.byOutside(identity);
      if (!user) throw error;
      return user;
    };
  }

  /** Sessions and records follow the FHIR resource: no one comes into another's by a name that looks alike. */
  async #notAnothers(reference: string, own?: string): Promise<void> {
    const others = (await this.#users.withReference(reference)).filter(({ id }) => id !== own);
    if (others.length > 0)
      throw new NotLetIn(said('Another user here stands for {} already. Ask an administrator.', reference));
  }

  async #upToDate(user: UserProfile, person: OutsidePerson): Promise<UserProfile> {
    const { name, administrator = user.administrator, reference = user.reference } = person;
    if (name === user.name && administrator === user.administrator && reference === user.reference) return user;
    if (reference !== user.reference) await this.#notAnothers(reference, user.id);
    if (administrator !== user.administrator) {
      this.#audit({ action: administrator ? 'user.administrator' : 'user.no-administrator', user: user.id });
    }
    return (await this.#users.edit(user.id, { name, administrator, reference })) ?? user;
  }
}

function taken(userName: string): NotLetIn {
  return new NotLetIn(said('There is another user {} here already. Ask an administrator.', userName));
}
