/** Two windows of one person are two applications in the session: each has a name of its own. */

export interface WindowName {
  readonly name: string;
  /** Lets another window have it. */
  readonly release: () => void;
}

const nameOf = (number: number): string => (number === 1 ? 'EHR' : `EHR (window ${number})`);

/** Takes the lock if it is free. @returns its release; undefined when another window has it */
function take(locks: LockManager, lock: string): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    locks
      .request(lock, { ifAvailable: true }, (granted) => {
        if (!granted) {
          resolve(undefined);
          return undefined;
        }
        return new Promise<void>((release) => resolve(release));
      })
      .catch(reject);
  });
}

export interface WindowNameParts {
  readonly topic: string;
  /** Names of the applications that are in the session: another browser's windows are among them. */
  readonly inUse: readonly string[];
  /** Of the browser, which releases what a closed window held. Pages without https have none. */
  readonly locks: LockManager | undefined;
  /** Of this window alone: a page that is loaded again keeps its name. */
  readonly storage: Pick<Storage, 'getItem' | 'setItem'>;
}

/** Takes the name that this window had before, else the first that no other window of the session has. */
export async function takeWindowName({ topic, inUse, locks, storage }: WindowNameParts): Promise<WindowName> {
  const key = `lockstep-window ${topic}`;
  const before = Number(storage.getItem(key));
  const free = (number: number): boolean => !inUse.includes(nameOf(number));
  const candidates = [...(before > 0 ? [before] : []), ...Array.from({ length: inUse.length + 50 }, (_, i) => i + 1)];
  for (const number of candidates) {
    if (number !== before && !free(number)) continue;
    const release = locks ? await take(locks, `lockstep-ehr ${topic} ${number}`) : () => undefined;
    if (!release) continue;
    storage.setItem(key, String(number));
    return { name: nameOf(number), release };
  }
  return { name: nameOf(candidates.length), release: () => undefined };
}
