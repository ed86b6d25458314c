/**
 * The load generator, a process of its own: acknowledging subscribers and publishers for several programs under test. It
 * does what `loader.ts` asks for.
 */
import process from 'node:process';
import { type Kind, patientOpen, reportOpen, reportUpdate, type Template } from './events.ts';
import type { Answers, Asked, Order, RunResult } from './loader.ts';
import { percentile } from './measure.ts';
import { postHead, Requests, withBody } from './requests.ts';
import { maskedFrame, subscribe } from './subscriber.ts';

/** Handshakes under way at once. */
const CONNECTING = 64;

/** ms an event may take before the run counts as failed. */
const LOST_AFTER = 20_000;

const VERSION = '"context.versionId":"';

function timesOf(latencies: readonly number[]): Pick<RunResult, 'p50' | 'p99' | 'longest'> {
  if (latencies.length === 0) return { p50: 0, p99: 0, longest: 0 };
  const sorted = [...latencies].sort((a, b) => a - b);
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99), longest: sorted.at(-1)! };
}

/** The event of a topic that is on its way: done when it was answered and has reached every subscriber. */
interface Flight {
  readonly id: string;
  readonly answer: Buffer;
  readonly sentAt: number;
  deliveries: number;
  answered: boolean;
  /** When the last subscriber so far got it. */
  lastAt: number;
}

interface Topic {
  readonly opens: readonly [Template, Template];
  readonly update: Template;
  readonly reportOpen: Template;
  subscribers: number;
  versionId: string;
  opened: 0 | 1;
  flight: Flight | undefined;
}

/** One program under test. */
class Target {
  readonly #requests: Requests;
  readonly #topics: Topic[];
  #head = '';
  #events = 0;
  #turn = 0;
  #done: (topic: Topic, flight: Flight) => void = () => undefined;

  constructor({ origin, topics }: Extract<Order, { do: 'prepare' }>) {
    this.#requests = new Requests(origin);
    this.#topics = topics.map((topic) => ({
      opens: [patientOpen(topic, 0), patientOpen(topic, 1)],
      update: reportUpdate(topic),
      reportOpen: reportOpen(topic),
      subscribers: 0,
      versionId: '',
      opened: 0,
      flight: undefined,
    }));
  }

  async connect(endpoints: readonly (readonly [topic: number, url: string])[]): Promise<void> {
    const waiting = endpoints.values();
    const lane = async (): Promise<void> => {
      for (const [index, url] of waiting) {
        const topic = this.#topics[index]!;
        await subscribe(url, (payload, socket) => this.#received(topic, payload, (bytes) => socket.write(bytes)));
        topic.subscribers += 1;
      }
    };
    await Promise.all(Array.from({ length: CONNECTING }, lane));
  }

  authorize(url: string, headers: Readonly<Record<string, string>>): void {
    this.#head = postHead(url, { 'Content-Type': 'application/json', ...headers });
  }

  #received(topic: Topic, payload: Buffer, answer: (bytes: Buffer) => void): void {
    const { flight } = topic;
    // A confirmation, or a context that was open before.
    if (!flight || payload.indexOf(flight.id, 0, 'latin1') < 0) return;
    answer(flight.answer);
    if (flight.deliveries === 0) {
      const at = payload.indexOf(VERSION, 0, 'latin1');
      if (at >= 0) {
        const from = at + VERSION.length;
        topic.versionId = payload.toString('latin1', from, payload.indexOf('"', from, 'latin1'));
      }
    }
    flight.deliveries += 1;
    flight.lastAt = performance.now();
    this.#landed(topic, flight);
  }

  #landed(topic: Topic, flight: Flight): void {
    if (!flight.answered || flight.deliveries < topic.subscribers) return;
    topic.flight = undefined;
    this.#done(topic, flight);
  }

  #publish(topic: Topic, template: Template): void {
    this.#events += 1;
    const id = `b0000000-0000-4000-8000-${this.#events.toString(16).padStart(12, '0')}`;
    const request = withBody(this.#head, template.fill(id, topic.versionId));
    const flight: Flight = {
      id,
      answer: maskedFrame(`{"id":"${id}","status":200}`),
      sentAt: performance.now(),
      deliveries: 0,
      answered: false,
      lastAt: 0,
    };
    topic.flight = flight;
    this.#requests.send(request, (status) => {
      if (status !== 202) throw new Error(`An event was answered ${status}`);
      flight.answered = true;
      this.#landed(topic, flight);
    });
  }

  #next(topic: Topic, kind: Kind): void {
    topic.opened = topic.opened === 0 ? 1 : 0;
    this.#publish(topic, kind === 'open' ? topic.opens[topic.opened] : topic.update);
  }

  /** The next topic that has nothing on its way. */
  #freeTopic(): Topic | undefined {
    for (let tried = 0; tried < this.#topics.length; tried++) {
      this.#turn = (this.#turn + 1) % this.#topics.length;
      const topic = this.#topics[this.#turn]!;
      if (!topic.flight) return topic;
    }
    return undefined;
  }

  /** Opens the report of every topic, which its updates need. */
  openReports(): Promise<void> {
    const waiting = this.#topics.values();
    let left = this.#topics.length;
    return new Promise((resolve) => {
      const next = (): void => {
        const topic = waiting.next().value;
        if (topic) this.#publish(topic, topic.reportOpen);
      };
      this.#done = () => {
        left -= 1;
        if (left === 0) resolve();
        else next();
      };
      for (let i = 0; i < CONNECTING; i++) next();
    });
  }

  /** As many events as the program takes, with a fixed number on their way (closed loop). */
  saturate(kind: Kind, ms: number, inFlight: number): Promise<RunResult> {
    return this.#run(ms, (running) => {
      const next = (): void => {
        const topic = running() ? this.#freeTopic() : undefined;
        if (topic) this.#next(topic, kind);
      };
      for (let i = 0; i < Math.min(inFlight, this.#topics.length); i++) next();
      return next;
    });
  }

  /** A fixed number of events a second, however long they take (open loop). */
  pace(kind: Kind, ms: number, perSecond: number): Promise<RunResult> {
    return this.#run(ms, (running) => {
      const startedAt = performance.now();
      let sent = 0;
      const tick = (): void => {
        if (!running()) return;
        const due = ((performance.now() - startedAt) / 1000) * perSecond;
        for (; sent < due; sent++) {
          const topic = this.#freeTopic();
          // Every topic waits: those events are late and go out with the next tick.
          if (!topic) break;
          this.#next(topic, kind);
        }
        setTimeout(tick, 1);
      };
      tick();
      return () => undefined;
    });
  }

  #run(ms: number, start: (running: () => boolean) => () => void): Promise<RunResult> {
    const startedAt = performance.now();
    const stopAt = startedAt + ms;
    const settledAt = startedAt + ms / 5;
    const latencies: number[] = [];
    const running = (): boolean => performance.now() < stopAt;
    let events = 0;
    let deliveries = 0;
    return new Promise((resolve) => {
      let next = (): void => undefined;
      const finish = (): void => {
        clearTimeout(lost);
        this.#done = () => undefined;
        const seconds = (performance.now() - startedAt) / 1000;
        resolve({ events, deliveries, seconds, ...timesOf(latencies) });
      };
      const finishWhenIdle = (): void => {
        if (!running() && this.#topics.every(({ flight }) => !flight)) finish();
      };
      setTimeout(finishWhenIdle, ms + 1);
      const lost = setTimeout(() => {
        throw new Error(`${this.#topics.filter(({ flight }) => flight).length} events did not arrive`);
      }, ms + LOST_AFTER);
      this.#done = (_, flight) => {
        events += 1;
        deliveries += flight.deliveries;
        if (flight.sentAt > settledAt) latencies.push(flight.lastAt - flight.sentAt);
        next();
        finishWhenIdle();
      };
      next = start(running);
    });
  }
}

/** Plain requests: every answer must be 200. */
function sendRequests({
  origin,
  requests,
  again,
  ms,
  inFlight,
}: Extract<Order, { do: 'request' }>): Promise<RunResult> {
  const connections = new Requests(origin);
  const startedAt = performance.now();
  const latencies: number[] = [];
  let sent = 0;
  let open = 0;
  return new Promise((resolve) => {
    const next = (): void => {
      const request = requests[sent % requests.length]!;
      if ((again || sent < requests.length) && performance.now() < startedAt + ms) {
        const sentAt = performance.now();
        sent += 1;
        open += 1;
        connections.send(request, (status) => {
          if (status !== 200) throw new Error(`A request was answered ${status}`);
          latencies.push(performance.now() - sentAt);
          open -= 1;
          next();
        });
      } else if (open === 0) {
        connections.close();
        const seconds = (performance.now() - startedAt) / 1000;
        resolve({ events: latencies.length, deliveries: 0, seconds, ...timesOf(latencies) });
      }
    };
    for (let i = 0; i < inFlight; i++) next();
  });
}

const targets = new Map<string, Target>();

function target(name: string): Target {
  const found = targets.get(name);
  if (!found) throw new Error(`${name} was not prepared`);
  return found;
}

async function obey(order: Order): Promise<Answers[Order['do']]> {
  switch (order.do) {
    case 'prepare':
      targets.set(order.target, new Target(order));
      return;
    case 'connect':
      await target(order.target).connect(order.endpoints);
      return;
    case 'authorize':
      target(order.target).authorize(order.url, order.headers);
      return;
    case 'open-reports':
      await target(order.target).openReports();
      return;
    case 'saturate':
      return target(order.target).saturate(order.kind, order.ms, order.inFlight);
    case 'request':
      return sendRequests(order);
    case 'pace':
      return target(order.target).pace(order.kind, order.ms, order.perSecond);
  }
}

process.on('message', (asked: Asked) => {
  obey(asked.order).then((value) => process.send?.({ number: asked.number, value }));
});
process.on('disconnect', () => process.exit());
