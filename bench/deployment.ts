/** A deployment of several nodes on Redis, simulated event by event from what single steps cost. */

/** What one step costs, measured. */
export interface Costs {
  /** CPU µs at the node that takes an event: request, rules, commit, its own notice, 202. */
  readonly accept: number;
  /** CPU µs for each subscriber, at its node: the frame and the acknowledgement. */
  readonly deliver: number;
  /** CPU µs for a notice at another node that holds the session. */
  readonly follow: number;
  /** CPU µs in Redis for an event. */
  readonly redis: number;
  /** ms that Redis takes to have what it wrote on the disk. */
  readonly syncMs: number;
  /** ms between two machines. */
  readonly networkMs: number;
}

/** Where an event is published, and at which nodes how many of its subscribers are. */
export interface Placed {
  readonly publishedAt: number;
  /** Subscribers by node; a node with 0 holds the session all the same. */
  readonly subscribers: ReadonlyMap<number, number>;
}

export interface Deployment {
  readonly nodes: number;
  /** Primaries of Redis. */
  readonly shards: number;
  readonly costs: Costs;
  /** One event after the other. */
  readonly place: () => Placed;
}

/** Events at a rate, or as many on their way at once. */
export type Offered = { readonly perSecond: number } | { readonly inFlight: number };

export interface Simulated {
  readonly events: number;
  readonly perSecond: number;
  /** Share of its core that the busiest node, and the busiest primary of Redis, use. */
  readonly nodeBusy: number;
  readonly redisBusy: number;
  /** CPU µs of an event over all nodes. */
  readonly nodeCpu: number;
  /** Nodes that an event reaches, beside the one that takes it. */
  readonly reached: number;
  /** ms from publishing to the last subscriber. */
  readonly p50: number;
  readonly p99: number;
}

/** A core: does one thing after the other, in the order in which they come. */
class Core {
  busy = 0;
  #freeAt = 0;

  /** @returns when work of so many ms that comes now is done */
  work(now: number, ms: number): number {
    this.busy += ms;
    this.#freeAt = Math.max(this.#freeAt, now) + ms;
    return this.#freeAt;
  }
}

/** A primary: a core, and a disk that has everything that came before it began. */
class Primary {
  readonly core = new Core();
  readonly #syncMs: number;
  #syncedAt = 0;

  constructor(syncMs: number) {
    this.#syncMs = syncMs;
  }

  commit(now: number, ms: number): number {
    const done = this.core.work(now, ms);
    // What is written while the disk is busy waits for the next turn, together.
    if (done > this.#syncedAt - this.#syncMs) this.#syncedAt = Math.max(done, this.#syncedAt) + this.#syncMs;
    return this.#syncedAt;
  }
}

/** What happens next, in order of time. */
class Agenda {
  readonly #heap: { readonly at: number; readonly run: (now: number) => void }[] = [];

  add(at: number, run: (now: number) => void): void {
    const heap = this.#heap;
    let hole = heap.length;
    heap.push({ at, run });
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (heap[parent]!.at <= at) break;
      heap[hole] = heap[parent]!;
      hole = parent;
    }
    heap[hole] = { at, run };
  }

  /** @returns whether there was something */
  next(): boolean {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (!first || !last) return false;
    if (heap.length > 0) {
      let hole = 0;
      for (;;) {
        let child = 2 * hole + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child += 1;
        if (heap[child]!.at >= last.at) break;
        heap[hole] = heap[child]!;
        hole = child;
      }
      heap[hole] = last;
    }
    first.run(first.at);
    return true;
  }
}

/** Share of the work of taking an event that comes before its commit. */
const BEFORE_COMMIT = 0.6;

/**
 * @param seconds of the deployment's time
 * @param random numbers from 0 to 1
 */
export function simulate(deployment: Deployment, offered: Offered, seconds: number, random: () => number): Simulated {
  const { costs, place, shards } = deployment;
  const nodes = Array.from({ length: deployment.nodes }, () => new Core());
  const primaries = Array.from({ length: shards }, () => new Primary(costs.syncMs));
  const agenda = new Agenda();
  const end = seconds * 1000;
  const latencies: number[] = [];
  let [reached, spent, inTime] = [0, 0, 0];

  const work = (node: number, now: number, micros: number): number => {
    spent += micros;
    return nodes[node]!.work(now, micros / 1000);
  };
  const publish = (now: number): void => {
    const { publishedAt, subscribers } = place();
    const others = [...subscribers].filter(([node]) => node !== publishedAt);
    let left = others.length + 1;
    const told = (at: number): void => {
      left -= 1;
      if (left > 0) return;
      latencies.push(at - now);
      if (at < end) inTime += 1;
      reached += others.length;
      if ('inFlight' in offered && at < end) agenda.add(at, publish);
    };
    const arrives = now + costs.networkMs;
    agenda.add(arrives, (at) => {
      const decided = work(publishedAt, at, costs.accept * BEFORE_COMMIT);
      agenda.add(decided + costs.networkMs, (sent) => {
        const committed = primaries[Math.floor(random() * shards)]!.commit(sent, costs.redis / 1000);
        agenda.add(committed + costs.networkMs, (answered) => {
          const own = subscribers.get(publishedAt) ?? 0;
          const done = work(publishedAt, answered, costs.accept * (1 - BEFORE_COMMIT) + own * costs.deliver);
          agenda.add(done + costs.networkMs, told);
        });
        for (const [node, count] of others) {
          agenda.add(committed + costs.networkMs, (heard) => {
            agenda.add(work(node, heard, costs.follow + count * costs.deliver) + costs.networkMs, told);
          });
        }
      });
    });
  };

  if ('inFlight' in offered) for (let n = 0; n < offered.inFlight; n++) agenda.add(0, publish);
  else {
    const next = (now: number): void => {
      publish(now);
      const pause = (-Math.log(1 - random()) / offered.perSecond) * 1000;
      if (now + pause < end) agenda.add(now + pause, next);
    };
    agenda.add(0, next);
  }
  while (agenda.next());
  const sorted = Float64Array.from(latencies).sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return {
    events: latencies.length,
    perSecond: inTime / seconds,
    nodeBusy: Math.max(...nodes.map(({ busy }) => busy)) / end,
    redisBusy: Math.max(...primaries.map(({ core }) => core.busy)) / end,
    nodeCpu: spent / latencies.length,
    reached: reached / latencies.length,
    p50: at(0.5),
    p99: at(0.99),
  };
}

/** Subscribers at nodes as chance has it, and an event that comes to any of them. */
export function byChance(nodes: number, subscribers: number, random: () => number): () => Placed {
  const any = (): number => Math.floor(random() * nodes);
  return () => {
    const placed = new Map<number, number>();
    for (let n = 0; n < subscribers; n++) {
      const node = any();
      placed.set(node, (placed.get(node) ?? 0) + 1);
    }
    return { publishedAt: any(), subscribers: placed };
  };
}
