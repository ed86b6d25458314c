/** Spans for an OpenTelemetry collector: a real one's door, by HTTP. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { HubClient, type Json, patient, withLockstep } from './harness.ts';
import { LockstepProcess } from './process.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

interface Collector {
  readonly url: string;
  readonly paths: readonly string[];
  readonly bodies: readonly Json[];
}

async function collector(t: TestContext): Promise<Collector> {
  const paths: string[] = [];
  const bodies: Json[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      paths.push(`${request.method} ${request.url}`);
      bodies.push(JSON.parse(text) as Json);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, paths, bodies };
}

const spansOf = ({ bodies }: Collector): readonly Json[] =>
  bodies.flatMap((body) => body.resourceSpans.flatMap((one: Json) => one.scopeSpans.flatMap((two: Json) => two.spans)));

function attribute(span: Json, key: string): unknown {
  const { value } = span.attributes.find((one: Json) => one.key === key) ?? {};
  return value?.stringValue ?? (value && Number(value.intValue));
}

test('each request is a span in the trace of its caller, with its route and status, and nothing that names a patient', async (t) => {
  const told = await collector(t);
  await withLockstep(
    async ({ origin }) => {
      const hub = await HubClient.backend(origin);
      const topic = await hub.session();
      await hub.publish(topic, 'Patient-open', [patient('told-of-nobody')]);
      await hub.request(`/${topic}`, { headers: { traceparent: `00-${TRACE}-${PARENT}-01` } });
      await hub.request(`/${topic}`, { headers: { traceparent: `00-${TRACE}-${PARENT}-00` } });
      await fetch(`${origin}/fhir/Patient/told-of-nobody`);
      await fetch(`${origin}/nothing/told-of-nobody`, { headers: { traceparent: 'nonsense' } });
    },
    { otlpUrl: told.url },
  );
  assert.deepEqual(new Set(told.paths), new Set(['POST /v1/traces']));
  const spans = spansOf(told);
  const names = spans.map(({ name }) => name as string);
  for (const name of ['POST /hub/session', 'POST /hub', 'GET /hub/:topic', 'POST /auth/token', 'other none']) {
    assert.ok(names.includes(name), `${name} in ${names}`);
  }
  const ours = spans.filter(({ traceId }) => traceId === TRACE);
  assert.equal(ours.length, 1, 'a trace that its caller does not record is not recorded here');
  assert.equal(ours[0]?.parentSpanId, PARENT);
  assert.equal(attribute(ours[0] ?? {}, 'http.response.status_code'), 200);
  const publish = spans.find(({ name }) => name === 'POST /hub') ?? {};
  assert.equal(attribute(publish, 'http.response.status_code'), 202);
  assert.equal(attribute(publish, 'http.route'), '/hub');
  assert.ok(BigInt(publish.endTimeUnixNano) > BigInt(publish.startTimeUnixNano));
  assert.doesNotMatch(JSON.stringify(told.bodies), /told-of-nobody/);
});

test('a collector that does not answer harms nothing', async () => {
  await withLockstep(
    async ({ origin }) => {
      assert.equal((await fetch(`${origin}/health/live`)).status, 200);
    },
    { otlpUrl: 'http://127.0.0.1:9' },
  );
});

test('without a collector nothing that records spans is loaded', async (t) => {
  const hook = `import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { if (url.includes('sdk-trace')) throw new Error(url); return next(url, context); } });`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}` };
  await LockstepProcess.start(t, env);
  await assert.rejects(
    LockstepProcess.start(t, { ...env, LOCKSTEP_OTLP_URL: 'http://127.0.0.1:9' }),
    /before it was ready/,
  );
});
