/** What `lockstep follow` does to keep a program on the context. Each action answers for the program. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import process from 'node:process';
import type { Context, Handled } from '@lockstep/client';
import { refuse } from '@lockstep/client';
import type { ContextValues } from './placeholders.ts';

export interface ProgramChange {
  /** undefined when nothing is open. */
  readonly context: Context | undefined;
  readonly event: string;
  readonly values: ContextValues;
  /** Aborted when a newer context has come, or the time is over. */
  readonly signal: AbortSignal;
}

/** Brings the program to the context. @returns the answer for the Hub, as a handler of the client library */
export type ProgramAction = (change: ProgramChange) => Promise<Handled>;

/**
 * Runs a program with the placeholders of its arguments filled in. No shell takes part: a value cannot become a command.
 * @param line the program and its arguments
 * @param waits whether its exit status is the answer: 0 follows, any other refuses. Otherwise the answer to the Hub is 202
 */
export function runs([program = '', ...args]: readonly string[], waits: boolean): ProgramAction {
  return ({ values, signal, event, context }) => {
    const filled = args.map((argument) => values.fill(argument));
    const env = {
      ...process.env,
      FHIRCAST_EVENT: event,
      FHIRCAST_CONTEXT: JSON.stringify(context?.elements ?? []),
    };
    return new Promise((resolve) => {
      const child = spawn(program, filled, { stdio: ['ignore', 'inherit', 'inherit'], env, ...(waits && { signal }) });
      child.once('error', ({ name }) => resolve(name === 'AbortError' ? refuse(`${program} took too long`) : 500));
      if (waits) {
        child.once('exit', (code) => resolve(code === 0 ? 200 : refuse(`${program} ended with ${code ?? 'a signal'}`)));
      } else {
        child.once('spawn', () => {
          child.unref();
          resolve(202);
        });
      }
    });
  };
}

/** The program that opens an address with what the person has chosen for it. */
function opener(): readonly string[] {
  if (process.platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler'];
  return [process.platform === 'darwin' ? 'open' : 'xdg-open'];
}

/**
 * Opens an address of any scheme; values are percent-encoded. What it opens cannot say whether it follows: the answer to the
 * Hub is 202.
 */
export function opensAddress(template: string): ProgramAction {
  return async (change) => {
    const address = change.values.fill(template, encodeURIComponent);
    const outcome = await runs([...opener(), address.replaceAll(/[{}]/g, encodeURIComponent)], true)(change);
    return outcome === 200 ? 202 : outcome;
  };
}

/** Writes a file, whole or not at all. @param template its text; without one, JSON with the event and the context's elements */
export function writesFile(path: string, template: string | undefined): ProgramAction {
  return async ({ values, event, context }) => {
    const text =
      template === undefined
        ? `${JSON.stringify({ event, context: context?.elements ?? [] }, null, 2)}\n`
        : `${values.fill(template)}\n`;
    const fresh = `${path}.${randomUUID()}`;
    await writeFile(fresh, text, { mode: 0o600 });
    await rename(fresh, path);
    return 200;
  };
}

/** Sends the event and the context's elements to an address of the program's own. Its HTTP status is the answer. */
export function callsAddress(template: string): ProgramAction {
  return async ({ values, event, context, signal }) => {
    const response = await fetch(values.fill(template, encodeURIComponent), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ event, context: context?.elements ?? [] }),
      redirect: 'error',
      signal,
    });
    const reason = (await response.text()).trim().slice(0, 200);
    if (response.ok) return response.status;
    return response.status === 409 ? refuse(reason || 'the program refuses') : response.status;
  };
}
