/** Waits, ms; cut short by the signal. Black-box checks need it for what must not happen, which no message ends. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Waits for a promise, `ms` at most. Its timer does not outlive it. */
export async function within(ms: number, promise: Promise<unknown> | undefined): Promise<void> {
  const over = new AbortController();
  await Promise.race([promise, pause(ms, over.signal)]);
  over.abort();
}
