/** What a page keeps in the browser. Where storage is closed to pages, or full, it lasts as long as the page. */
const here = new Map<string, string>();

export type KeyStorage = Pick<Storage, 'getItem' | 'setItem'>;

/** @param open `localStorage` or `sessionStorage`: naming it throws where it is closed */
function lasting(open: () => Storage): KeyStorage {
  return {
    getItem(key) {
      const value = here.get(key);
      if (value !== undefined) return value;
      try {
        return open().getItem(key);
      } catch {
        return null;
      }
    },
    setItem(key, value) {
      try {
        open().setItem(key, value);
        here.delete(key);
      } catch {
        here.set(key, value);
      }
    },
  };
}

/** Kept for every window of the browser. */
export const browserStorage = lasting(() => localStorage);

/** Kept for this tab, also when it is loaded again. */
export const tabStorage = lasting(() => sessionStorage);
