/** A package registry on loopback that has what is installed here: packages of ours can then be installed without a network. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createGzip } from 'node:zlib';

interface Manifest {
  readonly name: string;
  readonly version: string;
}

export interface LocalRegistry {
  readonly url: string;
  /** Names that were asked for and are not here. */
  readonly missing: Set<string>;
  close(): void;
}

/**
 * What is left out of an archive: source maps, and the definitions of FHIR that no program of ours reads. Each installation unpacks
 * everything, and these are half of all.
 */
const LEFT_OUT: readonly string[] = [
  '*.map',
  ...['dataelements', 'v2-tables', 'profiles-others', 'extension-definitions'].map(
    (name) => `./dist/fhir/r4/${name}.json`,
  ),
];

/** @param root folder with a package-lock.json and the node_modules that it describes */
export async function startLocalRegistry(root: string): Promise<LocalRegistry> {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { link?: boolean }>;
  };
  const folders = new Map<string, { manifest: Manifest; folder: string }>();
  const versions = new Map<string, Manifest[]>();
  for (const [path, { link }] of Object.entries(lock.packages)) {
    const file = join(root, path, 'package.json');
    if (!path.includes('node_modules/') || link || !existsSync(file)) continue;
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
    const { name, version } = manifest;
    if (folders.has(`${name}@${version}`)) continue;
    folders.set(`${name}@${version}`, { manifest, folder: join(root, path) });
    versions.set(name, [...(versions.get(name) ?? []), manifest]);
  }
  const missing = new Set<string>();
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '').slice(1));
    const archived = folders.get(path.replace(/\.tgz$/, ''));
    if (archived) {
      const { folder } = archived;
      const without = ['./node_modules', ...LEFT_OUT].map((pattern) => `--exclude=${pattern}`);
      const tar = spawn('tar', ['-cf', '-', ...without, '--transform=s,^\\.,package,', '.'], {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      tar.stdout.pipe(createGzip({ level: 1 })).pipe(response);
      return;
    }
    const found = versions.get(path);
    if (!found) {
      missing.add(path);
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}');
      return;
    }
    const { port } = server.address() as AddressInfo;
    const described = found.map((manifest) => {
      const tarball = `http://127.0.0.1:${port}/${encodeURIComponent(`${path}@${manifest.version}`)}.tgz`;
      return [manifest.version, { ...manifest, dist: { tarball } }] as const;
    });
    const latest = found
      .map(({ version }) => version)
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      .at(-1);
    const packument = { name: path, 'dist-tags': { latest }, versions: Object.fromEntries(described) };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(packument));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    missing,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
