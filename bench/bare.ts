/** What the HTTP endpoints are measured against: a bare Fastify route that reads one row from SQLite. */
import { DatabaseSync } from 'node:sqlite';
import Fastify from 'fastify';
import { patientOpen } from './events.ts';

const db = new DatabaseSync(':memory:');
db.exec('CREATE TABLE resource (id TEXT PRIMARY KEY, body TEXT NOT NULL)');
const body = patientOpen('topic', 0).fill('id', '');
db.prepare('INSERT INTO resource VALUES (?, ?)').run('0', body);
const read = db.prepare('SELECT body FROM resource WHERE id = ?');

const app = Fastify();
app.get<{ Params: { id: string } }>('/resource/:id', async (request, reply) =>
  reply.type('application/json').send(read.get(request.params.id)?.body),
);
console.log(`The bare route is ready at ${await app.listen({ port: 0, host: '127.0.0.1' })}`);
