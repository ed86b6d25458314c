/** Starts registered apps in the way each was made for: the address, the switches, the file or the ticket (LAU-1). */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  buildArguments,
  buildLaunchFile,
  buildWebLaunch,
  type LaunchParameters,
  windowsCommandLine,
} from '@lockstep/fhircast';
import type { Clock } from '@lockstep/hub';
import {
  type AuthorizationServer,
  type Client,
  type LaunchBinding,
  OAuthError,
  type UserProfile,
} from '@lockstep/smart';
import { LAUNCH_FORMS, type Launched, type LaunchForm } from './launch-forms.ts';
import { TICKET_LIFE, type Tickets } from './tickets.ts';

/** Name of the launch parameter that holds the address of a ticket, so that the app gets a token. */
export const TICKET_PARAMETER = 'ticket';

const FORM_OF_KIND: Readonly<Partial<Record<Client['launchKinds'][number], LaunchForm>>> = {
  ehr: 'smart',
  web: 'web',
  'command-line': 'switches',
  file: 'file',
};

export interface LauncherParts {
  readonly authorization: AuthorizationServer;
  readonly tickets: Tickets;
  readonly hubUrl: string;
  readonly clock: Clock;
  /** Below it each app of the launch kind `file` has the folder that it watches. */
  readonly folder: string;
}

/** The form that an app is started in when none is asked for: its first launch kind's. */
export function formOf(client: Client): LaunchForm | undefined {
  for (const kind of client.launchKinds) {
    const form = FORM_OF_KIND[kind];
    if (form) return form;
  }
  return undefined;
}

/** Reads the name of a form, which may be left out. @throws OAuthError */
export function readLaunchForm(text: unknown): LaunchForm | undefined {
  const form = LAUNCH_FORMS.find((one) => one === text);
  if (text === undefined || form) return form;
  throw new OAuthError('invalid_request', `form must be one of ${LAUNCH_FORMS.join(', ')}`);
}

export class Launcher {
  readonly #parts: LauncherParts;

  constructor(parts: LauncherParts) {
    this.#parts = parts;
  }

  /**
   * Launches an app for a user into a session, for a caller that has made sure that this user may be launched into it.
   * Web, switches and file carry a ticket beside Hub and topic, so that an app without key or secret gets its token.
   * @param binding what ends the launch: the sign-in of the person who launches; an administrator's command has none
   * @param form without it, the one of the app's first launch kind
   * @throws OAuthError saying what the app is not registered for
   */
  async launch(
    client: Client,
    user: UserProfile,
    topic: string,
    binding: LaunchBinding,
    form = formOf(client),
  ): Promise<Launched> {
    if (form === undefined) throw new OAuthError('invalid_request', 'nobody launches this app: it starts by itself');
    if (form === 'smart') {
      return { form, ...(await this.#parts.authorization.launch(user, { clientId: client.id, topic })) };
    }
    const { tickets, authorization, hubUrl } = this.#parts;
    const registered = await tickets.clientOf(client.id);
    if (form === 'ticket') return { form, ...(await tickets.issue(registered, user, topic, { binding })) };
    // An app with a key or a secret gets its token with that.
    const ticketed = authorization.launchTokens.fits(registered);
    const ticket = ticketed ? await tickets.issue(registered, user, topic, { binding }) : undefined;
    const launch: LaunchParameters = {
      hubUrl,
      topic,
      user: user.id,
      ...(ticket && { parameters: { [TICKET_PARAMETER]: ticket.ticket_url } }),
    };
    if (form === 'web') {
      if (!client.launchUrl) throw new OAuthError('invalid_request', 'the app has no launch URL');
      return { form, url: buildWebLaunch(client.launchUrl, launch) };
    }
    if (form === 'switches') {
      const { program } = client.switches;
      const args = buildArguments(launch);
      const command_line = windowsCommandLine(typeof program === 'string' ? program : 'app.exe', args);
      return { form, arguments: args, command_line };
    }
    return { form, ...(await this.#drop(client, launch)) };
  }

  /** The folder that an app of the launch kind `file` watches. */
  folderOf(client: Pick<Client, 'id'>): string {
    if (!/^[\w-]+$/.test(client.id)) throw new OAuthError('invalid_request', 'the app can have no folder');
    return join(this.#parts.folder, client.id);
  }

  async #drop(client: Client, launch: LaunchParameters): Promise<{ folder: string; file: string }> {
    const folder = this.folderOf(client);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await this.#sweep(folder);
    const file = `launch-${randomUUID()}.json`;
    // Whole or not at all: the app may look at any moment.
    const part = join(folder, `.${file}.part`);
    await writeFile(part, buildLaunchFile(launch), { mode: 0o600 });
    await rename(part, join(folder, file));
    return { folder, file };
  }

  /** A launch that was not taken in time would start an app in the wrong session later. */
  async #sweep(folder: string): Promise<void> {
    const before = this.#parts.clock.now() - TICKET_LIFE * 1000;
    for (const name of await readdir(folder)) {
      if (!/^\.?launch-[0-9a-f-]{36}\.json(\.part)?$/.test(name)) continue;
      const path = join(folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found && found.mtimeMs < before) await rm(path, { force: true });
    }
  }
}
