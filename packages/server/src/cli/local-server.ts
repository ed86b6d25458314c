/** The server on this machine: found by its data folder, administered over loopback HTTP, or by its file while it does not run. */
import type { NewUser, UserProfile } from '@lockstep/smart';
import type { BackupReport } from '@lockstep/store-sqlite';
import type { Administration, AppPage, RegisteredApp } from '../admin/administration.ts';
import { findRunning, type Running } from '../admin/running.ts';
import type { Launched } from '../launch/launch-forms.ts';
import { type Call, CliError, EXIT, type Option } from './command.ts';
import { fetchOnly } from './trust.ts';

export const DATA_OPTION: Readonly<Record<string, Option>> = {
  data: { type: 'string', value: 'FOLDER', file: true, help: "the server's data folder; LOCKSTEP_DATA, else ./data" },
};

/** The data folder that is meant. */
export function dataFolder({ values, env }: Call): string {
  return values.text('data') ?? env.LOCKSTEP_DATA ?? './data';
}

function isAway(error: unknown): boolean {
  return error instanceof TypeError && error.message === 'fetch failed';
}

/** Why the server refused, as it says it: in JSON, or in plain text. */
function reasonIn({ headers }: Response, text: string): string | undefined {
  if (!headers.get('content-type')?.includes('json')) return text.trim() || undefined;
  return (JSON.parse(text) as { readonly error_description?: string }).error_description;
}

/** A running server, as its administrator. */
export class LocalServer implements Administration {
  readonly running: Running;

  constructor(running: Running) {
    this.running = running;
  }

  get hubUrl(): string {
    return `${this.running.origin}/hub`;
  }

  async #ask<T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
    const { url, certificateFile } = this.running;
    const ask = certificateFile === undefined ? fetch : await fetchOnly(certificateFile);
    const response = await ask(`${url}/api/admin${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.running.token}`,
        ...(method === 'POST' && { 'content-type': 'application/json' }),
      },
      ...(method === 'POST' && { body: JSON.stringify(body ?? {}) }),
      redirect: 'error',
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    if (response.ok) return JSON.parse(text) as T;
    throw new CliError(EXIT.refused, reasonIn(response, text) ?? `the server answered ${response.status}`);
  }

  /** @param path absolute, on the server's machine */
  backup(path: string): Promise<BackupReport> {
    return this.#ask('POST', '/backup', { path });
  }

  about(): Promise<{ readonly version: string; readonly origin: string; readonly hubUrl: string }> {
    return this.#ask('GET', '/server');
  }

  apps(after?: string): Promise<AppPage> {
    return this.#ask('GET', after === undefined ? '/apps' : `/apps?${new URLSearchParams({ after })}`);
  }

  registerApp(metadata: Readonly<Record<string, unknown>>): Promise<RegisteredApp> {
    return this.#ask('POST', '/apps', metadata);
  }

  topicSecret(clientId: string): Promise<{ readonly topicSecret: string }> {
    return this.#ask('POST', `/apps/${encodeURIComponent(clientId)}/topic-secret`);
  }

  users(): Promise<readonly UserProfile[]> {
    return this.#ask('GET', '/users');
  }

  addUser(user: NewUser): Promise<UserProfile> {
    return this.#ask('POST', '/users', user);
  }

  rotateKeys(): Promise<{ readonly kid: string }> {
    return this.#ask('POST', '/keys/rotate');
  }

  token(scope?: string): Promise<{ readonly access_token: string; readonly expires_at: number }> {
    return this.#ask('POST', '/token', scope === undefined ? {} : { scope });
  }

  launch(clientId: string, request: Readonly<Record<string, unknown>>): Promise<Launched> {
    return this.#ask('POST', `/apps/${encodeURIComponent(clientId)}/launch`, request);
  }
}

/** The server that runs on this data folder; undefined when none does. */
export async function findServer(call: Call): Promise<LocalServer | undefined> {
  const running = await findRunning(dataFolder(call)).catch((error: Error) => {
    throw new CliError(EXIT.failed, `the server's file cannot be read: ${error.message}`, 'Run this as the same user.');
  });
  if (!running) return undefined;
  const server = new LocalServer(running);
  try {
    await server.about();
    return server;
  } catch (error) {
    // The file of a server that was killed.
    if (isAway(error)) return undefined;
    throw error;
  }
}

/** @throws CliError when no server runs */
export async function requireServer(call: Call): Promise<LocalServer> {
  const server = await findServer(call);
  if (server) return server;
  throw new CliError(
    EXIT.unreachable,
    `no server runs on the data folder ${dataFolder(call)}`,
    'Start one with lockstep serve, name its folder with --data, or another Hub with --hub.',
  );
}

/**
 * Does an administrator's work: in the running server, or on its database where none runs.
 * @throws CliError when neither is there
 */
export async function administer<T>(call: Call, work: (administration: Administration) => Promise<T>): Promise<T> {
  const server = await findServer(call);
  if (server) return work(server);
  const data = dataFolder(call);
  // A server's worth of modules, for this one case.
  const { openOffline } = await import('../admin/offline.ts');
  const offline = await openOffline(data, call.env);
  if (!offline) {
    throw new CliError(
      EXIT.unreachable,
      `there is no server in ${data}`,
      'Start one with lockstep serve, or give --data.',
    );
  }
  try {
    return await work(offline.administration);
  } catch (error) {
    if (error instanceof Error && ['OAuthError', 'InvalidUser'].includes(error.name)) {
      throw new CliError(EXIT.refused, error.message);
    }
    throw error;
  } finally {
    await offline.close();
  }
}
