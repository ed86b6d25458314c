/** `npm start`: runs Lockstep until it is told to stop. */
import process from 'node:process';
import { ConfigError } from './config.ts';
import { readyText, serve } from './serve.ts';

const told = new AbortController();
process.on('SIGTERM', () => told.abort());
process.on('SIGINT', () => told.abort());
try {
  await serve(process.env, told.signal, (lockstep) => console.log(readyText(lockstep)));
  process.exit(0);
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
  if (error instanceof ConfigError || inUse) console.error(message);
  else console.error(error);
  process.exit(1);
}
