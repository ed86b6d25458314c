/** Applications that run in frames of the EHR. None is closed, moved or signed out of before it was asked for unsaved text. */
import { askUnsaved } from '@lockstep/client/unsaved';
import { toPlainText } from '@lockstep/fhircast';
import type { App } from '../api.ts';
import { Watchable } from '../store.ts';

export interface DockedApp {
  /** Counts runs: the same app may run twice. */
  readonly run: number;
  readonly app: App;
  /** The address that it was started at. */
  readonly url: string;
}

/** What an application has not saved, in its own words. */
export interface UnsavedWork {
  readonly app: string;
  readonly what: string;
}

/** What would be done to applications with unsaved work. */
export type AppLeaving = 'close' | 'move' | 'sign-out';

export interface LeavingQuestion {
  readonly works: readonly UnsavedWork[];
  readonly leaving: AppLeaving;
  answer(goOn: boolean): void;
}

/** An application that does not know the question has this long to answer it, ms. */
const ANSWER_WITHIN = 500;

/** Characters of what an application says that are kept. */
const MOST_WORDS = 1_000;

/** Words of an application as they are shown: bounded, and without what hides or turns others. '…' where nothing is left. */
export function shownWords(words: string): string {
  const kept = words.slice(0, MOST_WORDS).replaceAll(/[\s\u0085]+/g, ' ');
  return toPlainText(kept).trim() || '…';
}

/** What an application keeps of the height that it shares with its neighbour. */
export const LEAST_PART = 0.15;

export class DockedApps {
  readonly running = new Watchable<readonly DockedApp[]>([]);
  /** How much of the height an application has, by its id, where the person has changed it: 1 unless it says otherwise. */
  readonly shares = new Watchable<Readonly<Record<string, number>>>({});
  /** What the person is asked. */
  readonly question = new Watchable<LeavingQuestion | undefined>(undefined);
  readonly #frames = new Map<number, Window>();
  #runs = 0;

  start(app: App, url: string): void {
    this.running.update((all) => [...all, { run: ++this.#runs, app, url }]);
  }

  /** @param page the window of the frame; null once the frame is gone */
  attach(run: number, page: Window | null): void {
    if (page) this.#frames.set(run, page);
    else this.#frames.delete(run);
  }

  /** Closes an application, if nothing unsaved is lost by it or the person says so. */
  async close(one: DockedApp): Promise<void> {
    if (await this.mayLeave([one], 'close')) this.#remove(one);
  }

  /**
   * Moves an application to a window of its own, if nothing unsaved is lost by it or the person says so.
   * @param open opens the window. @throws what `open` throws; the application stays where it is then
   */
  async move(one: DockedApp, open: () => Promise<unknown>): Promise<void> {
    if (!(await this.mayLeave([one], 'move'))) return;
    await open();
    this.#remove(one);
  }

  /** @returns what the application has of the height, against 1 of another */
  shareOf(id: string): number {
    return this.shares.get()[id] ?? 1;
  }

  /** Gives an application this part of what it and the one below it have together. @param part 0 to 1; neither vanishes */
  divide(above: DockedApp, below: DockedApp, part: number): void {
    const both = this.shareOf(above.app.id) + this.shareOf(below.app.id);
    const kept = Math.min(Math.max(part, LEAST_PART), 1 - LEAST_PART);
    this.shares.update((now) => ({ ...now, [above.app.id]: both * kept, [below.app.id]: both * (1 - kept) }));
  }

  #remove({ run }: DockedApp): void {
    this.running.update((all) => all.filter((one) => one.run !== run));
  }

  /**
   * Whether the applications may be left: they have nothing unsaved, or the person says so.
   * @param elsewhere what applications have unsaved that are left too, and do not run here
   */
  async mayLeave(
    apps: readonly DockedApp[],
    leaving: AppLeaving,
    elsewhere?: Promise<readonly UnsavedWork[]>,
  ): Promise<boolean> {
    const docked = (await Promise.all(apps.map((one) => this.#ask(one)))).flat();
    const others = ((await elsewhere) ?? []).filter(({ app }) => !docked.some((one) => one.app === app));
    const works = [...docked, ...others.map(({ app, what }) => ({ app, what: shownWords(what) }))];
    if (works.length === 0) return true;
    // A newer question takes the place of the one before.
    this.question.get()?.answer(false);
    return new Promise((resolve) => {
      const answer = (goOn: boolean): void => {
        this.question.set(undefined);
        resolve(goOn);
      };
      this.question.set({ works, leaving, answer });
    });
  }

  async #ask({ run, app }: DockedApp): Promise<readonly UnsavedWork[]> {
    const page = this.#frames.get(run);
    const origin = URL.parse(app.launchUrl ?? '')?.origin;
    if (!page || !origin) return [];
    const what = await askUnsaved(page, origin, ANSWER_WITHIN);
    return what ? [{ app: app.name, what: shownWords(what) }] : [];
  }
}
