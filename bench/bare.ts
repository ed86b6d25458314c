/**
 * What the HTTP endpoints are measured against: bare Fastify routes. One reads a row from SQLite. Two do only what a token
 * request cannot do without: check the signature of its assertion, and keep what must survive on the disk.
 * @param argv a folder for the store, and the public key (JWK) of the assertions
 */
import { createPublicKey, randomUUID, verify } from 'node:crypto';
import { join } from 'node:path';
import process from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { openSqlite } from '@lockstep/store-sqlite';
import Fastify, { type FastifyRequest } from 'fastify';
import { patientOpen } from './events.ts';

const [folder = '.', jwk = '{}'] = process.argv.slice(2);

const db = new DatabaseSync(':memory:');
db.exec('CREATE TABLE resource (id TEXT PRIMARY KEY, body TEXT NOT NULL)');
const body = patientOpen('topic', 0).fill('id', '');
db.prepare('INSERT INTO resource VALUES (?, ?)').run('0', body);
const read = db.prepare('SELECT body FROM resource WHERE id = ?');

const key = createPublicKey({ key: JSON.parse(jwk), format: 'jwk' });
const { records, close } = await openSqlite({ path: join(folder, 'bare.db'), log: { count: 1, ageMs: 1 } });

function signatureFits(request: FastifyRequest): boolean {
  const assertion = new URLSearchParams(String(request.body)).get('client_assertion') ?? '';
  const end = assertion.lastIndexOf('.');
  const signature = Buffer.from(assertion.slice(end + 1), 'base64url');
  return verify('sha384', Buffer.from(assertion.slice(0, end)), key, signature);
}

/** As long as a token's record. */
const record = JSON.stringify({ token: 'x'.repeat(180) });

const app = Fastify();
app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, text, done) =>
  done(null, text),
);
app.get<{ Params: { id: string } }>('/resource/:id', async (request, reply) =>
  reply.type('application/json').send(read.get(request.params.id)?.body),
);
app.post('/signature', async (request, reply) => reply.code(signatureFits(request) ? 200 : 401).send({ token: 'x' }));
app.post('/token', async (request, reply) => {
  if (!signatureFits(request)) return reply.code(401).send();
  const expiresAt = Date.now() + 300_000;
  const token = randomUUID();
  const kept = await records.putAll(
    [
      { kind: 'jti', id: randomUUID(), record: { body: '{}', expiresAt }, condition: 'absent' },
      { kind: 'token', id: token, record: { body: record, expiresAt, indexes: { client: 'bench' } } },
    ],
    Date.now(),
  );
  return reply.code(kept ? 200 : 400).send({ access_token: token, token_type: 'Bearer', expires_in: 300 });
});
process.on('SIGTERM', () => void app.close().then(close));
console.log(`The bare server is ready at ${await app.listen({ port: 0, host: '127.0.0.1' })}`);
