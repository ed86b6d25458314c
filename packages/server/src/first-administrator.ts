import { randomBytes } from 'node:crypto';
import { InvalidUser, type Users } from '@lockstep/smart';
import type { RecordStore } from '@lockstep/store';

const SETUP = 'setup';
const ADMINISTRATOR = 'administrator';

/** The first administrator's one-time password, until somebody has chosen a password of their own. */
export class FirstAdministrator {
  readonly #records: RecordStore;
  readonly #users: Users;
  readonly #now: () => number;
  /** A password was chosen, and that stays so. */
  #settled = false;

  constructor(records: RecordStore, users: Users, now: () => number) {
    this.#records = records;
    this.#users = users;
    this.#now = now;
  }

  /**
   * Makes an administrator at the first start of a server that others can reach.
   * @returns the user's name and the password to show once; undefined when there is nothing to tell
   */
  async create(): Promise<{ readonly user: string; readonly password: string } | undefined> {
    // A person of that name who signs in at an outside provider is somebody else, and takes no password.
    const id = (await this.#users.get('admin'))?.outside ? 'local-admin' : 'admin';
    const body = JSON.stringify({ user: id });
    const first = await this.#records.put(SETUP, ADMINISTRATOR, { body }, this.#now(), 'absent');
    const known = await this.#users.get(id);
    // A process that began this may have ended before the user was there.
    if (first === undefined && (known || !(await this.#isPending(body)))) return undefined;
    const password = randomBytes(12).toString('base64url');
    try {
      if (known) await this.#users.edit(id, { administrator: true, password });
      else await this.#users.add({ id, name: 'Administrator', administrator: true, password });
    } catch (error) {
      // Another node that starts at the same time has made the user, and shows the password.
      if (error instanceof InvalidUser && (await this.#users.get(id))) return undefined;
      throw error;
    }
    return { user: id, password };
  }

  async #isPending(body: string): Promise<boolean> {
    if ((await this.#records.get(SETUP, ADMINISTRATOR, this.#now()))?.body !== body) return false;
    return !(await this.#users.list()).some(({ administrator }) => administrator);
  }

  /** Whether the user must choose a password before anything else, at whichever node. */
  async mustChoose(user: string): Promise<boolean> {
    if (this.#settled) return false;
    const stored = await this.#records.get(SETUP, ADMINISTRATOR, this.#now());
    if (!stored) return false;
    const { user: first } = JSON.parse(stored.body) as { user?: string };
    this.#settled = first === undefined;
    // Linked to an outside provider meanwhile, the one-time password is gone.
    return first === user && (await this.#users.get(user))?.outside === undefined;
  }

  /** The user has chosen one. */
  async chosen(user: string): Promise<void> {
    if (!(await this.mustChoose(user))) return;
    await this.#records.put(SETUP, ADMINISTRATOR, { body: '{}' }, this.#now());
    this.#settled = true;
  }
}
