/** The `lockstep` program. */
import process from 'node:process';
import { runCli } from './cli.ts';

const ended = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Asked a second time, it goes at once.
    if (ended.signal.aborted) process.exit(130);
    ended.abort();
  });
}
// A reader that went away, such as `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await runCli(process.argv.slice(2), process.env, ended.signal);
