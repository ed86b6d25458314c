/** Opens that this window sends, until they are back. */
import type { Subscriber } from '@lockstep/client';
import type { Resource } from '@lockstep/fhircast';

/** An event that was taken is to come back within this time, ms; later the SDK asks what is open. */
const BACK_WITHIN = 2500;

export class SentOpens {
  readonly #subscriber: Pick<Subscriber, 'context' | 'on' | 'open'>;
  /** Ids of events of this window that have come back since the last open was sent. */
  readonly #back = new Set<string>();
  /** Ends the wait for an event, by its id. */
  readonly #awaited = new Map<string, () => void>();

  constructor(subscriber: Pick<Subscriber, 'context' | 'on' | 'open'>) {
    this.#subscriber = subscriber;
    subscriber.on('*', ({ id, mine }) => {
      if (!mine) return;
      this.#back.add(id);
      this.#awaited.get(id)?.();
    });
  }

  /**
   * Opens a context, and waits until its event is back. The Hub has taken it before that: what this window shows is not what is open
   * any more, which the SDK does not know yet (HZ-1).
   * @throws HubError
   */
  async open(anchor: Resource, others: Readonly<Record<string, Resource | undefined>>): Promise<void> {
    this.#back.clear();
    const { id } = await this.#subscriber.open(anchor, others);
    const { context } = this.#subscriber;
    // What is open already may come without an event.
    if (this.#back.has(id) || (context?.type === anchor.resourceType && context.id === anchor.id)) return;
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, BACK_WITHIN);
      this.#awaited.set(id, () => {
        clearTimeout(late);
        resolve();
      });
    });
    this.#awaited.delete(id);
  }
}
