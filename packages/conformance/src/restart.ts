import { spawn } from 'node:child_process';
import { CheckFailure, CheckSkip, stepping } from './expecting.ts';
import { pause } from './pause.ts';

/** Restarts the Hub under test: resolves once it was stopped and started again. @throws when that was not possible */
export type RestartHub = () => Promise<void>;

/** How long a Hub may take until it answers again, ms. */
const COMING_BACK = 60_000;

/** One restart for all checks that need one: it comes when each of those that run has done what it does before. */
export class SharedRestart {
  readonly #restart: RestartHub;
  readonly #answers: () => Promise<boolean>;
  readonly #patienceMs: number;
  readonly #ended: AbortSignal;
  readonly #waiting: ((restarted: Promise<void>) => void)[] = [];
  #running = 0;

  /**
   * @param answers whether the Hub answers at all
   * @param slowness factor on how long the Hub may take to come back
   * @param ended ends the run: nothing is restarted any more
   */
  constructor(restart: RestartHub, answers: () => Promise<boolean>, slowness: number, ended: AbortSignal) {
    this.#restart = restart;
    this.#answers = answers;
    this.#patienceMs = COMING_BACK * slowness;
    this.#ended = ended;
  }

  /** Runs a check that may wait for a restart. */
  async during<T>(run: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await run();
    } finally {
      this.#running -= 1;
      this.#go();
    }
  }

  /**
   * Waits until the Hub was restarted and answers.
   * @throws CheckSkip where it could not be restarted
   * @throws CheckFailure where it does not come back
   */
  async restarted(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      this.#go();
    });
  }

  #go(): void {
    if (this.#ended.aborted || this.#waiting.length === 0 || this.#waiting.length < this.#running) return;
    const restarted = stepping('restart', () => this.#once());
    for (const resolve of this.#waiting.splice(0)) resolve(restarted);
  }

  async #once(): Promise<void> {
    try {
      await this.#restart();
    } catch (error) {
      throw new CheckSkip(`The Hub could not be restarted: ${error instanceof Error ? error.message : error}`);
    }
    const deadline = performance.now() + this.#patienceMs;
    while (!(await this.#answers())) {
      const seconds = Math.round(this.#patienceMs / 1000);
      if (performance.now() > deadline) throw new CheckFailure(`an answer within ${seconds} s of a restart`, 'none');
      await pause(200);
    }
  }
}

/** Restarts a Hub by a shell command that ends once the Hub runs again, or is about to. `FHIRCAST_HUB_URL` is in its environment. */
export function restartBy(command: string, hubUrl: string): RestartHub {
  return () =>
    new Promise((resolve, reject) => {
      // What the command starts may go on: its output is not waited for.
      const child = spawn(command, {
        shell: true,
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, FHIRCAST_HUB_URL: hubUrl },
      });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(0, 300);
      });
      child.on('error', reject);
      child.on('exit', (code, signal) => {
        child.stderr.destroy();
        if (code === 0) resolve();
        else reject(new Error(`the restart command ended with ${code ?? signal} ${said}`.trim()));
      });
    });
}
