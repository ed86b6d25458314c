import type { Runtime } from './runtime.ts';
import type { SessionState, Subscription } from './state.ts';
import type { Topic } from './topic.ts';

/** What a SyncError is about; without an event, it is about itself. */
interface Cause {
  readonly eventId?: string;
  readonly eventName?: string;
  readonly subscriberName: string;
  readonly diagnostics: string;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** Tells the others who does not follow the context (ERR). */
export class SyncErrors {
  readonly #runtime: Runtime;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Tells the others that a subscriber is out of sync (ERR-2, ERR-3, ERR-4). */
  async report(topic: Topic, offender: string, cause: Cause): Promise<void> {
    this.#runtime.counts.syncErrors += 1;
    const { clock, ids } = this.#runtime.ports;
    const { syncErrorSeverity: severity } = this.#runtime.options.profile;
    const eventId = ids.uuid();
    const decision = await topic.run(() =>
      topic.execute({
        kind: 'report',
        eventId,
        timestamp: isoTime(clock.now()),
        cause: { eventId, eventName: 'SyncError', ...cause, severity },
        offender,
      }),
    );
    if (decision.ok) this.#runtime.observePublished(topic, decision);
  }

  /** A subscriber answered an event, and not with success (ERR-2). */
  async refusedEvent(
    topic: Topic,
    link: { readonly subscription: Subscription },
    pending: { readonly originalId: string; readonly originalName: string },
    status: number,
    reason?: string,
  ): Promise<void> {
    // A SyncError about a SyncError would never end.
    // ERR-5: an update or a selection that one application cannot use is not a loss of context.
    if (pending.originalName === 'SyncError') return;
    if (!this.#runtime.options.profile.reportsContentRefusals && /-(update|select)$/.test(pending.originalName)) return;
    const { id, subscriberName } = link.subscription;
    const how = status >= 500 ? `could not process it (${status})` : `refused to follow it (${status})`;
    await this.report(topic, id, {
      eventId: pending.originalId,
      eventName: pending.originalName,
      subscriberName,
      diagnostics: `${subscriberName} was sent ${pending.originalName} and ${how}${reason ? `: ${reason}` : ''}.`,
    });
  }

  /** A connection is gone, and nobody meant it to (ERR-3). */
  async reportLost(topic: Topic, { id, subscriberName }: Subscription, how: string): Promise<void> {
    const state = await topic.run(() => topic.state());
    await this.report(topic, id, this.#lost(state, subscriberName, how));
  }

  #lost(state: SessionState | undefined, subscriberName: string, how: string): Cause {
    const names = this.#runtime.options.profile.lostConnectionIsAbout === 'current open';
    const current = names && state?.current !== undefined ? state.anchors.get(state.current) : undefined;
    return {
      ...(current && { eventId: current.opening.id, eventName: `${current.key.type}-open` }),
      subscriberName,
      diagnostics: `${subscriberName} ${how} and may not follow the context.`,
    };
  }

  /** Of the nodes that notice, one tells the others: what was said and what was forgotten is one commit. */
  async drop(topic: Topic, { id, subscriberName }: Subscription, node: string, reason: string): Promise<void> {
    const { clock, ids, observer } = this.#runtime.ports;
    const { syncErrorSeverity: severity } = this.#runtime.options.profile;
    const eventId = ids.uuid();
    const decision = await topic.run(() =>
      topic.execute((state) => {
        const lost = this.#lost(state, subscriberName, 'did not come back after the Hub was restarted');
        const cause = { eventId, eventName: 'SyncError', ...lost, severity };
        return { kind: 'drop', id, node, reason, eventId, timestamp: isoTime(clock.now()), cause };
      }),
    );
    if (!decision.ok) return;
    this.#runtime.counts.syncErrors += 1;
    this.#runtime.observePublished(topic, decision);
    if (observer)
      this.#runtime.observe(topic.name, { kind: 'denied', subscription: id, subscriber: subscriberName, reason });
  }
}
