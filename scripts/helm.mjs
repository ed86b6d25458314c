// npm run helm: checks the chart with Helm, and writes the manifests in deploy/kubernetes/ that it gives. Needs `helm` on the path, or
// Go, which builds it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { root } from './bootstrap.mjs';

const HELM = 'helm.sh/helm/v3/cmd/helm@v3.21.4';
const chart = join(root, 'deploy', 'helm', 'lockstep');
const manifests = join(root, 'deploy', 'kubernetes', 'lockstep.yaml');

/** Hash over everything that the manifests are made of. */
export function chartHash() {
  const hash = createHash('sha256');
  for (const file of globSync('**/*.{yaml,tpl,json}', { cwd: chart }).sort()) {
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(chart, file)))
      .update('\0');
  }
  return hash.digest('hex');
}

/** The path of Helm: on the path, else built before or now by Go; undefined where neither is there. */
export function findHelm({ build = false } = {}) {
  if (spawnSync('helm', ['version']).status === 0) return 'helm';
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'lockstep', HELM.replaceAll('/', '_'));
  const built = join(folder, 'helm');
  if (existsSync(built)) return built;
  if (!build || spawnSync('go', ['version']).status !== 0) return undefined;
  console.log('Building Helm ...');
  const env = { ...process.env, GOBIN: folder };
  const done = spawnSync('go', ['install', '-ldflags=-s -w', HELM], { env, stdio: ['ignore', 'inherit', 'inherit'] });
  return done.status === 0 ? built : undefined;
}

/** What Helm makes of the chart. @param values such as `replicas=1`; @throws with Helm's own words */
export function template(helm, values = []) {
  const settings = values.flatMap((value) => ['--set', value]);
  // A Helm that was built by Go alone knows no version of Kubernetes.
  const made = spawnSync(helm, ['template', 'lockstep', chart, '--kube-version', '1.31.0', ...settings], {
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(made.stderr);
  return made.stdout;
}

function main() {
  const helm = findHelm({ build: true });
  if (helm === undefined) {
    console.error('Helm is missing, and so is Go, which builds it: install one of them.');
    return 1;
  }
  const linted = spawnSync(helm, ['lint', '--strict', chart], { stdio: 'inherit' });
  if (linted.status !== 0) return 1;
  const head = [
    '# What the chart in deploy/helm/lockstep gives with its values as they are: made by npm run helm, not to be changed here.',
    '# kubectl apply -f deploy/kubernetes/: set the image, LOCKSTEP_PUBLIC_URL and the Redis address first.',
    `# chart: ${chartHash()}`,
  ];
  writeFileSync(manifests, `${head.join('\n')}\n${template(helm)}`);
  console.log(`wrote ${manifests}`);
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main();
