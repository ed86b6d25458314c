/** An answer and its record (production rules, audit): which of the two comes first. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import Fastify, { type FastifyInstance } from 'fastify';
import { DOORS } from '../http/doors/doors.ts';
import { answerFailures } from '../http/failure.ts';
import { ServerAuditTrail } from './audit-trail.ts';
import { CHAIN_START } from './chain.ts';
import { auditRequests } from './request-audit.ts';

/** A sink whose writes end when the test says so. */
class HeldSink {
  readonly name = 'held';
  readonly lines: string[] = [];
  readonly #held: { readonly release: (error?: Error) => void }[] = [];
  #asked: (() => void) | undefined;

  write(lines: readonly string[]): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.#held.push({
        release: (error) => {
          if (error) return reject(error);
          this.lines.push(...lines);
          resolve();
        },
      });
    });
    this.#asked?.();
    return written;
  }

  /** Resolves when a write waits. */
  async asked(): Promise<void> {
    if (this.#held.length > 0) return;
    await new Promise<void>((resolve) => {
      this.#asked = resolve;
    });
  }

  release(error?: Error): void {
    for (const { release } of this.#held.splice(0)) release(error);
  }

  async close(): Promise<void> {}
}

async function serverWith(t: TestContext, refuses: boolean): Promise<{ app: FastifyInstance; sink: HeldSink }> {
  const sink = new HeldSink();
  const log = { info: () => undefined, error: () => undefined };
  const clock = { now: () => 0, after: () => () => undefined };
  const trail = new ServerAuditTrail({ sinks: [sink], server: 'http://hub', end: CHAIN_START, refuses, clock, log });
  const app = Fastify();
  t.after(() => app.close());
  auditRequests(app, trail);
  answerFailures(app, ({ code }) => ({ error: code }));
  const door = DOORS.find(({ path }) => path === '/hub/session');
  assert.ok(door);
  app.post('/hub/session', { config: { door } }, async (_, reply) => reply.code(201).send({ done: true }));
  return { app, sink };
}

describe('the record of a request', () => {
  it('is kept before the answer goes out where the setting says refuse', async (t) => {
    const { app, sink } = await serverWith(t, true);
    let answered = false;
    const answer = app.inject({ method: 'POST', url: '/hub/session' }).then((response) => {
      answered = true;
      return response;
    });
    await sink.asked();
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(answered, false, 'the answer waits for its record');
    sink.release();
    assert.equal((await answer).statusCode, 201);
    assert.equal(sink.lines.length, 1);
    assert.match(sink.lines[0] ?? '', /201/);
  });

  it('that cannot be kept turns the answer into a 503 there', async (t) => {
    const { app, sink } = await serverWith(t, true);
    const answer = app.inject({ method: 'POST', url: '/hub/session' });
    await sink.asked();
    sink.release(new Error('the disk is full'));
    const { statusCode, headers, body } = await answer;
    assert.deepEqual([statusCode, JSON.parse(body)], [503, { error: 'temporarily_unavailable' }]);
    assert.ok(headers['retry-after']);
  });

  it('does not hold the answer up where the setting says continue', async (t) => {
    const { app, sink } = await serverWith(t, false);
    const { statusCode } = await app.inject({ method: 'POST', url: '/hub/session' });
    assert.equal(statusCode, 201);
    await sink.asked();
    sink.release();
  });
});
