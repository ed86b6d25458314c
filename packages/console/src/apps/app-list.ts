/** The apps that there are, as the pages that list them show them. */
import { useEffect } from 'react';
import { type App, getAll } from '../api.ts';
import { PagesRead, type PagesState } from '../pages-read.ts';
import { useStore } from '../store.ts';

type Apps = readonly App[];

export class AppList {
  // The server's pages are read as one: what is listed is searched and put in order here.
  readonly #read = new PagesRead<Apps>(
    () => getAll<App>('/api/console/apps'),
    () => true,
  );
  readonly state = this.#read.state;
  #reads = 0;

  /** Reads it: nothing tells that an app was registered elsewhere. @returns when it has been read */
  readonly read = (): Promise<void> => this.#read.ask(String(++this.#reads));
}

export interface KnownApps {
  /** Undefined until they have been read once. */
  readonly data: Apps | undefined;
  /** Why they could not be read; undefined where they could. */
  readonly error: unknown;
}

const known = ({ pages: [data], error }: PagesState<Apps>): KnownApps => ({ data, error });

/** Every page that lists the apps reads them again when it opens. */
export function useApps(list: AppList): KnownApps {
  useEffect(() => void list.read(), [list]);
  return known(useStore(list.state));
}
