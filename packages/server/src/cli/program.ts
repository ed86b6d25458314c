import { spawn } from 'node:child_process';
import { CliError, EXIT } from './command.ts';

/**
 * Runs a program in the foreground, with this one's streams.
 * @param line the program and its arguments
 * @returns its exit code
 * @throws CliError when it cannot be started
 */
export function runProgram([program = '', ...args]: readonly string[], signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit' });
    signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
    child.once('error', (error) => reject(new CliError(EXIT.usage, `${program} cannot be started: ${error.message}`)));
    child.once('exit', (code) => resolve(code ?? EXIT.failed));
  });
}
