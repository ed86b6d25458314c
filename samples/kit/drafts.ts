/** What was typed and not saved, kept in this browser until it is saved or discarded: no closed window loses it (HZ-15). */

export interface DraftStore<T> {
  /** @param key what the draft is of, such as a report's id */
  get(key: string): T | undefined;
  set(key: string, draft: T): void;
  clear(key: string): void;
}

/**
 * @param app id of the app
 * @param user whose drafts they are: others at the same computer do not get them
 * @param isDraft distinguishes a draft from whatever else may lie in storage
 */
export function draftStore<T>(
  app: string,
  user: string,
  isDraft: (value: unknown) => value is T,
  storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> = localStorage,
): DraftStore<T> {
  const slot = (key: string): string => `draft ${app} ${user} ${key}`;
  return {
    get(key) {
      try {
        const value: unknown = JSON.parse(storage.getItem(slot(key)) ?? 'null');
        return isDraft(value) ? value : undefined;
      } catch {
        return undefined;
      }
    },
    set(key, draft) {
      try {
        storage.setItem(slot(key), JSON.stringify(draft));
      } catch {
        // Full, or closed to pages: the page still asks before it is left.
      }
    },
    clear(key) {
      try {
        storage.removeItem(slot(key));
      } catch {
        // Closed to pages: there is nothing to clear.
      }
    },
  };
}
