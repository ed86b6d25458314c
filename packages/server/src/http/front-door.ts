/** What every request passes before the web framework gets it: turns, so that events go first, and the limits. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { authorizationCaller, type FoundToken, networkOf, type TokenDoor } from '@lockstep/smart';
import { type Begun, begin } from './begun-requests.ts';
import { type DoorRow, SMALL_BODY } from './doors/door.ts';
import { isForm, isUnknown, mayCome } from './doors/guard.ts';
import type { Limiter } from './doors/limiter.ts';
import type { EarlyRefusals } from './early-refusals.ts';
import type { EventDoor } from './event-door.ts';
import { cleanAddress, splitAddress } from './request-address.ts';
import { RequestTurns } from './request-turns.ts';

export interface FrontDoorOptions {
  readonly tokens: Pick<TokenDoor, 'known' | 'find' | 'isFamiliar' | 'admit'>;
  readonly limiter: Limiter;
  /** ms. */
  readonly now: () => number;
  readonly doorOf: (method: string, path: string) => DoorRow | undefined;
  readonly addressOf: (request: IncomingMessage) => string;
  readonly refusals: EarlyRefusals;
  readonly events: EventDoor;
  /** The web framework's. */
  readonly framework: RequestListener;
}

/** How long a network is slow after it has sent too much, ms. */
const SLOW_FOR = 1_000;
/** Networks that are remembered to be slow. */
const MOST_SLOW = 10_000;

/**
 * Begins events whose token was good lately at once, all else in turns. Whoever asks too often, and strangers who send more than a small
 * body, are refused here: the framework never sees them.
 */
export class FrontDoor {
  readonly #options: FrontDoorOptions;
  readonly #turns = new RequestTurns();
  /** Networks that have sent too much, and until when they are slow (ms of `now`); the oldest is the first. */
  readonly #slow = new Map<string, number>();

  constructor(options: FrontDoorOptions) {
    this.#options = options;
  }

  /**
   * Decides when a new connection is read: a few in each turn of the event loop, and those of a network that has sent too much later.
   * @param address of the sender @param cut ends a connection that is not read, since too many of this network wait
   */
  connect(address: string, read: () => void, cut: () => void): void {
    const network = networkOf(address);
    if (this.#isSlow(network)) this.#turns.readSlowly(network, read, cut);
    else this.#turns.read(network, read);
  }

  readonly handle: RequestListener = (request, response) => {
    const { events, tokens, addressOf } = this.#options;
    const { authorization } = request.headers;
    const isEvent = events.takes(request);
    const known = isEvent ? tokens.known(authorization) : undefined;
    if (known) {
      events.admit(request, response, known, this.#otherwise);
      return;
    }
    const isFamiliar = tokens.isFamiliar(authorization);
    if (isEvent && isFamiliar) {
      void events.lookUp(request, response, this.#otherwise);
      return;
    }
    // Who has one IPv6 address has all of its network: turns are the network's.
    const network = networkOf(addressOf(request));
    const run = (): void => {
      // The client may be gone by now.
      if (request.destroyed) return;
      if (isEvent) void events.lookUp(request, response, this.#otherwise);
      else void this.#admit(request, response);
    };
    if (isFamiliar) this.#turns.begin(`known at ${network}`, run);
    else if (!this.#isSlow(network)) this.#turns.begin(network, run);
    else this.#turns.beginSlowly(network, run, () => request.socket.destroy());
  };

  #isSlow(network: string): boolean {
    const until = this.#slow.get(network);
    return until !== undefined && until > this.#options.now();
  }

  #slowDown(address: string): void {
    const network = networkOf(address);
    this.#slow.delete(network);
    this.#slow.set(network, this.#options.now() + SLOW_FOR);
    if (this.#slow.size > MOST_SLOW) for (const oldest of this.#slow.keys().take(1)) this.#slow.delete(oldest);
  }

  /** What turns out to be no event that can be accepted. */
  readonly #otherwise = (request: IncomingMessage, response: ServerResponse, what: Begun): void => {
    if (what.token && !what.caller) void this.#admit(request, response, what.token);
    else this.#pass(request, response, what);
  };

  #pass(request: IncomingMessage, response: ServerResponse, what: Begun): void {
    begin(request, what);
    this.#options.framework(request, response);
  }

  async #admit(
    request: IncomingMessage,
    response: ServerResponse,
    looked?: { readonly found: FoundToken | undefined },
  ): Promise<void> {
    const { tokens, doorOf, refusals, addressOf } = this.#options;
    const { method = '', url = '/', headers } = request;
    const [path] = splitAddress(cleanAddress(url));
    const door = doorOf(method, path);
    if (!door) {
      this.#pass(request, response, {});
      return;
    }
    const takesToken = door.authentication.startsWith('bearer');
    let found = looked?.found;
    try {
      if (takesToken && !looked) {
        found = tokens.known(headers.authorization) ?? (await tokens.find(headers.authorization));
      }
    } catch {
      // The framework asks once more, and says what is wrong.
      this.#pass(request, response, {});
      return;
    }
    if (!this.#mayCome(request, door, found)) {
      if (!found?.info) this.#slowDown(addressOf(request));
      refusals.refuse(request, response, door, 'too-many-requests');
      return;
    }
    if (isLargeAndAnonymous(request)) {
      this.#slowDown(addressOf(request));
      if (takesToken && !isForm(request)) {
        const admission = await tokens.admit({ method, originalUrl: url, headers }, undefined);
        refusals.refuse(request, response, door, 'token-missing', admission.headers);
        return;
      }
      if (takesToken || isUnknown(door)) {
        refusals.refuse(request, response, door, 'too-large');
        return;
      }
    }
    this.#pass(request, response, { counted: door, ...(takesToken && { token: { found } }) });
  }

  #mayCome(request: IncomingMessage, door: DoorRow, found: FoundToken | undefined): boolean {
    const { limiter, addressOf } = this.#options;
    const ip = addressOf(request);
    if (door.limit === 'door') return mayCome(ip, found?.info, door, limiter);
    const caller = authorizationCaller(ip);
    // What is behind takes from the limiter, unless it is refused before.
    return isLargeAndAnonymous(request) ? limiter.take(caller) : !limiter.isSpent(caller);
  }
}

/** Whether a request shows nothing that could let it in, and brings more than is read of a stranger. */
function isLargeAndAnonymous({ headers }: IncomingMessage): boolean {
  return (
    headers.authorization === undefined &&
    headers.cookie === undefined &&
    Number(headers['content-length'] ?? 0) > SMALL_BODY
  );
}
