import type { Core } from './core.ts';
import type { HubEvent } from './events.ts';

/**
 * Sends a context change of ours again that somebody did not follow: as it was, at regular intervals, until all follow
 * any more or a newer one came (2.6).
 */
export class Resender {
  readonly #core: Core;
  readonly #follows: (who: string) => void;
  /** Who did not follow, and may yet. */
  readonly #who = new Set<string>();
  /** No application is known to follow since the event was last sent. */
  #again = false;
  #cancel: (() => void) | undefined;

  /** @param follows called with those who raised no objection when the event was sent again: as good as following (4.2.1) */
  constructor(core: Core, follows: (who: string) => void) {
    this.#core = core;
    this.#follows = follows;
  }

  /** A newer context came. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#who.clear();
  }

  /**
   * @param about id of the event that `who` did not follow
   * @param latest the event that made the current context
   */
  objected(who: string, about: string, latest: HubEvent | undefined): void {
    // What is not about the event will not be mended by it.
    this.#who.delete(who);
    if (!latest?.mine || latest.id !== about || Number.isNaN(latest.time)) return;
    if (this.#core.options.resendEvery === 0) return;
    this.#who.add(who);
    if (!this.#cancel) this.#wait(latest);
    this.#again = true;
  }

  #wait(event: HubEvent): void {
    const { options, ports, session } = this.#core;
    this.#again = false;
    this.#cancel = ports.clock.after(options.resendEvery, () => {
      // While the connection is gone a newer context, or an objection, may have been missed.
      const heard = session !== 0 && session === this.#core.session;
      if (heard && !this.#again) {
        for (const who of this.#who) this.#follows(who);
        this.stop();
        this.#core.settle();
        return;
      }
      this.#wait(event);
      if (this.#core.session) this.#send(event);
      else this.#again = true;
    });
  }

  #send({ id, time, name, elements }: HubEvent): void {
    const event = this.#core.body(name, elements);
    void this.#core.api.publish({ timestamp: new Date(time).toISOString(), id, event }).then((sent) => {
      if (!sent.ok) this.#again = true;
    });
  }
}
