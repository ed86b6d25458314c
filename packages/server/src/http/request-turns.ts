/** Requests and new connections that may have to wait, so that events never do: only so many are begun in one turn of the event loop. */

/** Requests that are begun in one turn. Each costs some 0.1 ms, which is what an event may find before it. */
const REQUESTS_IN_TURN = 2;
/** New connections that are read from one turn on: some 2 ms of work, with the request that each brings. */
const CONNECTIONS_IN_TURN = 16;
/** ms between two things of the slow lane. */
const SLOW_PACE = 2;
/** Things of one network that wait in the slow lane at most. */
const MOST_SLOW = 1_024;

/**
 * Begins requests and reads new connections, a few in each turn of the event loop; between two turns the sockets of events are read.
 * Networks take turns too: a flood from one of them keeps no other waiting. A connection has few requests that wait, see `MOST_WAITING`
 * of the listener. After a network has failed everybody returns at once: those are new connections.
 *
 * What comes from networks that send too much goes into slow lanes: one thing each 2 ms, the newest connection and the
 * oldest request. Of many connections the newest has waited least, and one that is good is not kept waiting by a flood behind it.
 */
export class RequestTurns {
  readonly #requests = new Turns(REQUESTS_IN_TURN);
  readonly #connections = new Turns(CONNECTIONS_IN_TURN);
  readonly #slowRequests = new SlowLane((queue) => queue.shift());
  readonly #slowConnections = new SlowLane((queue) => queue.pop());

  /** @param network of the sender, as `networkOf` names it @param run begins the request: at once where no other request waits */
  begin(network: string, run: () => void): void {
    this.#requests.add(network, run);
  }

  /** Reads a new connection: at once where no other waits. */
  read(network: string, run: () => void): void {
    this.#connections.add(network, run);
  }

  /** Begins a request of a network that has sent too much. @param cut called instead where too many of it wait */
  beginSlowly(network: string, run: () => void, cut: () => void): void {
    this.#slowRequests.add(network, { run, cut });
  }

  /** Reads a new connection of such a network. @param cut called instead where too many of it wait */
  readSlowly(network: string, run: () => void, cut: () => void): void {
    this.#slowConnections.add(network, { run, cut });
  }
}

/** Runs so many things in one turn of the event loop at most; networks take turns. */
class Turns {
  /** By network; whose turn is next comes first. */
  readonly #waiting = new Map<string, (() => void)[]>();
  readonly #inTurn: number;
  /** Begun in this turn. */
  #begun = 0;
  #isScheduled = false;

  constructor(inTurn: number) {
    this.#inTurn = inTurn;
  }

  add(network: string, run: () => void): void {
    if (this.#waiting.size === 0 && this.#begun < this.#inTurn) {
      this.#run(run);
      return;
    }
    const before = this.#waiting.get(network);
    if (before) before.push(run);
    else this.#waiting.set(network, [run]);
    this.#schedule();
  }

  #run(run: () => void): void {
    this.#begun += 1;
    this.#schedule();
    run();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isScheduled = false;
    this.#begun = 0;
    // A network that is put back comes to its turn again in the same loop.
    for (const [network, queue] of this.#waiting) {
      if (this.#begun === this.#inTurn) break;
      const run = queue.shift();
      moveBack(this.#waiting, network, queue);
      if (run) this.#run(run);
    }
  };
}

interface Slowed {
  readonly run: () => void;
  readonly cut: () => void;
}

/** One thing in each pace; networks take turns. */
class SlowLane {
  readonly #waiting = new Map<string, Slowed[]>();
  readonly #take: (queue: Slowed[]) => Slowed | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param take takes the one that is next of a network */
  constructor(take: (queue: Slowed[]) => Slowed | undefined) {
    this.#take = take;
  }

  add(network: string, slowed: Slowed): void {
    const queue = this.#waiting.get(network);
    if (!queue) this.#waiting.set(network, [slowed]);
    else if (queue.push(slowed) > MOST_SLOW) queue.shift()?.cut();
    this.#timer ??= setTimeout(this.#turn, SLOW_PACE);
  }

  readonly #turn = (): void => {
    this.#timer = undefined;
    for (const [network, queue] of this.#waiting) {
      const next = this.#take(queue);
      moveBack(this.#waiting, network, queue);
      next?.run();
      break;
    }
    if (this.#waiting.size > 0) this.#timer = setTimeout(this.#turn, SLOW_PACE);
  };
}

/** A network whose turn it was comes to its turn again after all others. */
function moveBack<Queue extends readonly unknown[]>(queues: Map<string, Queue>, network: string, queue: Queue): void {
  queues.delete(network);
  if (queue.length > 0) queues.set(network, queue);
}
