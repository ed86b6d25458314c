import type { Content, Context } from './context.ts';
import type { Core } from './core.ts';
import { updated } from './elements.ts';
import { type Failure, failure } from './hub-api.ts';
import { type Change, HubError } from './options.ts';
import type { Verifier } from './verifier.ts';

const UPDATE_TRIES = 5;
const ECHO = 5000;

export type Changes = readonly Change[] | ((content: Content) => readonly Change[] | Promise<readonly Change[]>);

/** Changes the current context's shared content; what loses a race is made again from the content that won. */
export class Updater {
  readonly #core: Core;
  readonly #verifier: Verifier;
  /** By the id of an update: ends the wait for it to come back, with the failure if it was not taken. */
  readonly #echoes = new Map<string, (refused?: Failure) => void>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(core: Core, verifier: Verifier) {
    this.#core = core;
    this.#verifier = verifier;
  }

  /** One after another: two updates of our own must not race each other. @throws HubError */
  async update(changes: Changes): Promise<void> {
    const current = this.#core.needContext();
    const done = this.#last.then(() => this.#update(changes, current));
    this.#last = done.catch(() => {});
    return done;
  }

  /** The event came back from the Hub. */
  echoed(id: string): void {
    this.#echoes.get(id)?.();
  }

  /** The Hub took the event, and then said that it did not. @returns whether it was an update of ours */
  refused(id: string, reason: string): boolean {
    const echo = this.#echoes.get(id);
    echo?.(failure('refused', 409, reason));
    return echo !== undefined;
  }

  close(reason: string): void {
    for (const id of [...this.#echoes.keys()]) this.refused(id, reason);
  }

  /** @param meant the context that was current when the application asked: what is another's must not get its changes */
  async #update(changes: Changes, meant: Context): Promise<void> {
    const core = this.#core;
    let conflict: Failure | undefined;
    for (let attempt = 0; attempt < UPDATE_TRIES; attempt++) {
      if (!core.contexts.content && !(await this.#verifier.verify('the content is being read'))) {
        throw new HubError(0, 'the content cannot be read');
      }
      const { current: context, content } = core.contexts;
      if (context?.type !== meant.type || context.id !== meant.id) throw new HubError(409, 'the context has changed');
      const made = typeof changes === 'function' ? await changes(content ?? new Map()) : changes;
      if (made.length === 0) return;
      const name = `${context.type}-update`;
      const sent = core.make(name, updated(context, made, core.ports.newId()), context.versionId);
      const echoed = core.session && core.receives(name) ? this.#awaitEcho(sent.id) : undefined;
      const answer = await core.post(sent);
      const failed = answer.ok ? await echoed?.done : answer;
      echoed?.end();
      if (!failed) {
        // Without its own events, the new version is known only from the Hub.
        if (!echoed && core.session) await this.#verifier.verify('an update was sent');
        return;
      }
      conflict = failed;
      // IHE's hubs answer 400 to an old version, so a change of version is what tells (CON-2).
      const raced = [400, 409, 412].includes(failed.status);
      if (!raced || typeof changes !== 'function' || !core.session) break;
      const settled = await this.#verifier.verify('an update was not taken');
      if (!settled || (failed.status === 400 && core.contexts.current?.versionId === context.versionId)) break;
    }
    throw new HubError(conflict?.status ?? 0, conflict?.reason ?? 'an update was not sent');
  }

  /** An update is done when it comes back; some Hubs accept it first and send a SyncError then (2.10). */
  #awaitEcho(id: string): { done: Promise<Failure | undefined>; end: () => void } {
    let end = (_refused?: Failure) => {};
    const done = new Promise<Failure | undefined>((resolve) => {
      const cancel = this.#core.ports.clock.after(ECHO, () => {
        void this.#verifier.verify('an event did not come back').then(() => end());
      });
      end = (refused) => {
        cancel();
        this.#echoes.delete(id);
        resolve(refused);
      };
    });
    this.#echoes.set(id, end);
    return { done, end };
  }
}
