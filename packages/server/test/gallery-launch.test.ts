import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromTicket } from '@lockstep/client/launch';
import { parseArguments, parseWebLaunch } from '@lockstep/fhircast';
import { Backend, HubClient, type Json, json, withLockstep } from './harness.ts';
import { App } from './person.ts';

/** A person signed in at the console. */
async function signIn(origin: string, user: string) {
  const response = await fetch(`${origin}/auth/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ sample: user }),
  });
  assert.equal(response.status, 200, await response.clone().text());
  const cookie = response.headers
    .getSetCookie()
    .map((one) => one.split(';')[0])
    .join('; ');
  const { csrf, ...session } = await json(response);
  const launch = (id: string, body: Json, headers: Record<string, string> = { 'x-csrf-token': csrf }) =>
    fetch(`${origin}/api/console/apps/${id}/launch`, {
      method: 'POST',
      headers: { cookie, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  return { session, launch };
}

test('LAU-1 the gallery launches an app in the way it is registered for, into the session of the sign-in', () =>
  withLockstep(async ({ origin }) => {
    const register = (kind: string, more: Json = {}) =>
      App.register(origin, 'public', { client_name: kind, launch_kinds: [kind], scope: 'fhircast/*.*', ...more });
    const web = await register('web', { launch_url: 'http://localhost:4000/start?lang=en' });
    const program = await register('command-line', { launch_url: '', switches: { program: 'C:\\PACS\\PACS.exe' } });
    const file = await register('file');
    const { session, launch } = await signIn(origin, 'dr-lena-okafor');

    const opened = await json(launch(web.clientId, {}));
    const address = parseWebLaunch(opened.url);
    assert.equal(address.hubUrl, `${origin}/hub`);
    const { topic, token } = await fromTicket(address.parameters?.ticket ?? '');
    assert.equal(topic, address.topic);
    assert.equal(typeof token, 'string');
    const hub = new HubClient(`${origin}/hub`, token as string);
    assert.deepEqual(await hub.context(topic), { 'context.type': '', context: [] });
    assert.equal(topic, session.session_topic);

    const started = await json(launch(program.clientId, {}));
    assert.equal(parseArguments(started.arguments).topic, topic);
    assert.match(started.command_line, /^C:\\PACS\\PACS\.exe \/user:dr-lena-okafor /);
    const dropped = await json(launch(file.clientId, {}));
    assert.deepEqual(Object.keys(dropped).sort(), ['file', 'form'], 'the folder is not told');
    assert.match((await json(launch(program.clientId, { form: 'ticket' }))).ticket_url, /\/hub\/ticket\//);

    const withKey = await Backend.register(origin, { launch_kinds: ['command-line'] });
    const { parameters } = parseArguments((await json(launch(withKey.clientId, {}))).arguments);
    assert.equal(parameters?.ticket, undefined, 'it gets its token with its key');
    assert.equal((await launch(withKey.clientId, { form: 'ticket' })).status, 400);

    assert.equal((await launch(program.clientId, { form: 'smoke' })).status, 400);
    assert.equal((await launch(program.clientId, { form: 'web' })).status, 400);
    assert.equal((await launch('lockstep-command-line', {})).status, 404);
    assert.equal((await launch(program.clientId, {}, {})).status, 403, 'CWE-352');
    assert.equal(
      (await fetch(`${origin}/api/console/apps/${program.clientId}/launch`, { method: 'POST' })).status,
      401,
    );
  }));
