/** Addresses that cannot be decoded are the sender's mistake: 400 in the words of the part they name, and never 500. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { HubClient, sharedLockstep } from './harness.ts';

const lockstep = await sharedLockstep();
const hub = await HubClient.backend(lockstep.origin, 'system/*.cruds fhircast/*.* hub/session.*');

const UNDECODABLE = ['%E0%A4%A', '%ff', '%zz', '%', '%c0%ae', 'a%2', '%ed%a0%80'];

interface Raw {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Sends an address as it is: clients of good manners would not. */
function send(method: string, address: string, headers: Record<string, string> = {}, body = ''): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const socket = connect(lockstep.port, '127.0.0.1', () => {
      const all = {
        host: `localhost:${lockstep.port}`,
        connection: 'close',
        'content-length': body.length,
        ...headers,
      };
      const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
      socket.write([`${method} ${address} HTTP/1.1`, ...lines, '', body].join('\r\n'));
    });
    let text = '';
    socket.setEncoding('utf8').on('data', (data) => {
      text += data;
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const [head = '', ...rest] = text.split('\r\n\r\n');
      resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head, body: rest.join('\r\n\r\n') });
    });
  });
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];
const authorized = { authorization: `Bearer ${hub.token}` };

describe('an address that cannot be decoded', () => {
  it('FHR-4 below /fhir is answered with an OperationOutcome that pages may read', async () => {
    for (const bad of UNDECODABLE) {
      for (const path of [
        `/fhir/${bad}`,
        `/fhir/Patient/${bad}`,
        `/fhir/Patient/x/_history/${bad}`,
        `//fhir//${bad}/`,
      ]) {
        const { status, head, body } = await send('GET', path, authorized);
        assert.equal(status, 400, path);
        assert.match(head, /content-type: application\/fhir\+json/i);
        assert.match(head, /access-control-allow-origin: \*/i);
        const outcome = JSON.parse(body);
        assert.equal(outcome.resourceType, 'OperationOutcome');
        assert.equal(outcome.issue[0].severity, 'error');
      }
    }
  });

  it('below /hub is answered in plain text', async () => {
    for (const path of ['/hub/%zz', '/api/hub/%zz', '/hub/session/%ff', '/hub/ticket/%E0%A4%A']) {
      const { status, head, body } = await send('GET', path, authorized);
      assert.equal(status, 400, path);
      assert.match(head, /content-type: text\/plain/i);
      assert.match(body, /^The address holds a %/);
    }
  });

  it('anywhere is 400, whatever the method', async () => {
    const folders = [
      '',
      'auth/',
      'auth/interaction/',
      'auth/register/',
      'api/console/',
      'api/admin/',
      'assets/',
      'health/',
    ];
    const more = ['samples/', 'simulate/', 'launch/', '.well-known/', 'fhir/.well-known/', 'fhir/', 'hub/', 'api/hub/'];
    for (const method of METHODS) {
      for (const folder of [...folders, ...more]) {
        const { status, body } = await send(method, `/${folder}%E0%A4%A`);
        assert.equal(status, 400, `${method} /${folder}`);
        assert.doesNotMatch(body, /FST_ERR|node_modules/);
      }
    }
  });

  it('opens no WebSocket', async () => {
    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    };
    for (const path of ['/hub/%zz', '/hub/ws/%zz', '/%E0%A4%A', '/api/console/live/%ff']) {
      const { status } = await send('GET', path, upgrade);
      assert.ok(status >= 400 && status < 500, `${path}: ${status}`);
    }
  });

  it('in a query, a form or a cookie is no error of ours either', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    for (const bad of UNDECODABLE) {
      const requests = [
        send('GET', `/fhir/Patient?name=${bad}`, authorized),
        send('GET', `/fhir/Patient?${bad}=1`, authorized),
        send('POST', '/fhir/Patient/_search', { ...authorized, ...form }, `name=${bad}`),
        send('GET', `/hub/session?user=${bad}`, authorized),
        send('POST', '/hub', { ...authorized, ...form }, `hub.mode=${bad}`),
        send('POST', '/hub', form, `access_token=${bad}`),
        send('GET', `/auth/authorize?client_id=${bad}`),
        send('POST', '/auth/authorize', form, `client_id=${bad}`),
        send('POST', '/auth/token', form, `grant_type=${bad}`),
        send('GET', `/auth/sign-in?return=/${bad}`),
        send('POST', `/auth/sign-in?return=/${bad}`, form, `user=${bad}&csrf=${bad}`),
        send('GET', '/auth/sign-in', { cookie: `lockstep_workstation=${bad}; lockstep_session=${bad}` }),
        send('GET', `/?next=${bad}`),
      ];
      for (const { status, head } of await Promise.all(requests)) assert.ok(status < 500 && status >= 200, head);
    }
  });
});
