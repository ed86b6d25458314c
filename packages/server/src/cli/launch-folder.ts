/** A folder that launches are dropped into (LAU-1). */
import { watch } from 'node:fs';
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LaunchError, type LaunchParameters, parseLaunchFile } from '@lockstep/fhircast';

/** A launch file is small; larger ones are something else. Bytes. */
const MAX_SIZE = 64 * 1024;

export interface FolderEvents {
  launched(launch: LaunchParameters, name: string): void;
  /** A file that is no launch, reported once for each content. */
  unreadable(name: string, reason: string): void;
}

/** Takes launches out of a folder, each exactly once; other watchers of the same folder never get the same one. */
export class LaunchFolder {
  readonly #folder: string;
  readonly #events: FolderEvents;
  /** Files that could not be read, with their time of change: they may not be whole yet. */
  readonly #unreadable = new Map<string, number>();

  constructor(folder: string, events: FolderEvents) {
    this.#folder = folder;
    this.#events = events;
  }

  /**
   * Watches until the signal aborts; what lies there already is taken first.
   * @throws Error when the folder cannot be watched
   */
  async watch(signal: AbortSignal): Promise<void> {
    let again = false;
    let looking: Promise<void> | undefined;
    let fail: (error: unknown) => void = () => undefined;
    const look = (): void => {
      again = true;
      looking ??= (async () => {
        while (again) {
          again = false;
          await this.#take();
        }
      })()
        .catch((error) => fail(error))
        .finally(() => {
          looking = undefined;
        });
    };
    const watcher = watch(this.#folder, { persistent: true }, look);
    try {
      const ended = new Promise<void>((resolve, reject) => {
        fail = reject;
        watcher.once('error', reject);
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      look();
      await ended;
    } finally {
      watcher.close();
      await looking;
    }
  }

  async #take(): Promise<void> {
    for (const name of (await readdir(this.#folder)).sort()) {
      if (/^\./.test(name) || !/\.(json|ini|txt|launch)$/i.test(name)) continue;
      await this.#takeFile(name);
    }
  }

  async #takeFile(name: string): Promise<void> {
    const path = join(this.#folder, name);
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile() || this.#unreadable.get(name) === found.mtimeMs) return;
    let launch: LaunchParameters;
    try {
      if (found.size > MAX_SIZE) throw new LaunchError('it is too large for a launch file');
      launch = parseLaunchFile(await readFile(path, 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      // A program may still be writing it: it is read again once it has changed.
      this.#unreadable.set(name, found.mtimeMs);
      this.#events.unreadable(name, (error as Error).message);
      return;
    }
    // Who renames it has it.
    const taken = join(this.#folder, `.${name}.taken`);
    const mine = await rename(path, taken).then(
      () => true,
      () => false,
    );
    if (!mine) return;
    await rm(taken, { force: true });
    this.#unreadable.delete(name);
    this.#events.launched(launch, name);
  }
}
