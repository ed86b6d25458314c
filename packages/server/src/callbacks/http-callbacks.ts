/** Calls webhook callbacks: bounded in time, size and number, redirects not followed (WEB-4). */
import type { CallbackAnswer, Callbacks, Clock } from '@lockstep/hub';
import type { Agent, Dispatcher } from 'undici';
import type { AddressPolicy } from './address-policy.ts';
import { Lane } from './lane.ts';

export interface HttpCallbackOptions {
  readonly policy: AddressPolicy;
  readonly clock: Clock;
  /** ms for one call, connecting included. */
  readonly timeoutMs: number;
  /** CA certificates to trust instead of the system's, PEM. */
  readonly ca?: string;
}

/** A challenge is short; nothing else in an answer is read. Bytes. */
const MAX_ANSWER = 4096;
/** Calls to one host under way at once, and connections to one that did not answer. */
const PER_HOST = 64;
const PER_SUSPECT_HOST = 8;
/** Answers of one host whose status is there and whose body is not over, and for how long, ms: others of its answers are cut off. */
const LINGERING = 8;
const LINGER_MS = 1000;
/** A call that takes longer does not keep others waiting, ms. */
const PATIENCE = 1000;
/** Calls to callbacks that answered last time. */
const GOOD = { width: 1024, patienceMs: PATIENCE };
/** Calls to those that did not: they cost little, however many there are. */
const SUSPECT = { width: 128, perSecond: 100 };
/** Verifications. */
const ASKING = { width: 256, patienceMs: PATIENCE };
const MAX_RANK = 16;

const NOBODY: CallbackAnswer = { status: 0, body: '' };
const HEADERS = { 'user-agent': 'Lockstep' };

type Handler = Dispatcher.DispatchHandler;
type Controller = Dispatcher.DispatchController;

/** Which part of an answer says what is asked. */
type Wanted = 'status' | 'body';

/** Collects one answer, as far as it is wanted. */
class Call implements Handler {
  readonly #wanted: Wanted;
  readonly #answered: (answer: CallbackAnswer) => void;
  readonly #lingers: () => void;
  readonly #over: () => void;
  #controller: Controller | undefined;
  #status = 0;
  #body = '';
  #isOver = false;

  /**
   * @param answered called with the answer: as soon as the status has come where that is wanted alone, while the rest may still come
   * @param lingers called in that case
   * @param over called once nothing comes any more
   */
  constructor(wanted: Wanted, answered: (answer: CallbackAnswer) => void, lingers: () => void, over: () => void) {
    this.#wanted = wanted;
    this.#answered = answered;
    this.#lingers = lingers;
    this.#over = over;
  }

  /** Ends the call with what is known by now: of an answer that did not come to its end, the status (RFC 9112, 8). */
  end(body = ''): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#answered(this.#status === 0 ? NOBODY : { status: this.#status, body });
    this.#over();
    this.#controller?.abort(new Error('The call is over'));
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#isOver) controller.abort(new Error('The call is over'));
  }

  onResponseStart(_: Controller, status: number): void {
    // What comes before the answer is none (RFC 9110, 15.2).
    if (status < 200) return;
    this.#status = status;
    if (this.#wanted !== 'status') return;
    this.#answered({ status, body: '' });
    this.#lingers();
  }

  onResponseData(_: Controller, chunk: Buffer): void {
    this.#body += chunk.toString('latin1');
    if (this.#body.length > MAX_ANSWER) this.end();
  }

  onResponseEnd(): void {
    this.#controller = undefined;
    this.end(this.#body);
  }

  onResponseError(): void {
    this.#controller = undefined;
    this.end();
  }
}

/** Connections to callbacks that answered last time, and to those that did not. */
interface Agents {
  readonly good: Agent;
  readonly suspect: Agent;
}

/** The calls of one kind to one host. Each has a connection while it is under way, and while the rest of its answer may come. */
class Host {
  readonly lane: Lane;
  /** Calls whose status is there, oldest first: only the end of the answer is waited for, so that its connection can be kept. */
  readonly #lingering = new Set<Call>();

  constructor(clock: Clock, width: number) {
    this.lane = new Lane(clock, { width });
  }

  get idle(): boolean {
    return this.lane.idle && this.#lingering.size === 0;
  }

  linger(call: Call): void {
    this.#lingering.add(call);
    const [oldest] = this.#lingering;
    if (this.#lingering.size > LINGERING) oldest?.end();
  }

  over(call: Call): void {
    this.#lingering.delete(call);
  }
}

export class HttpCallbacks implements Callbacks {
  readonly #policy: AddressPolicy;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #connect: NonNullable<Agent.Options['connect']>;
  #agents: Promise<Agents> | undefined;
  #isClosed = false;
  readonly #good: Lane;
  readonly #suspect: Lane;
  readonly #asking: Lane;
  readonly #hosts = { good: new Map<string, Host>(), suspect: new Map<string, Host>() };

  constructor({ policy, clock, timeoutMs, ca }: HttpCallbackOptions) {
    this.#policy = policy;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#good = new Lane(clock, GOOD);
    this.#suspect = new Lane(clock, SUSPECT);
    this.#asking = new Lane(clock, ASKING);
    this.#connect = { lookup: policy.lookup, timeout: timeoutMs, ...(ca && { ca }) };
  }

  /** Made with the first call: a Hub without webhooks needs none. */
  async #openAgents(): Promise<Agents> {
    const { Agent } = await import('undici');
    const options = { connect: this.#connect, headersTimeout: this.#timeoutMs, bodyTimeout: this.#timeoutMs };
    return {
      good: new Agent({ ...options, connections: PER_HOST + LINGERING }),
      suspect: new Agent({ ...options, connections: PER_SUSPECT_HOST + LINGERING }),
    };
  }

  refusal(url: string): Promise<string | undefined> {
    return this.#policy.refusal(url);
  }

  get(url: string, failures: number): Promise<CallbackAnswer> {
    return this.#run(this.#asking, failures, url, 'GET', HEADERS, null);
  }

  post(
    url: string,
    body: Uint8Array,
    headers: Readonly<Record<string, string>>,
    failures: number,
  ): Promise<CallbackAnswer> {
    return this.#run(this.#good, failures, url, 'POST', { ...HEADERS, ...headers }, body);
  }

  async #run(
    /** Used unless the callback did not answer last time. */
    lane: Lane,
    failures: number,
    url: string,
    method: 'GET' | 'POST',
    headers: Record<string, string>,
    body: Uint8Array | null,
  ): Promise<CallbackAnswer> {
    if (this.#isClosed || this.#policy.objection(url)) return NOBODY;
    this.#agents ??= this.#openAgents();
    const agents = await this.#agents;
    const { origin, pathname, search } = new URL(url);
    const request = { origin, path: pathname + search, method, headers, body };
    const isSuspect = failures > 0;
    const kind = isSuspect ? 'suspect' : 'good';
    const all = isSuspect ? this.#suspect : lane;
    const rank = Math.min(failures, MAX_RANK);
    const hosts = this.#hosts[kind];
    const width = isSuspect ? PER_SUSPECT_HOST : PER_HOST;
    const host = hosts.get(origin) ?? new Host(this.#clock, width);
    hosts.set(origin, host);
    const forget = (): void => {
      if (host.idle && hosts.get(origin) === host) hosts.delete(origin);
    };
    try {
      // Its time begins once there is a connection for it.
      return await host.lane.run(() => all.run(() => this.#call(agents[kind], request, host, forget), rank), rank);
    } finally {
      forget();
    }
  }

  #call(agent: Agent, request: Dispatcher.DispatchOptions, host: Host, over: () => void): Promise<CallbackAnswer> {
    return new Promise((resolve) => {
      const wanted = request.method === 'POST' ? 'status' : 'body';
      let cancel = this.#clock.after(this.#timeoutMs, () => call.end());
      const lingers = (): void => {
        cancel();
        cancel = this.#clock.after(LINGER_MS, () => call.end());
        host.linger(call);
      };
      const ended = (): void => {
        cancel();
        host.over(call);
        over();
      };
      const call = new Call(wanted, resolve, lingers, ended);
      try {
        agent.dispatch(request, call);
      } catch {
        // Closed, or an address that cannot be written on the wire.
        call.end();
      }
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const agents = await this.#agents;
    await Promise.all([agents?.good.destroy(), agents?.suspect.destroy()]);
  }
}
