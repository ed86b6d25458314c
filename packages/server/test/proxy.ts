/** The shipped configurations of load balancers, each run for real in front of a Lockstep. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { selfSigned } from './certificate.ts';

export interface ShippedProxy {
  readonly program: string;
  readonly file: string;
  /** What of the file names the port. */
  readonly listen: RegExp;
  readonly args: (file: string, folder: string) => readonly string[];
}

const nginx = (file: string, listen: RegExp): ShippedProxy => ({
  program: 'nginx',
  file,
  listen,
  args: (path, folder) => ['-p', folder, '-c', path, '-e', 'stderr', '-g', `daemon off; pid ${folder}/nginx.pid;`],
});

const haproxy = (file: string, listen: RegExp): ShippedProxy => ({
  program: 'haproxy',
  file,
  listen,
  args: (path) => ['-db', '-f', path],
});

/** In front of a host of Lockstep's own, by plain http. */
export const WHOLE_HOST: readonly ShippedProxy[] = [
  nginx('deploy/compose/nginx.conf', /listen 8080/),
  haproxy('deploy/proxies/haproxy.cfg', /bind :8080/),
];

/** By https, with Lockstep below `/lockstep`. */
export const BELOW_A_PATH: readonly ShippedProxy[] = [
  nginx('deploy/proxies/nginx-below-a-path.conf', /listen 443/),
  haproxy('deploy/proxies/haproxy-below-a-path.cfg', /bind :443/),
];

export function isInstalled({ program }: ShippedProxy): boolean {
  return spawnSync('which', [program]).status === 0;
}

/** A certificate that this process trusts from now on. */
const { key, cert } = selfSigned();
setDefaultCACertificates([...getCACertificates('default'), cert]);

/**
 * Starts a proxy by its shipped file, in which only addresses and the places of certificates are changed.
 * @param node the port of the only Lockstep
 * @param ready an address that answers 200 through it
 */
export async function startProxy(
  t: TestContext,
  { program, file, listen, args }: ShippedProxy,
  port: number,
  node: number,
  ready: string,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-proxy-'));
  const shipped = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
  assert.match(shipped, listen);
  for (const [name, text] of Object.entries({
    'lockstep.crt': cert,
    'lockstep.key': key,
    'lockstep.pem': cert + key,
  })) {
    writeFileSync(join(folder, name), text);
  }
  const path = join(folder, 'proxy.conf');
  writeFileSync(
    path,
    shipped
      .replace(listen, (text) => text.replace(/\d+/, `${port}`))
      .replaceAll(/node-\d:8080/g, `127.0.0.1:${node}`)
      .replaceAll(/\/etc\/(nginx|haproxy)\//g, `${folder}/`),
  );
  const child = spawn(program, args(path, folder), { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    said += chunk;
  });
  const ended = once(child, 'exit').then(() => assert.fail(`${program} ended: ${said}`));
  t.after(async () => {
    ended.catch(() => undefined);
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  });
  const answers = async (): Promise<void> => {
    while ((await fetch(ready).catch(() => undefined))?.status !== 200) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await Promise.race([answers(), ended]);
}
