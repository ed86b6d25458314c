/** What `deploy/` ships fits the server: metrics that are there, settings that it takes, a runbook for each alert. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readConfig } from '@lockstep/server';
import { selfSigned } from './certificate.ts';
import { withLockstep } from './harness.ts';

const file = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

describe('dashboard and alerts', () => {
  it('ask only for metrics that the server tells', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-deployment-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const { cert, key } = selfSigned();
    const [tlsCert, tlsKey] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    writeFileSync(tlsCert, cert);
    writeFileSync(tlsKey, key);
    await withLockstep(
      async ({ managementPort }) => {
        const told = await (await fetch(`http://127.0.0.1:${managementPort}/metrics`)).text();
        const known = new Set(told.match(/^# TYPE (\S+)/gm)?.map((line) => line.slice('# TYPE '.length)));
        const asked = `${file('deploy/observability/grafana-dashboard.json')}${file('deploy/observability/alerts.yaml')}`;
        const names = new Set(asked.match(/\b(lockstep|process)_[a-z_]+/g));
        assert.ok(names.size > 10);
        for (const name of names) {
          assert.ok(known.has(name) || known.has(name.replace(/_(bucket|count|sum)$/, '')), `${name} is no metric`);
        }
      },
      { tlsCert, tlsKey, managementPort: 0, audit: join(folder, 'audit.jsonl') },
    );
  });

  it('have a runbook for each alert, and no other', () => {
    const alerts = Array.from(file('deploy/observability/alerts.yaml').matchAll(/- alert: (\w+)/g), ([, name]) => name);
    const parts = Array.from(file('docs/runbooks.md').matchAll(/^## (\w+)$/gm), ([, name]) => name);
    assert.deepEqual(parts, alerts);
    for (const name of alerts) assert.ok(file('deploy/observability/alerts.yaml').includes(`#${name?.toLowerCase()}`));
  });
});

describe('settings in what is deployed', () => {
  it('are settings, also with what Kubernetes adds to a pod', () => {
    for (const path of [
      'deploy/kubernetes/lockstep.yaml',
      'deploy/compose/compose.yaml',
      'deploy/Dockerfile',
      'deploy/systemd/lockstep.service',
    ]) {
      const settings = Object.fromEntries(
        Array.from(
          file(path).matchAll(/\b(LOCKSTEP_[A-Z_]+)[:=] ?"?(?:\$\{\w+:-)?([^\s"}]+)/g),
          ([, name = '', value = '']) => [name, value],
        ),
      );
      assert.ok(Object.keys(settings).length > 0, path);
      const secret = Object.keys(settings).filter((name) => name.endsWith('_FILE'));
      for (const name of secret) delete settings[name];
      readConfig({ ...settings, LOCKSTEP_SERVICE_HOST: '10.0.0.1', LOCKSTEP_PORT: 'tcp://10.0.0.1:80' });
    }
  });

  it('keep the management port off the Service', () => {
    const [, service = ''] = /kind: Service\n([\s\S]*?)\n---/.exec(file('deploy/kubernetes/lockstep.yaml')) ?? [];
    assert.match(service, /targetPort: http/);
    assert.doesNotMatch(service, /management|9090/);
  });
});
