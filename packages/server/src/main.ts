/** `npm start`: runs Lockstep until it is stopped by a signal. */
import { flushCompileCache } from 'node:module';
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { UnusableDatabase } from '@lockstep/store-sqlite';
import { ConfigError } from './config.ts';
import { readyText, serve } from './serve.ts';

// What dies young here is little: more threads that look for it cost more than they save.
setFlagsFromString('--no-parallel-scavenge');
// A Hub between two bursts gives memory back after 2 s instead of 8.
setFlagsFromString('--gc-memory-reducer-start-delay-ms=2000');

const told = new AbortController();
process.on('SIGTERM', () => told.abort());
process.on('SIGINT', () => told.abort());
// The command that started it was killed, and cannot pass a signal on.
process.on('disconnect', () => told.abort());
process.channel?.unref();
try {
  await serve(process.env, told.signal, (lockstep) => {
    console.log(readyText(lockstep));
    // Now, and not at the end, which a process that is killed does not reach.
    flushCompileCache();
  });
  process.exit(0);
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  // What the machine refuses, such as an address to listen on, is no defect: where in the program that was is of no help.
  const refused = (error as NodeJS.ErrnoException).syscall !== undefined;
  if (error instanceof UnusableDatabase && error.reason === 'damaged') {
    console.error(`${message}\nTo start with what there is, set LOCKSTEP_STORE_DAMAGE=continue.`);
  } else if (error instanceof ConfigError || error instanceof UnusableDatabase || refused) console.error(message);
  else console.error(error);
  process.exit(1);
}
