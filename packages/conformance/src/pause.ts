/** Waits, ms; cut short by the signal. Black-box checks need it for what must not happen, which no message ends. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
}

/** Waits for a promise, `ms` at most. Its timer does not outlive it. */
export async function within(ms: number, promise: Promise<unknown> | undefined): Promise<void> {
  const over = new AbortController();
  await Promise.race([promise, pause(ms, over.signal)]);
  over.abort();
}

/**
 * Runs `work` until the signal is aborted. What it was given is let go as soon as it has settled: Node keeps a listener with a
 * `signal` option of its own for as long as the signal lives, so that one for each check would keep every check in memory.
 * @throws what `ended` makes, where the signal came first
 */
export async function unlessAborted<T>(
  signal: AbortSignal | undefined,
  ended: () => Error,
  work: Promise<T>,
): Promise<T> {
  if (!signal) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const end = () => reject(ended());
  if (signal.aborted) end();
  else signal.addEventListener('abort', end);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', end);
  }
}
