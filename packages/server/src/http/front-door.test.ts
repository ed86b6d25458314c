/** What the web framework never sees, at every door of the table. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text as textOfStream } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { TokenDoor } from '@lockstep/smart';
import { type DoorRow, doorFinder, SMALL_BODY } from './doors/door.ts';
import { DOORS } from './doors/doors.ts';
import { Limiter } from './doors/limiter.ts';
import { EarlyRefusals } from './early-refusals.ts';
import { EventDoor } from './event-door.ts';
import { FrontDoor } from './front-door.ts';

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** A front door before a framework that answers 204, with a clock that stands still. */
async function frontDoor(t: TestContext, perSecond: number) {
  const limiter = new Limiter(perSecond, () => 0);
  const tokens = new TokenDoor(async () => undefined, { check: () => assert.fail('no token here is known') });
  const counted: number[] = [];
  const seen: (string | undefined)[] = [];
  const refusals = new EarlyRefusals({ https: false, count: ({ status }) => counted.push(status) });
  const addressOf = ({ headers }: IncomingMessage): string => String(headers['x-from'] ?? '192.0.2.1');
  const never = { publishing: { publishRead: () => assert.fail('nothing here is an event') } };
  const events = new EventDoor({
    hub: never as never,
    tokens,
    limiter,
    audit: undefined,
    auditPatients: false,
    count: () => undefined,
    refusals,
    bodyLimit: 1_000_000,
    addressOf,
    https: false,
    routes: [],
  });
  const framework = (request: IncomingMessage, response: ServerResponse): void => {
    seen.push(request.url);
    response.writeHead(204).end();
  };
  let now = 0;
  const doorOf = doorFinder(DOORS);
  const front = new FrontDoor({ tokens, limiter, now: () => now, doorOf, addressOf, refusals, events, framework });
  const server = createServer(front.handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const send = async (first: string, headers: readonly string[] = []): Promise<Answer> => {
    const socket = connect(port, '127.0.0.1');
    socket.write(`${[`${first} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers].join('\r\n')}\r\n\r\n`);
    const text = await textOfStream(socket);
    const [head = '', ...body] = text.split('\r\n\r\n');
    return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head, body: body.join('\r\n\r\n') };
  };
  return { front, send, seen, counted, advance: (ms: number) => (now += ms) };
}

const isBehind = ({ path }: DoorRow): boolean => path.startsWith('/simulate/');
const addressOfRow = ({ path }: DoorRow): string => path.replace(/:[A-Za-z]+/g, 'x').replace('/*', '/x/y/z');
const methodsOf = ({ methods }: DoorRow): readonly string[] => (methods === '*' ? ['GET', 'POST'] : methods.split(' '));

/** Every door with a method of its own. */
const EVERY = DOORS.flatMap((row) =>
  methodsOf(row).map((method) => ({ row, request: `${method} ${addressOfRow(row)}` })),
);

function assertForm(path: string, { head, body }: Answer, page: boolean): void {
  const type = /^content-type: (.*)$/im.exec(head)?.[1] ?? '';
  if (path.startsWith('/fhir')) {
    assert.match(type, /^application\/fhir\+json/);
    assert.equal(JSON.parse(body).resourceType, 'OperationOutcome');
  } else if (path.startsWith('/hub')) assert.match(type, /^text\/plain/);
  else if (page && type.startsWith('text/html')) assert.match(body, /Too many requests/);
  else {
    const said = JSON.parse(body) as Readonly<Record<string, unknown>>;
    assert.equal(typeof said.error, 'string');
    assert.equal(typeof (said.message ?? said.error_description), 'string');
  }
}

describe('before the framework', () => {
  it('whoever asks too often is refused at every door, in the form of the door', async (t) => {
    const { send, seen, counted, advance } = await frontDoor(t, 1);
    for (const [at, { row, request }] of EVERY.entries()) {
      if (row.limit === 'handler') continue;
      const from = `X-From: 198.18.${at >> 8}.${at & 255}`;
      const before = seen.length;
      const answers: Answer[] = [];
      for (let n = 0; n < 4; n += 1) answers.push(await send(request, [from, 'Content-Length: 0']));
      assert.deepEqual(
        answers.map(({ status }) => status),
        [204, 204, 429, 429],
        request,
      );
      assert.equal(seen.length - before, 2, request);
      const last = answers[3] as Answer;
      assert.match(last.head, /^retry-after: 1$/im, request);
      assert.match(last.head, /^x-content-type-options: nosniff$/im, request);
      assertForm(row.path, last, true);
      advance(2_000);
    }
    assert.ok(counted.length > 0 && counted.every((status) => status === 429));
  });

  it('more than a small body of somebody who shows nothing is refused at every door', async (t) => {
    const { send, seen, counted, advance } = await frontDoor(t, 1_000);
    for (const { row, request } of EVERY) {
      if (['browser', 'folder'].includes(row.authentication) || isBehind(row)) continue;
      const answer = await send(request, [`Content-Length: ${SMALL_BODY + 1}`]);
      const expected = row.authentication.startsWith('bearer') ? 401 : 413;
      assert.equal(answer.status, expected, request);
      if (expected === 401) assert.match(answer.head, /^www-authenticate: Bearer /im, request);
      assertForm(row.path, answer, false);
      advance(2_000);
    }
    assert.deepEqual(seen, []);
    assert.ok(counted.length > 50);
  });

  it('refused bodies count, so that a sender of many gets 429', async (t) => {
    const { send, seen } = await frontDoor(t, 2);
    const statuses: number[] = [];
    for (let n = 0; n < 6; n += 1)
      statuses.push((await send('POST /auth/register', ['Content-Length: 900000'])).status);
    assert.deepEqual(statuses, [413, 413, 413, 413, 429, 429]);
    assert.deepEqual(seen, []);
  });

  it('an IPv6 network is one sender, whichever of its addresses it uses', async (t) => {
    const { send } = await frontDoor(t, 1);
    const statuses: number[] = [];
    for (const host of ['1', '2', 'a:b', 'ffff:1:2:3']) {
      statuses.push((await send('GET /', [`X-From: 2001:db8:0:7::${host}`])).status);
    }
    assert.deepEqual(statuses, [204, 204, 429, 429]);
    assert.equal((await send('GET /', ['X-From: 2001:db8:0:8::1'])).status, 204);
  });

  it('connections of an address that sent too much wait unread for a second, those of others do not', async (t) => {
    const { front, send, advance } = await frontDoor(t, 1);
    const isReadAtOnce = (address: string): boolean => {
      let isRead = false;
      front.connect(
        address,
        () => {
          isRead = true;
        },
        assert.fail,
      );
      return isRead;
    };
    assert.ok(isReadAtOnce('192.0.2.1'));
    for (let n = 0; n < 3; n += 1) await send('GET /');
    assert.ok(!isReadAtOnce('192.0.2.1'));
    assert.ok(isReadAtOnce('192.0.2.2'));
    advance(1_001);
    assert.ok(isReadAtOnce('192.0.2.1'));
  });

  it('the addresses of an IPv6 network wait in one queue: it keeps no more connections waiting, and has no more turns', async (t) => {
    const { front, send } = await frontDoor(t, 1);
    for (let n = 0; n < 3; n += 1) await send('GET /', ['X-From: 2001:db8:0:7::1']);
    const waits = (address: string): { isCut: boolean } => {
      const one = { isCut: false };
      const cut = (): void => {
        one.isCut = true;
      };
      front.connect(address, () => undefined, cut);
      return one;
    };
    // No turn comes.
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const all = Array.from({ length: 1_100 }, (_, n) => waits(`2001:db8:0:7::${n.toString(16)}`));
    assert.equal(all.filter(({ isCut }) => isCut).length, 1_100 - 1_024);
  });

  it('events of a token that was good lately begin at once, its other requests two in a turn', async () => {
    const begun: string[] = [];
    const tokens = {
      known: () => undefined,
      isFamiliar: () => true,
      find: async () => undefined,
      admit: () => assert.fail('nobody is refused'),
    };
    const events = {
      takes: ({ url }: IncomingMessage) => url === '/hub',
      admit: () => assert.fail('no token here is known'),
      lookUp: async () => void begun.push('event'),
    };
    const front = new FrontDoor({
      tokens,
      limiter: new Limiter(0, () => 0),
      now: () => 0,
      doorOf: doorFinder(DOORS),
      addressOf: () => '192.0.2.1',
      refusals: new EarlyRefusals({ https: false, count: () => undefined }),
      events: events as never,
      framework: ({ url }) => void begun.push(String(url)),
    });
    const ask = (method: string, url: string): void =>
      front.handle({ method, url, headers: { authorization: 'Bearer good' } } as never, {} as never);
    for (let n = 0; n < 50; n += 1) ask('GET', '/fhir/Patient');
    ask('POST', '/hub');
    assert.ok(begun.includes('event'), 'it waits for none of those before it');
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    for (let turns = 1; begun.length < 51; turns += 1) {
      await turn();
      assert.ok(begun.length <= 2 * (turns + 1) + 1, `${begun.length} in ${turns} turns`);
    }
  });
});
