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
// The command that started it was killed, and cannot pass a signal on.
process.on('disconnect', () => ended.abort());
process.channel?.unref();
// A reader that has closed its end, such as `head`, is no failure; a command that waits ends as on SIGTERM.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.exit(1);
  ended.abort();
});
process.exitCode = await runCli(process.argv.slice(2), process.env, ended.signal);
