import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { access, readFile, rename, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text as textOfStream } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { event, inSync, lockstep, Running, serverOfFile } from './command-line.ts';
import type { Json } from './harness.ts';

const own = serverOfFile();
const { at, folder } = own;

const ADA = {
  resourceType: 'Patient',
  id: 'ada',
  identifier: [
    { system: 'https://ris.example', value: 'R-7', type: { coding: [{ code: 'MR' }] } },
    { system: 'urn:oid:1.2.3', value: '4711' },
  ],
  name: [{ given: ['Ada', 'M'], family: "O'Neil; rm -rf /" }],
  birthDate: '1980-02-29',
};

/** The program on the workstation: a local HTTP server that curl tells what it was called with. */
class Program {
  readonly url: string;
  /** HTTP status that it answers with: curl ends with 0 below 400, else with 22. */
  status = 200;
  readonly #calls: string[] = [];
  readonly #waiting: ((call: string) => void)[] = [];

  private constructor(port: number) {
    this.url = `http://127.0.0.1:${port}/`;
  }

  static async start(t: TestContext): Promise<Program> {
    let program: Program | undefined;
    const http = createServer((request, response) => void program?.answer(request, response));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    t.after(() => http.close());
    program = new Program((http.address() as AddressInfo).port);
    return program;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await textOfStream(request);
    response.writeHead(this.status).end();
    const waiting = this.#waiting.shift();
    if (waiting) waiting(body);
    else this.#calls.push(body);
  }

  /** What the next call said. */
  next(): Promise<string> {
    const call = this.#calls.shift();
    if (call !== undefined) return Promise.resolve(call);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

async function openSession(): Promise<string> {
  const { code, stdout } = await lockstep(['sessions', 'open', '--user', 'dr-lena-okafor', ...at]);
  assert.equal(code, 0);
  return stdout.trim();
}

/** Publishes a whole event. */
async function publish(topic: string, name: string, context: readonly object[]): Promise<void> {
  const path = join(folder, 'context.json');
  await writeFile(path, JSON.stringify(context));
  const { code, stderr } = await lockstep(['publish', name, '--context', path, '--topic', topic, ...at]);
  assert.equal(code, 0, stderr);
}

const openAda = (topic: string, patient: object = ADA) =>
  publish(topic, 'Patient-open', [{ key: 'patient', resource: patient }]);

/** Another application of the session, which is told who does not follow. */
async function otherApp(t: TestContext, topic: string): Promise<Running> {
  const other = Running.start(t, ['listen', '--topic', topic, '--name', 'other', '--json', ...at]);
  await other.find(inSync);
  return other;
}

function follow(t: TestContext, topic: string, args: readonly string[]): Running {
  return Running.start(t, ['follow', '--topic', topic, '--json', ...at, ...args]);
}

const outOfSync = ({ kind, status }: Json): boolean => kind === 'state' && status === 'out-of-sync';
const reasonOf = (syncError: Json): string => syncError.event.context[0].resource.issue[0].diagnostics;

test('follow runs a program with values of the context, and its exit status is the answer', async (t) => {
  const topic = await openSession();
  const program = await Program.start(t);
  const other = await otherApp(t, topic);
  const text =
    '{event}|{patient.id}|{patient.identifier.MR}|{patient.identifier.urn:oid:1.2.3}|{patient.name}|{patient.birthDate}';
  const following = follow(t, topic, ['--name', 'Old PACS', '--', 'curl', '-sf', '--data-raw', text, program.url]);
  await following.find(inSync);
  await openAda(topic);
  assert.equal(await program.next(), "Patient-open|ada|R-7|4711|Ada M O'Neil; rm -rf /|1980-02-29");
  await following.find(inSync);

  program.status = 500;
  await openAda(topic, { ...ADA, id: 'eve' });
  assert.match(await program.next(), /\|eve\|/);
  const told = await other.find(event('SyncError'));
  assert.match(reasonOf(told), /Old PACS.*409/);
  await following.find(outOfSync);

  program.status = 200;
  await publish(topic, 'Patient-close', [{ key: 'patient', resource: { resourceType: 'Patient', id: 'eve' } }]);
  assert.equal(await program.next(), 'Patient-close|||||', 'nothing is open: nothing is to be shown');
});

test('follow refuses a context that lacks a value the program needs, and does not call it', async (t) => {
  const topic = await openSession();
  const program = await Program.start(t);
  const other = await otherApp(t, topic);
  const following = follow(t, topic, [
    '--name',
    'RIS',
    '--',
    'curl',
    '-sf',
    '--data-raw',
    '{patient.identifier.MR}',
    program.url,
  ]);
  await following.find(inSync);
  await openAda(topic, { resourceType: 'Patient', id: 'nobody' });
  assert.match(reasonOf(await other.find(event('SyncError'))), /RIS/);
  await openAda(topic);
  assert.equal(await program.next(), 'R-7', 'the first call is for the patient that has a number');
});

test('follow with --refuse-empty tells the others that the program still shows what was closed', async (t) => {
  const topic = await openSession();
  const other = await otherApp(t, topic);
  const path = join(folder, 'shown.txt');
  const following = follow(t, topic, ['--refuse-empty', '--write', path, '--text', '{patient.id}', '--name', 'RIS']);
  await following.find(inSync);
  await openAda(topic);
  await following.find(inSync);
  assert.equal(readFileSync(path, 'utf8'), 'ada\n');
  await publish(topic, 'Home-open', []);
  assert.match(reasonOf(await other.find(event('SyncError'))), /RIS/);
  assert.equal(readFileSync(path, 'utf8'), 'ada\n');
});

test('follow calls a local address, whose status is the answer', async (t) => {
  const topic = await openSession();
  const program = await Program.start(t);
  const other = await otherApp(t, topic);
  const following = follow(t, topic, ['--call', `${program.url}show`, '--name', 'Viewer']);
  await following.find(inSync);
  program.status = 409;
  await openAda(topic);
  const { event: name, context } = JSON.parse(await program.next());
  assert.equal(name, 'Patient-open');
  assert.deepEqual(context, [{ key: 'patient', resource: ADA }]);
  assert.match(reasonOf(await other.find(event('SyncError'))), /Viewer/);
});

test('follow publishes for the program: by line, by file and by a local address that web pages cannot use', async (t) => {
  const topic = await openSession();
  const other = await otherApp(t, topic);
  const drop = mkdtempSync(join(folder, 'drop-'));
  const args = ['--publish-folder', drop, '--publish-port', '0', '--write', join(folder, 'both.json')];
  const following = Running.start(t, ['follow', '--topic', topic, ...at, ...args]);
  const address = await following.note(/^publish to (\S+)$/);

  const post = (init: RequestInit) =>
    fetch(address, { method: 'POST', body: JSON.stringify({ event: 'Home-open', context: [] }), ...init });
  const json = { 'content-type': 'application/json' };
  assert.equal((await post({ headers: { ...json, origin: 'https://evil.example' } })).status, 403);
  assert.equal((await post({ headers: { 'content-type': 'text/plain' } })).status, 415);
  assert.equal((await post({ headers: json, body: '{' })).status, 400);
  assert.equal((await post({ headers: json, body: '{"event":"Patient-close","context":[]}' })).status, 409);
  assert.equal((await post({ headers: json })).status, 202);
  await other.find(event('Home-open'));

  const drops = async (name: string, text: string): Promise<void> => {
    await writeFile(join(folder, name), text);
    await rename(join(folder, name), join(drop, name));
  };
  await drops('a.txt', 'Patient-open Patient/p1');
  const opened = await other.find(event('Patient-open'));
  assert.equal(opened.event.context[0].resource.id, 'p1');
  await drops('b.json', '{"event":"Patient-open"}');
  await drops('c.txt', 'Patient-close Patient/p1');
  await other.find(event('Patient-close'));
  assert.match(await readFile(join(drop, 'b.json.refused.reason'), 'utf8'), /it must hold/);
  await assert.rejects(access(join(drop, 'a.txt')));
});

test('follow publishes the lines of its standard input, and ends with it', async (t) => {
  const topic = await openSession();
  const other = await otherApp(t, topic);
  const input = 'Patient-open Patient/p2\n\nPatient-close Patient/p3\n';
  const { code, stdout } = await lockstep(['follow', '--publish-stdin', '--topic', topic, ...at], { input });
  assert.equal(code, 0);
  assert.match(stdout, /^accepted [\w-]+$/m);
  assert.match(stdout, /^refused .*Patient\/p3 is not open/m);
  assert.equal((await other.find(event('Patient-open'))).event.context[0].resource.id, 'p2');
});

test('follow says what is missing', async () => {
  const nothing = await lockstep(['follow', '--topic', 't', ...at]);
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /nothing to keep on the context/);
  const noFolder = await lockstep(['follow', '--publish-folder', '/nowhere', '--topic', 't', ...at]);
  assert.equal(noFolder.code, 2);
  assert.match(noFolder.stderr, /is no folder/);
});
