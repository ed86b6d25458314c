/** The applications that come with Lockstep: the console's own EHR, the command line, and the samples. */

import * as reportWriter from '@lockstep/sample-report-writer';
import * as viewer from '@lockstep/sample-viewer';
import { type AuthorizationServer, type Client, OAuthError } from '@lockstep/smart';
import type { RecordStore } from '@lockstep/store';
import { isStandIn } from './simulation/stand-ins.ts';

type Clients = AuthorizationServer['clients'];

export const CONSOLE_CLIENT = 'lockstep-console';
/** What the embedded EHR may do for the person signed in. */
export const CONSOLE_SCOPE = 'fhircast/*.* hub/session.* user/*.rs user/Observation.cu';

/** What commands on the server's machine act as: it cannot sign in, and no one can sign in as it. */
export const COMMAND_LINE_CLIENT = 'lockstep-command-line';
export const COMMAND_LINE_SCOPE = 'fhircast/*.* hub/session.*';

/** What an administrator's composer publishes as, by the administrator's id: so its events are not taken for the EHR's. */
export const composerClient = (userId: string): string => `lockstep-composer/${userId}`;

/** Clients that are no apps to launch. */
export const OWN_CLIENTS: ReadonlySet<string> = new Set([CONSOLE_CLIENT, COMMAND_LINE_CLIENT]);

/**
 * The client_id that an administrator chose for a new app, as apps that anybody can download have theirs built in.
 * @throws OAuthError for a name that the server keeps for itself
 */
export function chosenId(clientId: unknown): { readonly id?: string } {
  if (clientId === undefined || clientId === null || clientId === '') return {};
  if (typeof clientId !== 'string') throw new OAuthError('invalid_client_metadata', 'client_id must be a string');
  if (clientId.startsWith('lockstep-') || isStandIn(clientId)) {
    throw new OAuthError('invalid_client_metadata', 'client_id: the server keeps this name for itself');
  }
  return { id: clientId };
}

/** Whether a client is no app to launch: the server's own, or one that was made for simulated launches. */
export function isNoApp({ id, simulated }: Pick<Client, 'id' | 'simulated'>): boolean {
  return OWN_CLIENTS.has(id) || isStandIn(id) || simulated === true;
}

/** Where the samples' pages are, and what is served there. */
export const SAMPLES = [viewer, reportWriter].map(({ app, files }) => ({ ...app, files }));

const SETUP = 'setup';

function consoleMetadata(publicUrl: string): Record<string, unknown> {
  return {
    client_name: 'EHR',
    description: 'The console of this server',
    client_uri: `${publicUrl}/`,
    redirect_uris: [`${publicUrl}/`],
    grant_types: ['authorization_code'],
    token_endpoint_auth_method: 'none',
    launch_kinds: [],
    scope: CONSOLE_SCOPE,
  };
}

const COMMAND_LINE_METADATA: Readonly<Record<string, unknown>> = {
  client_name: 'Command line',
  description: "The lockstep command on the server's machine",
  redirect_uris: [],
  grant_types: [],
  token_endpoint_auth_method: 'none',
  launch_kinds: [],
  scope: COMMAND_LINE_SCOPE,
};

function sampleMetadata(publicUrl: string, { name, description, path, scope }: (typeof SAMPLES)[number]) {
  return {
    client_name: name,
    description,
    launch_url: `${publicUrl}${path}`,
    redirect_uris: [`${publicUrl}${path}`],
    logo_uri: `${publicUrl}${path}icon.svg`,
    token_endpoint_auth_method: 'none',
    launch_kinds: ['ehr', 'standalone'],
    scope,
  };
}

/** Another node that starts at the same time may be first. */
async function addOnce(clients: Clients, id: string, metadata: Record<string, unknown>): Promise<void> {
  try {
    await clients.add(metadata, { id, status: 'active', trusted: true, launcher: mayLaunch(id) });
  } catch (error) {
    if (!(await clients.get(id))) throw error;
  }
}

/** Writes a registration, or brings its addresses up to date where the server moved. */
async function bringUp(
  clients: Clients,
  id: string,
  metadata: Readonly<Record<string, unknown>>,
  add: boolean,
): Promise<void> {
  const known = await clients.get(id);
  if (!known) {
    if (add) await addOnce(clients, id, metadata);
    return;
  }
  const wanted = metadata.redirect_uris as readonly string[];
  const launcher = mayLaunch(id);
  if (known.redirectUris[0] !== wanted[0] || known.scope !== metadata.scope || (launcher && !known.launcher)) {
    await clients.patch(id, { ...metadata, ...(launcher && { launcher }) });
  }
}

/** A user of the command line on the server's machine is an administrator, and may launch (LAU-1). */
function mayLaunch(id: string): boolean {
  return id === COMMAND_LINE_CLIENT;
}

/**
 * Registers the console and the command line, and at the first start the samples: what an administrator deletes stays deleted.
 * @param samples whether there are to be sample applications
 */
export async function registerOwnApps(
  clients: Clients,
  options: {
    readonly records: RecordStore;
    readonly publicUrl: string;
    readonly samples: boolean;
    readonly now: number;
  },
): Promise<void> {
  const { records, publicUrl, samples, now } = options;
  await bringUp(clients, CONSOLE_CLIENT, consoleMetadata(publicUrl), true);
  await bringUp(clients, COMMAND_LINE_CLIENT, COMMAND_LINE_METADATA, true);
  const first = samples && (await records.get(SETUP, 'samples', now)) === undefined;
  for (const app of SAMPLES) await bringUp(clients, app.id, sampleMetadata(publicUrl, app), first);
  // Afterwards: a process that ends before has not been the first.
  if (first) await records.put(SETUP, 'samples', { body: '{}' }, now, 'absent');
}
