import { randomBytes } from 'node:crypto';
import type { Users } from '@lockstep/smart';
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
   * @returns the user's name and the password to tell once; undefined when there is nothing to tell
   */
  async create(): Promise<{ readonly user: string; readonly password: string } | undefined> {
    const body = JSON.stringify({ user: 'admin' });
    const first = await this.#records.put(SETUP, ADMINISTRATOR, { body }, this.#now(), 'absent');
    if (first === undefined) return undefined;
    const password = randomBytes(12).toString('base64url');
    const known = await this.#users.get('admin');
    if (known) await this.#users.edit('admin', { administrator: true, password });
    else await this.#users.add({ id: 'admin', name: 'Administrator', administrator: true, password });
    return { user: 'admin', password };
  }

  /** Whether the user must choose a password before anything else, at whichever node. */
  async mustChoose(user: string): Promise<boolean> {
    if (this.#settled) return false;
    const stored = await this.#records.get(SETUP, ADMINISTRATOR, this.#now());
    if (!stored) return false;
    const { user: first } = JSON.parse(stored.body) as { user?: string };
    this.#settled = first === undefined;
    return first === user;
  }

  /** The user has chosen one. */
  async chosen(user: string): Promise<void> {
    if (!(await this.mustChoose(user))) return;
    await this.#records.put(SETUP, ADMINISTRATOR, { body: '{}' }, this.#now());
    this.#settled = true;
  }
}
