import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { type Call, CliError, type Command, EXIT } from '../command.ts';
import { administer, DATA_OPTION } from '../local-server.ts';

const KINDS = ['ehr', 'standalone', 'backend', 'command-line', 'web', 'file', 'derived'] as const;

type Metadata = Record<string, unknown>;

async function manifest(path: string | undefined): Promise<Metadata> {
  if (path === undefined) return {};
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Metadata;
  } catch (error) {
    throw new CliError(EXIT.usage, `--manifest: ${(error as Error).message}`);
  }
  throw new CliError(EXIT.usage, '--manifest must hold a JSON object');
}

/** A key pair of the client's own: the private half stays with the caller. */
function newKey(): { privateJwk: object; publicJwk: object } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const named = { kid: randomUUID(), alg: 'ES384', use: 'sig' };
  return {
    privateJwk: { ...privateKey.export({ format: 'jwk' }), ...named },
    publicJwk: { ...publicKey.export({ format: 'jwk' }), ...named },
  };
}

async function metadataOf({ values }: Call): Promise<{ metadata: Metadata; privateJwk?: object }> {
  const metadata = await manifest(values.text('manifest'));
  const name = values.text('name');
  if (name !== undefined) metadata.client_name = name;
  if (typeof metadata.client_name !== 'string') throw new CliError(EXIT.usage, '--name is missing');
  const fields = {
    'client-id': 'client_id',
    description: 'description',
    'launch-url': 'launch_url',
    scope: 'scope',
  } as const;
  for (const [option, field] of Object.entries(fields)) {
    const value = values.text(option);
    if (value !== undefined) metadata[field] = value;
  }
  if (values.list('redirect').length > 0) metadata.redirect_uris = values.list('redirect');
  if (values.list('session-user').length > 0) metadata.session_users = values.list('session-user');
  if (values.list('kind').length > 0) metadata.launch_kinds = values.list('kind');
  if (values.flag('public')) metadata.token_endpoint_auth_method = 'none';
  if (values.flag('trusted')) metadata.trusted = true;
  if (values.flag('launcher')) metadata.launcher = true;
  const keyOut = values.text('key-out');
  // Without a redirect nothing but a key lets a client in; one launched by a ticket needs neither.
  const redirects = Array.isArray(metadata.redirect_uris) && metadata.redirect_uris.length > 0;
  if (keyOut === undefined && !redirects && !metadata.jwks && !metadata.jwks_uri && !metadata.grant_types) {
    const none = { grant_types: [], token_endpoint_auth_method: 'none' };
    return { metadata: { scope: 'fhircast/*.*', ...metadata, ...none } };
  }
  if (keyOut === undefined) return { metadata };
  const { privateJwk, publicJwk } = newKey();
  const backend = { grant_types: ['client_credentials'], token_endpoint_auth_method: 'private_key_jwt' };
  return { metadata: { ...backend, ...metadata, jwks: { keys: [publicJwk] } }, privateJwk };
}

export const appsRegister: Command = {
  name: 'apps register',
  summary: 'Register an app',
  details: `What an administrator registers works at once. --kind says how the app starts; kinds that need no sign-in page
(command-line, web, file) are launched with a ticket for its token.`,
  options: {
    name: { type: 'string', value: 'NAME', help: "the app's name" },
    'client-id': { type: 'string', value: 'ID', help: 'the client_id; made up without it' },
    description: { type: 'string', value: 'TEXT', help: 'a sentence about it' },
    kind: { type: 'string', value: KINDS.join('|'), multiple: true, help: 'how it starts' },
    'launch-url': { type: 'string', value: 'URL', help: 'where it starts, for kinds ehr and web' },
    redirect: { type: 'string', value: 'URL', multiple: true, help: 'redirect URI' },
    scope: { type: 'string', value: 'SCOPES', help: 'what it may ask for; everything its kind can use' },
    public: { type: 'boolean', help: 'it keeps no secret, as apps in browsers' },
    'key-out': {
      type: 'string',
      value: 'FILE',
      file: true,
      help: 'make a key for a backend client; the private half goes here',
    },
    'session-user': {
      type: 'string',
      value: 'USER',
      multiple: true,
      help: 'a backend client sees the sessions of these users only',
    },
    trusted: { type: 'boolean', help: 'EHR launches need no consent page' },
    launcher: { type: 'boolean', help: 'it may make launch tickets for other apps' },
    manifest: { type: 'string', value: 'FILE', file: true, help: 'RFC 7591 metadata or a SMART app manifest, as JSON' },
    ...DATA_OPTION,
  },
  examples: [
    { line: 'lockstep apps register --name Bridge --key-out key.json', means: 'a backend client' },
    {
      line: 'lockstep apps register --name Viewer --kind ehr --launch-url https://viewer.example.com/launch --redirect https://viewer.example.com/ --public',
      means: 'an app that SMART launches',
    },
    { line: 'lockstep apps register --name PACS --kind command-line', means: 'a program that takes switches' },
    {
      line: 'lockstep apps register --name Dictation --kind derived --key-out key.json',
      means: 'one that users start by themselves',
    },
  ],
  async run(call) {
    const { values, terminal } = call;
    const { metadata, privateJwk } = await metadataOf(call);
    const keyOut = values.text('key-out');
    if (keyOut !== undefined) {
      // Before anything is registered: a key that cannot be kept is worth nothing.
      await writeFile(keyOut, `${JSON.stringify(privateJwk, null, 2)}\n`, { mode: 0o600, flag: 'wx' }).catch(
        (error: Error) => {
          throw new CliError(EXIT.usage, `--key-out: ${error.message}`);
        },
      );
    }
    const registered = await administer(call, (administration) => administration.registerApp(metadata));
    terminal.result(registered, () =>
      [
        `client_id     ${registered.app.client_id}`,
        ...(registered.secret ? [`secret        ${registered.secret}  (shown once)`] : []),
        ...(registered.topicSecret ? [`topic secret  ${registered.topicSecret}  (shown once)`] : []),
        ...(keyOut ? [`private key   ${keyOut}`] : []),
      ].join('\n'),
    );
    return EXIT.done;
  },
};
