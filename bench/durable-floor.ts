/**
 * The durable floor: the least that a Hub which keeps PUB-4 can be. Beside the work of the bare floor it has each event on the
 * disk before its 202 (SQLite, WAL, synchronous=FULL, group commit in a thread), and reads the answers of subscribers. No token,
 * no checks, no versions, no time-outs.
 * @param argv a folder for the database
 */
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import process from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { isMainThread, parentPort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { accepted, type Envelope, listen, type Relay } from './relay.ts';

interface Entry {
  readonly number: number;
  readonly topic: string;
  readonly id: string;
  readonly body: string;
}

/** Writes what has come in meanwhile in one transaction, and says up to which number it is on the disk. */
function write(folder: string): void {
  const port = parentPort!;
  const database = new DatabaseSync(join(folder, 'floor.db'));
  database.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL');
  database.exec('CREATE TABLE log (number INTEGER PRIMARY KEY, topic TEXT, id TEXT, body TEXT)');
  const insert = database.prepare('INSERT INTO log VALUES (?, ?, ?, ?)');
  port.on('message', (first: Entry) => {
    database.exec('BEGIN');
    let last = first.number;
    for (let entry: Entry | undefined = first; entry; entry = receiveMessageOnPort(port)?.message) {
      insert.run(entry.number, entry.topic, entry.id, entry.body);
      last = entry.number;
    }
    database.exec('COMMIT');
    port.postMessage(last);
  });
}

function serve(folder: string): void {
  const writer = new Worker(new URL(import.meta.url), { argv: [folder] });
  const waiting: { number: number; topic: string; body: Buffer; relay: Relay; response: ServerResponse }[] = [];
  let number = 0;
  writer.on('message', (last: number) => {
    while (waiting[0] && waiting[0].number <= last) {
      const { topic, body, relay, response } = waiting.shift()!;
      relay.send(topic, body);
      accepted(response);
    }
  });
  let answers = 0;
  listen(
    'durable floor',
    (relay, bytes, response) => {
      const body = bytes.toString();
      const { id, event } = JSON.parse(body) as Envelope;
      const topic = event['hub.topic'];
      number += 1;
      waiting.push({ number, topic, body: bytes, relay, response });
      writer.postMessage({ number, topic, id, body } satisfies Entry);
    },
    (data) => {
      const { status } = JSON.parse(String(data)) as { status: number };
      if (status < 300) answers += 1;
    },
  );
  process.on('SIGTERM', () => {
    console.error(`${number} events, ${answers} answers`);
    process.exit();
  });
}

const folder = process.argv[2] ?? '.';
if (isMainThread) serve(folder);
else write(folder);
