/** Says no to an event: return or throw it, and the Hub and the other applications get the reason (409). */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

/** A refusal with a reason for people, such as "a report is being dictated". It must not name the patient. */
export function refuse(reason: string): Refusal {
  return new Refusal(reason);
}

/**
 * What a handler says of an event: nothing or `true` that it follows (200), a `Refusal` or `false` that it does not (409), a
 * number any other HTTP status. What it throws is a failure (500), unless it is a `Refusal`.
 */
export type HandlerResult = undefined | boolean | number | Refusal;

/** A handler's return value; `void` so that a handler may return nothing. */
// biome-ignore lint/suspicious/noConfusingVoidType: handlers that return nothing are the common case
export type Handled = HandlerResult | void;

export interface HandlerOutcome {
  readonly status: number;
  readonly reason: string;
}

export const FOLLOWED: HandlerOutcome = { status: 200, reason: '' };

export function followed(outcome: HandlerOutcome): boolean {
  return outcome.status < 300;
}

function returned(value: Handled): HandlerOutcome {
  if (value instanceof Refusal) return { status: 409, reason: value.message };
  if (value === false) return { status: 409, reason: 'the application does not follow' };
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 200 || value > 599) return FOLLOWED;
  return { status: value, reason: value < 300 ? '' : `the application answered ${value}` };
}

/** Not only this realm's promises: where zone.js replaces them, an async function's is another kind. */
function isThenable(value: unknown): value is PromiseLike<Handled> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** Runs `show` unless `may` says no: then that is the answer. */
export function unlessRefused(
  may: Handled | Promise<Handled>,
  show: () => Handled | Promise<Handled>,
): Handled | Promise<Handled> {
  const then = (said: Handled) => (followed(returned(said)) ? show() : said);
  return isThenable(may) ? Promise.resolve(may).then(then) : then(may);
}

/** The one outcome of several handlers: the worst. */
function worst(outcomes: readonly HandlerOutcome[]): HandlerOutcome {
  return outcomes.reduce((a, b) => (b.status > a.status ? b : a), FOLLOWED);
}

/**
 * Runs handlers and sums up what they say. Synchronous handlers give a synchronous outcome.
 * @param onThrow called with what handlers throw, refusals aside
 */
export function ask(
  handlers: Iterable<() => Handled | Promise<Handled>>,
  onThrow: (error: unknown) => void,
): HandlerOutcome | Promise<HandlerOutcome> {
  const outcomes: (HandlerOutcome | Promise<HandlerOutcome>)[] = [];
  const failed = (error: unknown) => {
    if (error instanceof Refusal) return returned(error);
    onThrow(error);
    return { status: 500, reason: 'the application failed' };
  };
  let waits = false;
  for (const handler of handlers) {
    try {
      const value = handler();
      if (isThenable(value)) {
        waits = true;
        outcomes.push(Promise.resolve(value).then(returned, failed));
      } else {
        outcomes.push(returned(value));
      }
    } catch (error) {
      outcomes.push(failed(error));
    }
  }
  return waits ? Promise.all(outcomes).then(worst) : worst(outcomes as HandlerOutcome[]);
}
