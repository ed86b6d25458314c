/** `npm start`: runs Lockstep until it is stopped by a signal. */
import process from 'node:process';
import { UnusableDatabase } from '@lockstep/store-sqlite';
import { ConfigError } from './config.ts';
import { readyText, serve } from './serve.ts';

const told = new AbortController();
process.on('SIGTERM', () => told.abort());
process.on('SIGINT', () => told.abort());
// The command that started it was killed, and cannot pass a signal on.
process.on('disconnect', () => told.abort());
process.channel?.unref();
try {
  await serve(process.env, told.signal, (lockstep) => console.log(readyText(lockstep)));
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
