/** What `deploy/` ships fits the server: metrics that are there, settings that it takes, a runbook for each alert. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readConfig } from '@lockstep/server';
import { freePort, RedisProcess } from '@lockstep/store-redis/testing';
import { parseAllDocuments } from 'yaml';
import { chartHash, findHelm, template } from '../../../scripts/helm.mjs';
import { selfSigned } from './certificate.ts';
import { type Json, withLockstep } from './harness.ts';
import { LockstepProcess } from './process.ts';

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
});

/** The objects in a text of manifests. */
function objectsIn(text: string): readonly Json[] {
  return parseAllDocuments(text).flatMap((document) => (document.toJS() as Json | null) ?? []);
}

const redisManifests = (): readonly Json[] => objectsIn(file('deploy/kubernetes/redis.yaml'));
const manifests = (): readonly Json[] => objectsIn(file('deploy/kubernetes/lockstep.yaml'));

function ofKind(kind: string, objects = manifests()): Json {
  const found = objects.find((one) => one.kind === kind);
  assert.ok(found, `there is no ${kind}`);
  return found;
}

/** What kubelet puts into a pod's environment for the Services of its namespace, unless a pod refuses it. */
function serviceLinks(objects: readonly Json[]): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };
  for (const [index, { metadata, spec }] of objects.filter(({ kind }) => kind === 'Service').entries()) {
    const name = metadata.name.toUpperCase().replaceAll('-', '_');
    const address = `10.96.1.${index + 1}`;
    for (const { name: port, port: number } of spec.ports) {
      const at = `tcp://${address}:${number}`;
      Object.assign(env, {
        [`${name}_SERVICE_HOST`]: address,
        [`${name}_SERVICE_PORT`]: `${number}`,
        [`${name}_SERVICE_PORT_${port.toUpperCase()}`]: `${number}`,
        [`${name}_PORT`]: at,
        [`${name}_PORT_${number}_TCP`]: at,
        [`${name}_PORT_${number}_TCP_PROTO`]: 'tcp',
        [`${name}_PORT_${number}_TCP_PORT`]: `${number}`,
        [`${name}_PORT_${number}_TCP_ADDR`]: address,
      });
    }
  }
  return env;
}

/** The environment that the image sets. */
function imageEnvironment(): NodeJS.ProcessEnv {
  const [, stage = ''] = /^ENV ((?:.*\\\n)*.*)$/m.exec(file('deploy/Dockerfile')) ?? [];
  return Object.fromEntries(Array.from(stage.matchAll(/(\w+)=(\S+)/g), ([, name = '', value = '']) => [name, value]));
}

describe('the Kubernetes manifests', () => {
  it('start a pod with what kubelet gives it, answer its probes on their ports, and end it in time', async (t) => {
    const redis = await RedisProcess.start();
    t.after(() => redis.remove());
    const { spec: pod } = ofKind('Deployment').spec.template;
    const [container] = pod.containers;
    const given: NodeJS.ProcessEnv = { ...imageEnvironment(), ...serviceLinks([...manifests(), ...redisManifests()]) };
    for (const { configMapRef, secretRef } of container.envFrom) {
      if (configMapRef) Object.assign(given, ofKind('ConfigMap').data);
      if (secretRef) Object.assign(given, ofKind('Secret').stringData);
    }
    // Only what is of this machine differs: free ports, a folder, and where the Redis is that the manifest calls by its Service.
    const ports = { http: await freePort(), management: await freePort() };
    for (const { name, containerPort } of container.ports) {
      const variable = name === 'http' ? 'PORT' : 'LOCKSTEP_MANAGEMENT_PORT';
      assert.equal(given[variable], String(containerPort), `the port ${name} is the one that the server listens on`);
      given[variable] = String(ports[name as keyof typeof ports]);
    }
    assert.match(given.LOCKSTEP_REDIS_URL ?? '', new RegExp(`//${ofKind('Service', redisManifests()).metadata.name}:`));
    const server = await LockstepProcess.start(t, {
      ...given,
      LOCKSTEP_REDIS_URL: `redis://127.0.0.1:${redis.port}`,
      LOCKSTEP_DATA: undefined,
      LOCKSTEP_LOG_LEVEL: undefined,
    });
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      const { path, port } = container[probe].httpGet;
      const answer = await fetch(`http://127.0.0.1:${ports[port as keyof typeof ports]}${path}`);
      assert.equal(answer.status, 200, probe);
    }
    assert.equal((await fetch(`http://127.0.0.1:${ports.http}/metrics`)).status, 404);
    assert.equal(await server.kill('SIGTERM'), 0);
  });

  it('keep the management port off the Service, and the pod without rights', () => {
    assert.deepEqual(
      ofKind('Service').spec.ports.map(({ targetPort }: Json) => targetPort),
      ['http'],
    );
    const { spec: pod } = ofKind('Deployment').spec.template;
    const [{ securityContext }] = pod.containers;
    assert.equal(pod.securityContext.runAsNonRoot, true);
    assert.equal(pod.automountServiceAccountToken, false);
    assert.equal(securityContext.allowPrivilegeEscalation, false);
    assert.equal(securityContext.readOnlyRootFilesystem, true);
    assert.deepEqual(securityContext.capabilities.drop, ['ALL']);
  });

  it('are what the chart gives', () => {
    const [, written] = /^# chart: (\w+)$/m.exec(file('deploy/kubernetes/lockstep.yaml')) ?? [];
    assert.equal(written, chartHash(), 'the chart has changed: npm run helm writes the manifests again');
  });
});

const helm = findHelm();

describe('the Helm chart', {
  skip: helm === undefined ? 'helm is not installed: npm run helm builds it' : false,
}, () => {
  const render = (...values: string[]): readonly Json[] => objectsIn(template(helm!, values));

  it('gives the manifests as they are written down', () => {
    assert.deepEqual(render(), manifests());
  });

  it('without Redis is one node with its database on a volume', () => {
    const objects = render('redis.url=', 'replicas=1');
    const { spec } = ofKind('StatefulSet', objects);
    assert.equal(spec.replicas, 1);
    assert.equal(spec.volumeClaimTemplates[0].metadata.name, 'data');
    assert.ok(!objects.some(({ kind }) => ['Secret', 'Deployment', 'PodDisruptionBudget'].includes(kind)));
    assert.throws(() => render('redis.url='), /several nodes need Redis/);
  });

  it('takes an ingress, secrets of the cluster, and settings', () => {
    const objects = render(
      'ingress.enabled=true',
      'ingress.tlsSecret=cert',
      'redis.existingSecret=shared',
      'secrets={oidc}',
      'settings.LOCKSTEP_PROFILE=ira',
    );
    assert.equal(ofKind('Ingress', objects).spec.tls[0].secretName, 'cert');
    const pathIn = (all: readonly Json[]): string => ofKind('Ingress', all).spec.rules[0].http.paths[0].path;
    assert.equal(pathIn(objects), '/');
    assert.equal(pathIn(render('ingress.enabled=true', 'publicUrl=https://x.example/lockstep')), '/lockstep');
    assert.equal(ofKind('ConfigMap', objects).data.LOCKSTEP_PROFILE, 'ira');
    const [{ envFrom }] = ofKind('Deployment', objects).spec.template.spec.containers;
    assert.deepEqual(
      envFrom.map(({ secretRef }: Json) => secretRef?.name),
      [undefined, 'shared', 'oidc'],
    );
    assert.ok(!objects.some(({ kind }) => kind === 'Secret'));
  });

  for (const value of [
    'replicas=0',
    'replica=3',
    'publicUrl=lockstep.example.org',
    'publicUrl=https://x/path?a',
    'redis.url=localhost:6379',
    'settings.PROFILE=ira',
    'settings.LOCKSTEP_REDIS_URL=redis://x',
    'storage.size=10',
    'management.port=80',
    'service.port=0',
  ]) {
    it(`refuses ${value}`, () => assert.throws(() => render(value), /values don't meet the specifications/));
  }
});
