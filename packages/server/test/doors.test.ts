/** What holds for every address of the server: a new route cannot leave any of it out. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { TokenDoor, type TokenInfo } from '@lockstep/smart';
import Fastify from 'fastify';
import { doorFinder, findDoor, SMALL_BODY } from '../src/http/doors/door.ts';
import { DOORS } from '../src/http/doors/doors.ts';
import { guardDoors, mayCome } from '../src/http/doors/guard.ts';
import { Limiter } from '../src/http/doors/limiter.ts';
import { Backend, EVERYTHING, testConfig, withLockstep } from './harness.ts';
import { sharedIssuer } from './issuer.ts';

interface Raw {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  /** ms until the answer. */
  readonly ms: number;
}

/** Sends bytes as they are. */
function send(port: number, head: string, body: string | Buffer = ''): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const from = performance.now();
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`${head}\r\n\r\n`);
      socket.write(body);
    });
    let text = '';
    const done = (): void => {
      const [first = '', ...rest] = text.split('\r\n\r\n');
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(first)?.[1]);
      resolve({ status, head: first, body: rest.join('\r\n\r\n'), ms: performance.now() - from });
    };
    socket.setEncoding('utf8').on('data', (data) => {
      text += data;
    });
    socket.on('error', (error) => (text === '' ? reject(error) : done()));
    socket.on('close', done);
  });
}

/** A route with something in the place of its parameters. */
function address(path: string): string {
  return path
    .replace(':options', 'none')
    .replace(':type', 'Patient')
    .replace(/:[A-Za-z]+/g, 'x')
    .replace('*', 'x');
}

const split = (route: string): readonly [method: string, path: string] => route.split(' ') as [string, string];

/** With everything that a configuration can bring. */
const EVERYTHING_ON = { oidcIssuer: 'https://sign-in.example', oidcClientId: 'lockstep' };

/** Where an answer says that the metadata of the resource is. */
function metadataIn(head: string): ReadonlySet<string> {
  return new Set([...head.matchAll(/resource_metadata="([^"]*)"/g)].map(([, address = '']) => address));
}

/** Routes whose requests leave no record of their own, looked at one by one: a new one that is to be among them is added here. */
const UNRECORDED: readonly string[] = [
  'GET /api/admin/apps',
  'GET /api/admin/server',
  'GET /api/admin/users',
  'GET /api/console/apps',
  'GET /api/console/apps/:id',
  'GET /api/console/conformance',
  'GET /api/console/conformance/reports/:id',
  'GET /api/console/conformance/reports/:id/as/:form',
  'GET /api/console/conformance/reports/:id/since/:other',
  'GET /api/console/conformance/run/live',
  'GET /api/console/conformance/run/report',
  'GET /api/console/conformance/run/report/:form',
  'GET /api/console/launches/:launch',
  'GET /api/console/me',
  'GET /api/console/session',
  'GET /api/console/simulation',
  'GET /api/console/users',
  'GET /api/console/users/:id',
  'GET /auth/authorize',
  'GET /auth/authorize/:uid',
  'GET /auth/authorize/held/:id',
  'GET /auth/interaction/:uid',
  'GET /auth/language',
  'GET /auth/manage',
  'GET /auth/outside',
  'GET /auth/second-factor',
  'GET /auth/session',
  'GET /auth/sign-in',
  'GET /auth/signed-out',
  'GET /auth/userinfo',
  'POST /api/console/manifest',
  'POST /api/console/scopes',
  'POST /auth/authorize',
  'POST /auth/backchannel-logout',
  'POST /auth/interaction/:uid/cancel',
  'POST /auth/interaction/:uid/encounter',
  'POST /auth/interaction/:uid/outside',
  'POST /auth/interaction/:uid/patient',
  'POST /auth/interaction/:uid/session',
  'POST /auth/outside',
  'POST /auth/second-factor',
  'POST /auth/userinfo',
];

/** Every route once; HEAD is the GET of the same. */
function served(routes: readonly string[]): readonly (readonly [method: string, path: string])[] {
  return [...new Set(routes)].map(split).filter(([method]) => method !== 'HEAD' && method !== 'TRACE');
}

describe('every door of the server', () => {
  it('is in the table, and nothing else is', () =>
    withLockstep(async ({ routes }) => {
      const used = new Set<object>();
      for (const [method, path] of served(routes)) {
        const door = findDoor(DOORS, method, path);
        assert.ok(door, `${method} ${path}`);
        used.add(door);
      }
      for (const door of DOORS) assert.ok(used.has(door), `${door.methods} ${door.path} is no route`);
    }, EVERYTHING_ON));

  it('is found by its address as it is by its route', () =>
    withLockstep(async ({ routes }) => {
      const doorOf = doorFinder(DOORS);
      for (const [method, path] of served(routes)) {
        // What is at no other address: one segment would be a topic.
        assert.equal(
          doorOf(method, address(path.replace('/*', '/x/y/z'))),
          findDoor(DOORS, method, path),
          `${method} ${path}`,
        );
      }
    }, EVERYTHING_ON));

  it('has a row, or the server does not start', async () => {
    const app = Fastify();
    const limiter = new Limiter(0, () => 0);
    const tokens = new TokenDoor(async () => undefined, { check: () => assert.fail('no token here is known') });
    guardDoors(app, { doors: DOORS, tokens, limiter, https: false });
    const known = new Set(DOORS.map(({ path }) => path));
    const bases = [...known].flatMap((path) => path.split('/').map((_, at, parts) => parts.slice(0, at + 1).join('/')));
    // Below every address that there is, and below every part of one: console, Hub, FHIR endpoint, sign-in, pages.
    for (const base of new Set(bases)) {
      const url = `${base.replace('*', 'x')}/new`;
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const)
        assert.throws(() => app.route({ method, url, handler: async () => 'x' }), /has no door of its own/, url);
    }
    for (const { methods, path } of DOORS) {
      if (methods === '*') continue;
      for (const method of ['PUT', 'PATCH', 'DELETE'] as const) {
        if (findDoor(DOORS, method, path)) continue;
        const add = () => app.route({ method, url: path, handler: async () => 'x' });
        assert.throws(add, /has no door of its own/, `${method} ${path}`);
      }
    }
    await app.close();
  });

  it('of all methods is one where every request is recorded, or decided about by the door behind', () => {
    for (const { methods, path, audit } of DOORS) {
      if (methods !== '*' || path.startsWith('/simulate/')) continue;
      assert.equal(audit, 'fhir', path);
    }
  });

  it('records what is done there, but for what is on this list', () =>
    withLockstep(async ({ routes }) => {
      const unrecorded: string[] = [];
      for (const [method, path] of served(routes)) {
        const door = findDoor(DOORS, method, path);
        if (!door || typeof door.audit === 'string' || path.startsWith('/simulate/')) continue;
        assert.ok(door.audit.none.length > 10, `${method} ${path}: say why nothing is recorded`);
        // Whoever reads without signing in reads what everybody may.
        const open = method === 'GET' && door.authentication === 'none';
        if (!open && method !== 'OPTIONS') unrecorded.push(`${method} ${path}`);
      }
      assert.deepEqual(unrecorded.sort(), [...UNRECORDED].sort());
    }, EVERYTHING_ON));

  it('with a token refuses whoever has none before it reads the body, also a body that never ends', () =>
    withLockstep(async ({ routes, port }) => {
      for (const [method, path] of served(routes)) {
        const door = findDoor(DOORS, method, path);
        if (!door || ['none', 'handler'].includes(door.authentication)) continue;
        for (const token of ['', 'Authorization: Bearer no-such-token\r\n', 'Authorization: Basic eDp4\r\n']) {
          const head = `${method} ${address(path)} HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\n${token}`;
          const answer = await send(port, `${head}Content-Type: application/json\r\nContent-Length: 1000000`, '[[],');
          assert.equal(answer.status, 401, `${method} ${path} ${token}`);
          const resource = /^\/(?:fhir|hub)(?=\/|$)/.exec(path)?.[0];
          const expected = resource && `http://localhost:${port}/.well-known/oauth-protected-resource${resource}`;
          assert.deepEqual(metadataIn(answer.head), new Set(expected && [expected]), `${method} ${path} ${token}`);
        }
      }
    }, EVERYTHING_ON));

  it('of FHIR or the Hub says where tokens come from, below a path and in the role of a Hub too (RFC 9728)', async () => {
    const hubOnly = { role: 'hub', sampleData: false, trustedIssuers: (await sharedIssuer({})).file } as const;
    for (const more of [{}, { publicUrl: 'https://hospital.example/lockstep' }, hubOnly]) {
      await withLockstep(async ({ port, origin }) => {
        const base = 'publicUrl' in more ? more.publicUrl : origin;
        for (const resource of more === hubOnly ? ['/hub'] : ['/hub', '/fhir']) {
          const path = resource === '/hub' ? '/hub/x' : '/fhir/Patient/x?_pretty=true';
          for (const token of ['', 'Authorization: Bearer x\r\n', 'Authorization: DPoP x\r\n']) {
            const head = `GET ${path} HTTP/1.1\r\nHost: localhost:${port}\r\n${token}Connection: close`;
            const answer = await send(port, head);
            const { origin: host, pathname } = new URL(base);
            const below = pathname.replace(/\/$/, '');
            const metadata = `${host}/.well-known/oauth-protected-resource${below}${resource}`;
            assert.deepEqual([answer.status, metadataIn(answer.head)], [401, new Set([metadata])], `${base} ${path}`);
            const [, challenge = ''] = /^www-authenticate: (.*)$/im.exec(answer.head) ?? [];
            // Each challenge says it (RFC 9110 section 11.6.1).
            const schemes = challenge.match(/(?:Bearer|DPoP) /g) ?? [];
            assert.equal(challenge.match(/resource_metadata=/g)?.length, schemes.length, challenge);
            const document = await fetch(`http://127.0.0.1:${port}${new URL(metadata).pathname}`);
            assert.deepEqual(
              [document.status, ((await document.json()) as { resource: string }).resource],
              [200, `${base}${resource}`],
            );
          }
        }
      }, more);
    }
  });

  it('without one reads no more than a small body', () =>
    withLockstep(async ({ routes, port }) => {
      for (const [method, path] of served(routes)) {
        const door = findDoor(DOORS, method, path);
        if (!door || !['none', 'handler'].includes(door.authentication) || path.startsWith('/simulate/')) continue;
        if (!['POST', 'PUT', 'PATCH', 'DELETE'].includes(method)) continue;
        for (const type of ['application/json', 'application/x-www-form-urlencoded']) {
          const head = `${method} ${address(path)} HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close`;
          const { status } = await send(port, `${head}\r\nContent-Type: ${type}\r\nContent-Length: ${SMALL_BODY + 1}`);
          assert.equal(status, 413, `${method} ${path} ${type}`);
        }
      }
      const form = `POST /hub HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded`;
      assert.equal((await send(port, `${form}\r\nContent-Length: ${SMALL_BODY + 1}`)).status, 413);
    }, EVERYTHING_ON));

  it('that refuses a large body answers at once, reads no more of it and ends the connection', () =>
    withLockstep(async ({ routes, port }) => {
      const body = Buffer.alloc(900_000, '[');
      const connections: Socket[] = [];
      const note = (message: unknown): void => {
        connections.push((message as { readonly socket: Socket }).socket);
      };
      subscribe('http.server.request.start', note);
      try {
        for (const [method, path] of served(routes)) {
          const door = findDoor(DOORS, method, path);
          if (!door || path.startsWith('/simulate/')) continue;
          if (!['POST', 'PUT', 'PATCH', 'DELETE'].includes(method)) continue;
          const expected = ['none', 'handler'].includes(door.authentication) ? 413 : 401;
          for (const length of [`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked']) {
            connections.length = 0;
            const head = `${method} ${address(path)} HTTP/1.1\r\nHost: localhost:${port}\r\nContent-Type: application/json`;
            const chunked = length.startsWith('Transfer');
            const sent = chunked ? Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body]) : body;
            const answer = await send(port, `${head}\r\n${length}`, sent);
            assert.equal(answer.status, expected, `${method} ${path} ${length}`);
            assert.match(answer.head, /^connection: close$/im, `${method} ${path}`);
            const [connection] = connections;
            assert.ok(connection);
            // What the door is to read at most, and what arrived with it.
            const most = (expected === 413 && chunked ? SMALL_BODY : 0) + 3 * 65_536;
            assert.ok(connection.bytesRead <= most, `${method} ${path}: ${connection.bytesRead} bytes were read`);
          }
        }
      } finally {
        unsubscribe('http.server.request.start', note);
      }
    }, EVERYTHING_ON));

  it('of a server that only its machine reaches refuses the names of others: a stranger’s page may lead its own name here', async () => {
    const statusOf = async (port: number, [method, path]: readonly [string, string], host: string): Promise<number> => {
      const head = `${method} ${address(path)} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: 0`;
      return (await send(port, head)).status;
    };
    const isPrivate = ([method, path]: readonly [string, string]): boolean =>
      findDoor(DOORS, method, path)?.authentication !== 'none';
    await withLockstep(async ({ routes, port }) => {
      const doors = served(routes).filter(isPrivate);
      assert.ok(doors.length > 150, String(doors.length));
      for (const door of doors) assert.equal(await statusOf(port, door, `evil.example:${port}`), 421, door.join(' '));
      const some = ['GET', '/hub/session'] as const;
      const strangers = [
        'evil.example',
        '127.0.0.1.evil.example',
        'localhost.evil.example',
        'evil.example.',
        'localhost@evil.example',
        // Anybody on the network may answer for such a name (RFC 6762).
        'machine.local',
      ];
      for (const host of strangers) assert.equal(await statusOf(port, some, host), 421, host);
      const own = [
        'localhost',
        '',
        'LOCALHOST.:1',
        'app.localhost',
        '127.0.0.1',
        '[::1]:80',
        '10.0.2.2:8080',
        'host.docker.internal',
        'pc',
      ];
      for (const host of own) assert.equal(await statusOf(port, some, host), 401, host);
    }, EVERYTHING_ON);
    // What others reach may have any name: that is its proxy's to say.
    await withLockstep(
      async ({ port }) => assert.equal(await statusOf(port, ['GET', '/hub/session'], 'node-1.example'), 401),
      { publicUrl: 'https://lockstep.example.org' },
    );
  });

  it('that is none is answered before a byte of the body has come, whatever the head shows', () =>
    withLockstep(async ({ port }) => {
      for (const path of [
        '/nowhere',
        '/%6eowhere',
        '/hub/x/y/z',
        '/auth/x',
        '/api/console/x',
        '/api/admin/x',
        '/metrics',
      ]) {
        for (const shown of ['Cookie: lockstep_session=x', 'Authorization: Bearer x', 'Authorization: Basic eDp4']) {
          for (const length of ['Content-Length: 900000', 'Transfer-Encoding: chunked']) {
            const head = `POST ${path} HTTP/1.1\r\nHost: localhost:${port}\r\nContent-Type: application/json\r\n${shown}`;
            const answer = await send(port, `${head}\r\n${length}`);
            assert.ok([404, 405].includes(answer.status), `${answer.status} for ${path} ${shown} ${length}`);
            assert.match(answer.head, /^connection: close$/im, path);
          }
        }
      }
    }));

  it('makes whoever asks too often wait, and says for how long', async () => {
    await withLockstep(
      async ({ routes, port }) => {
        for (const [method, path] of served(routes)) {
          // What is behind these takes from the same limiter.
          if (path.startsWith('/simulate/')) continue;
          let last: Raw | undefined;
          for (let round = 0; round < 8 && last?.status !== 429; round += 1) {
            const head = `${method} ${address(path)} HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close`;
            last = await send(port, `${head}\r\nContent-Length: 0`);
          }
          assert.equal(last?.status, 429, `${method} ${path}`);
          assert.match(last.head, /retry-after: \d+/i, `${method} ${path}`);
        }
      },
      { ...EVERYTHING_ON, rateLimit: 1 },
    );
  });

  it('of the FHIR endpoint has a fifth of the rate: what a client asks for there must not hold sessions up', () =>
    withLockstep(
      async ({ origin }) => {
        const backend = await Backend.register(origin, { scope: `${EVERYTHING} system/*.rs` });
        const headers = { authorization: `Bearer ${await backend.token(`${EVERYTHING} system/*.rs`)}` };
        const answered = async (path: string): Promise<number> => {
          const answers = Array.from({ length: 90 }, async () => (await fetch(origin + path, { headers })).status);
          return (await Promise.all(answers)).filter((status) => status !== 429).length;
        };
        assert.equal(await answered('/hub/session'), 90);
        const served = await answered('/fhir/Patient');
        assert.ok(served >= 1 && served < 80, `${served} of 90`);
        assert.ok((await answered('/hub/session')) > 10, 'the Hub is there for the same client meanwhile');
      },
      { rateLimit: 100 },
    ));

  it('takes nothing from the shares of others once it refuses: of a flood only what is let in counts', () => {
    const limiter = new Limiter(100, () => 0);
    const admitted = (clientId: string, user: string, audit: 'fhir' | 'publish'): number => {
      const caller = { clientId, user } as TokenInfo;
      const come = () => mayCome('192.0.2.1', caller, { audit }, limiter);
      return Array.from({ length: 5_000 }, come).filter(Boolean).length;
    };
    assert.equal(admitted('flood', 'one', 'fhir'), 40);
    assert.equal(admitted('flood', 'one', 'publish'), 160, 'the same client at the Hub');
    assert.equal(admitted('flood', 'two', 'publish'), 0, 'the client has had its share');
    assert.equal(admitted('other', 'one', 'publish'), 0, 'the person has had their share');
    for (let clients = 0; clients < 9; clients += 1) {
      assert.equal(admitted(`c${clients}`, `p${clients}`, 'publish'), 200, 'others at the same address');
    }
    assert.equal(admitted('last', 'last', 'publish'), 0, 'the address has had its share');
  });

  it('says what every answer is, and forbids browsers to guess it; by https it has them come back by https only', async () => {
    const local = testConfig(EVERYTHING_ON);
    for (const publicUrl of [undefined, 'https://lockstep.example.org']) {
      await withLockstep(
        async ({ routes, port }) => {
          const undecodable = ['/', '/hub/', '/fhir/', '/auth/'].map((path) => ['GET', `${path}%zz`] as const);
          for (const [method, path] of [...served(routes), ...undecodable]) {
            const { head, status, body } = await send(
              port,
              `${method} ${address(path)} HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\nContent-Length: 0`,
            );
            assert.match(head, /x-content-type-options: nosniff/i, `${method} ${path} ${status}`);
            const [, type = ''] = /content-type: ([^\r\n]+)/i.exec(head) ?? [];
            // Text names its character set; JSON is UTF-8 by its own rules (RFC 8259 section 8.1).
            const isNamed = type.startsWith('text/') ? /; ?charset=utf-8$/i.test(type) : /^\w+\/[\w.+-]+/.test(type);
            assert.ok(body === '' || isNamed, `${method} ${path} ${status}: ${type}`);
            assert.equal(/strict-transport-security: max-age=\d{8}/i.test(head), publicUrl !== undefined, path);
          }
        },
        { ...EVERYTHING_ON, sampleData: local.sampleData, ...(publicUrl && { publicUrl }) },
      );
    }
  });
});
