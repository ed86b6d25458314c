import type { EventMessage } from '@lockstep/fhircast';
import { ModelHub, type ModelSocket, type ModelSubscription } from './model-hub.ts';
import type { VirtualClock } from './virtual.ts';

/** ms that a subscriber has for its answer (ERR-4). */
const ANSWER = 10_000;
/** ms after which the others are told that an answer to a change is not there yet; of a newcomer’s they are told at once (ERR-8). */
const SLOW = 500;

/** The codes of a SyncError: event id, event name, subscriber name. */
function codings(outcome: unknown): readonly string[] {
  const issue = (outcome as { issue?: { details?: { coding?: { code: string }[] } }[] } | undefined)?.issue;
  return issue?.[0]?.details?.coding?.map(({ code }) => code) ?? [];
}

/** The tests' Hub, with ERR-8: it keeps who does not follow, and tells those who ask. */
export class WatchfulHub extends ModelHub {
  clock: VirtualClock | undefined;
  readonly #orders = new Map<string, number>();
  #order = 0;
  /** The last context change that each was sent, and the last that it followed. */
  readonly #told = new Map<string, number>();
  readonly #followed = new Map<string, number>();
  #joins = 0;
  readonly #marks = new Map<string, { why: string; since: number }>();

  override publish(message: EventMessage, token: string | undefined): ReturnType<ModelHub['publish']> {
    const known = this.log.some(({ id }) => id === message.id);
    const name = message.event['hub.event'];
    // A close of another context says nothing of the current one.
    const isChange = /-open$|^UserLogout$/.test(name) || (name.endsWith('-close') && this.#isCurrent(message));
    if (isChange && !known) this.#orders.set(message.id, ++this.#order);
    const order = this.#order;
    const answer = super.publish(message, token);
    // ERR-6, ERR-8: who says by a SyncError that it does not follow the current context is taken at its word.
    const outcome = message.event.context.find(({ key }) => key === 'operationoutcome')?.resource;
    const [about, , who] = codings(outcome);
    if (outcome && this.#orders.get(about ?? '') === this.#order) {
      for (const [endpoint, { name }] of this.subscriptions) if (name === who) this.#mark(endpoint, 'refused');
    }
    if (isChange && !known) {
      const owing = (why: string) => {
        if (order === this.#order) for (const endpoint of this.subscriptions.keys()) this.#owes(endpoint, why);
      };
      this.clock?.after(SLOW, () => owing('waiting'));
      this.clock?.after(ANSWER, () => owing('silent'));
    }
    return answer;
  }

  #isCurrent({ event }: EventMessage): boolean {
    return event.context.some(({ resource }) => resource && `${resource.resourceType}/${resource.id}` === this.current);
  }

  protected override deliver(subscription: ModelSubscription, message: EventMessage): boolean {
    const isSent = super.deliver(subscription, message);
    const order = this.#orders.get(message.id);
    if (isSent && order !== undefined) this.#told.set(subscription.endpoint, order);
    return isSent;
  }

  #follows(endpoint: string): boolean {
    return (this.#followed.get(endpoint) ?? 0) >= (this.#told.get(endpoint) ?? 0);
  }

  /** Marks a subscriber that has not answered the last context that it was sent, unless worse is known of it. */
  #owes(endpoint: string, why: string): void {
    const before = this.#marks.get(endpoint);
    if (this.#follows(endpoint) || (before && before.why !== 'waiting')) return;
    this.#mark(endpoint, why, before?.since);
  }

  /** How often the context was changed or opened again, or somebody joined. */
  get changes(): number {
    return this.#order + this.#joins;
  }

  #mark(endpoint: string, why: string, since = this.clock?.now() ?? 0): void {
    this.#marks.set(endpoint, { why, since });
    this.#tell();
  }

  #tell(): void {
    const context = [...this.#marks].flatMap(([endpoint, { why, since }]) => {
      const name = this.subscriptions.get(endpoint)?.name;
      if (name === undefined) return [];
      return [{ key: 'not-following', subscriber: name, why, since: new Date(since).toISOString(), reason: why }];
    });
    this.tellFollowing(context, this.clock?.now() ?? 0);
  }

  override connect(endpoint: string, since: string | null, socket: ModelSocket): boolean {
    const isNew = this.subscriptions.get(endpoint)?.socket === undefined;
    const connected = super.connect(endpoint, since, socket);
    const subscription = this.subscriptions.get(endpoint);
    if (!connected || !subscription) return false;
    // What is open beside no current context must not look current (SUB-8).
    if (this.current === undefined && this.contexts.size > 0 && !this.log.some(({ id }) => id === since)) {
      const id = `home-${this.#order}`;
      this.#orders.set(id, this.#order);
      const event = { 'hub.topic': this.topic, 'hub.event': 'Home-open', context: [] };
      this.deliver(subscription, { timestamp: new Date(this.clock?.now() ?? 0).toISOString(), id, event });
    }
    if (isNew) this.#joins += 1;
    const mark = this.#marks.get(endpoint);
    if (mark?.why === 'lost' && this.#follows(endpoint)) this.#marks.delete(endpoint);
    this.#owes(endpoint, 'waiting');
    this.#tell();
    return true;
  }

  override deny(endpoint: string, reason: string): void {
    super.deny(endpoint, reason);
    if (this.#marks.delete(endpoint)) this.#tell();
  }

  override gone(socket: ModelSocket): void {
    const [endpoint] = [...this.subscriptions].find(([, one]) => one.socket === socket) ?? [];
    super.gone(socket);
    // Who did not follow before does not follow when it is back.
    if (endpoint !== undefined && (this.#marks.get(endpoint)?.why ?? 'waiting') === 'waiting')
      this.#mark(endpoint, 'lost');
  }

  override hear(text: string, socket?: ModelSocket): void {
    super.hear(text, socket);
    const [endpoint] = [...this.subscriptions].find(([, one]) => one.socket === socket) ?? [];
    const { id, status } = JSON.parse(text) as { id?: string; status?: number };
    const order = this.#orders.get(id ?? '');
    if (endpoint === undefined || order === undefined || status === undefined) return;
    if (status >= 300) {
      if (order === this.#order) {
        // An answer of before is taken back.
        if (this.#followed.get(endpoint) === order) this.#followed.set(endpoint, order - 1);
        this.#mark(endpoint, 'refused');
      }
      return;
    }
    this.#followed.set(endpoint, Math.max(order, this.#followed.get(endpoint) ?? 0));
    if (this.#follows(endpoint) && this.#marks.delete(endpoint)) this.#tell();
  }
}
