/** Ways for a program that knows no FHIRcast to change the context: lines on standard input, files, a local address. */
import { watch } from 'node:fs';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text as readAll } from 'node:stream/consumers';
import { type ContextElement, isObject } from '@lockstep/fhircast';
import { CliError } from '../command.ts';
import { resourceElement } from '../event-text.ts';

/** Bytes of one event that a program publishes, at most. */
const MAX_SIZE = 1024 * 1024;

export interface WantedEvent {
  readonly name: string;
  readonly context: readonly ContextElement[];
}

/** @returns the event's id @throws Error with the reason when it cannot be published */
export type PublishEvent = (event: WantedEvent) => Promise<string>;

/**
 * An event as programs write it: JSON `{"event": "Patient-open", "context": […]}`, or words as for `lockstep publish`:
 * `Patient-open Patient/123`.
 * @throws Error when it is neither
 */
export function wantedEvent(text: string): WantedEvent {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{')) {
    const [name = '', ...resources] = trimmed.split(/\s+/);
    if (!/^[\w.-]+$/.test(name)) throw new Error('neither JSON nor EVENT [RESOURCE ...]');
    return { name, context: resources.map(resourceElement) };
  }
  const value: unknown = JSON.parse(trimmed);
  if (isObject(value) && typeof value.event === 'string' && Array.isArray(value.context)) {
    return { name: value.event, context: value.context as ContextElement[] };
  }
  throw new Error('it must hold {"event": "Patient-open", "context": [ … ]}');
}

/** Publishes each line. @param told called with the outcome of each line */
export async function publishLines(
  input: NodeJS.ReadableStream,
  publish: PublishEvent,
  told: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for await (const line of createInterface({ input, signal })) {
    if (line.trim() === '') continue;
    told(await outcomeOf(line, publish));
  }
}

async function outcomeOf(text: string, publish: PublishEvent): Promise<string> {
  try {
    return `accepted ${await publish(wantedEvent(text))}`;
  } catch (error) {
    return `refused ${(error as Error).message}`;
  }
}

/**
 * Publishes the `.json` and `.txt` files of a folder, each once. An accepted file is deleted; a refused one is renamed to
 * `NAME.refused`, with the reason beside it in `NAME.refused.reason`.
 */
export async function publishFolder(folder: string, publish: PublishEvent, signal: AbortSignal): Promise<void> {
  const take = async (name: string): Promise<void> => {
    const taken = join(folder, `.${name}.taken`);
    // Who renames it has it.
    await rename(join(folder, name), taken);
    const outcome = await outcomeOf(await readFile(taken, 'utf8'), publish);
    if (outcome.startsWith('accepted')) return rm(taken);
    await writeFile(join(folder, `${name}.refused.reason`), `${outcome}\n`);
    await rename(taken, join(folder, `${name}.refused`));
  };
  const watcher = watch(folder);
  signal.addEventListener('abort', () => watcher.close(), { once: true });
  let busy = Promise.resolve();
  const look = (): void => {
    busy = busy.then(async () => {
      for (const name of (await readdir(folder)).sort()) {
        if (!name.startsWith('.') && /\.(json|txt)$/i.test(name)) await take(name);
      }
    });
    busy.catch((error) => watcher.emit('error', error));
  };
  watcher.on('change', look);
  look();
  await new Promise<void>((resolve, reject) => watcher.once('close', resolve).once('error', reject));
  await busy;
}

/**
 * Publishes what is posted to `http://127.0.0.1:PORT/`. Web pages cannot reach it: requests with an `Origin`, with another host name
 * or without a JSON content type are refused.
 * @returns the port
 */
export async function publishPort(port: number, publish: PublishEvent, signal: AbortSignal): Promise<number> {
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
    };
    const { host = '', origin, 'content-type': type = '', 'content-length': length = '0' } = request.headers;
    if (origin !== undefined || !/^(127\.0\.0\.1|localhost)(:\d+)?$/i.test(host)) {
      return answer(403, { error: 'only programs on this machine may publish here' });
    }
    if (request.method !== 'POST' || !/^application\/json\b/i.test(type)) {
      return answer(415, { error: 'POST {"event", "context"} as application/json' });
    }
    if (Number(length) > MAX_SIZE || request.headers['transfer-encoding']) {
      return answer(413, { error: `Content-Length must be at most ${MAX_SIZE}` });
    }
    try {
      answer(202, { id: await publish(wantedEvent(await readAll(request))) });
    } catch (error) {
      answer(error instanceof CliError || error instanceof SyntaxError ? 400 : 409, {
        error: (error as Error).message,
      });
    }
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  signal.addEventListener('abort', () => server.close(), { once: true });
  return (server.address() as AddressInfo).port;
}
