export type UnusableReason =
  | 'in-use'
  | 'not-a-database'
  | 'foreign'
  | 'newer-schema'
  | 'unreadable'
  | 'damaged'
  | 'full';

/**
 * The file cannot serve as a store; nothing in it was changed.
 *
 * - `in-use`: another process, or another store of this one, has it open
 * - `not-a-database`: it is no SQLite file
 * - `foreign`: it is a SQLite file of another program
 * - `newer-schema`: a newer version of Lockstep wrote it
 * - `damaged`: changes that were made are missing from it, or entries of a log are not as they were written
 * - `full`: its disk has no room to make it, or to bring it to a newer form
 * - `unreadable`: it cannot be opened or read: permissions, a missing folder, damage
 */
export class UnusableDatabase extends Error {
  override readonly name = 'UnusableDatabase';
  readonly path: string;
  readonly reason: UnusableReason;
  constructor(path: string, reason: UnusableReason, message: string) {
    super(message);
    this.path = path;
    this.reason = reason;
  }
}
