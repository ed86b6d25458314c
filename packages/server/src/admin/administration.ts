import {
  type AuthorizationServer,
  type Client,
  InvalidUser,
  type NewUser,
  OAuthError,
  toMetadata,
  type UserProfile,
} from '@lockstep/smart';
import type { TopicSecrets } from '../launch/topic-secrets.ts';
import { chosenId, isNoApp } from '../own-apps.ts';

/** An app as administrators see it: its RFC 7591 metadata. */
export type AppView = Readonly<Record<string, unknown>> & { readonly client_id: string };

export interface AppPage {
  readonly apps: readonly AppView[];
  /** The `after` of the following page, where there is one. */
  readonly next?: string;
}

export interface RegisteredApp {
  readonly app: AppView;
  /** Shown once; symmetric clients have one. */
  readonly secret?: string;
  /** Shown once; apps of the launch kind `derived` have one (LAU-2). */
  readonly topicSecret?: string;
}

/**
 * What an administrator does by command: in the server's process, or to the database where no server runs.
 * Every method throws `OAuthError` or `InvalidUser` for input that does not fit, and changes nothing then.
 */
export interface Administration {
  /** A page of the apps, in the order of their ids, from the first one after `after`. */
  apps(after?: string): Promise<AppPage>;
  registerApp(metadata: Readonly<Record<string, unknown>>): Promise<RegisteredApp>;
  /** A new secret for derived topics; the old one is void at once. */
  topicSecret(clientId: string): Promise<{ readonly topicSecret: string }>;
  users(): Promise<readonly UserProfile[]>;
  addUser(user: NewUser): Promise<UserProfile>;
  rotateKeys(): Promise<{ readonly kid: string }>;
}

function viewOf(client: Client): AppView {
  return {
    ...toMetadata(client),
    client_id: client.id,
    trusted: client.trusted,
    ...(client.launcher && { launcher: true }),
  };
}

export function createAdministration(
  { clients, users, keys }: Pick<AuthorizationServer, 'clients' | 'users' | 'keys'>,
  secrets: TopicSecrets,
): Administration {
  return {
    async apps(after) {
      const { clients: page, next } = await clients.page({ after });
      const apps = page.filter((client) => !isNoApp(client)).map(viewOf);
      return { apps, ...(next !== undefined && { next }) };
    },
    async registerApp({ trusted, launcher, client_id: chosen, ...metadata }) {
      const { client, secret } = await clients.add(metadata, {
        ...chosenId(chosen),
        status: 'active',
        trusted: trusted === true,
        launcher: launcher === true,
      });
      const derived = client.launchKinds.includes('derived');
      const topicSecret = derived ? await secrets.renew(client.id) : undefined;
      return {
        app: viewOf(client),
        ...(secret !== undefined && { secret }),
        ...(topicSecret !== undefined && { topicSecret }),
      };
    },
    async topicSecret(clientId) {
      const client = await clients.get(clientId);
      if (!client) throw new OAuthError('invalid_request', 'there is no such app', 404);
      if (!client.launchKinds.includes('derived')) {
        throw new OAuthError('invalid_request', 'the app is not registered for the launch kind derived', 409);
      }
      return { topicSecret: await secrets.renew(clientId) };
    },
    users: () => users.list(),
    addUser: (user) => users.add(user),
    rotateKeys: async () => ({ kid: await keys.rotate() }),
  };
}

/** Reads a user from JSON. @throws InvalidUser */
export function readUser(body: Readonly<Record<string, unknown>>): NewUser {
  const { id, name, reference, aliases, administrator, password } = body;
  const text = (value: unknown, field: string): string | undefined => {
    if (value === undefined || typeof value === 'string') return value;
    throw new InvalidUser(`${field} must be a string`);
  };
  if (aliases !== undefined && !(Array.isArray(aliases) && aliases.every((one) => typeof one === 'string'))) {
    throw new InvalidUser('aliases must be a list of strings');
  }
  if (administrator !== undefined && typeof administrator !== 'boolean') {
    throw new InvalidUser('administrator must be true or false');
  }
  const given = { reference: text(reference, 'reference'), password: text(password, 'password') };
  return {
    id: text(id, 'id') ?? '',
    name: text(name, 'name') ?? '',
    ...(given.reference !== undefined && { reference: given.reference }),
    ...(given.password !== undefined && { password: given.password }),
    ...(aliases !== undefined && { aliases: aliases as string[] }),
    ...(administrator !== undefined && { administrator }),
  };
}
