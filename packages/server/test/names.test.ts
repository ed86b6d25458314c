/** Names that are shown to others show what they hold (CWE-1007), whichever door they come in by. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Lockstep, startLockstep } from '@lockstep/server';
import { ConsolePerson } from './console-person.ts';
import { HubClient, type Json, json, testConfig } from './harness.ts';

const config = testConfig();
let lockstep: Lockstep;
let hub: HubClient;
let admin: ConsolePerson;
let topic: string;
let app: string;

before(async () => {
  lockstep = await startLockstep(config);
  hub = await HubClient.backend(lockstep.origin);
  admin = await ConsolePerson.signIn(lockstep.origin, { sample: 'admin' });
  topic = await hub.session('Practitioner/names');
  const made = await json(admin.call('POST', 'apps', appOf({ client_name: 'Names' })));
  app = made.app?.id ?? made.id ?? made.client_id;
  assert.ok(app, JSON.stringify(made));
});
after(async () => {
  await lockstep.close();
  await rm(config.data, { recursive: true, force: true });
});

function appOf(more: Json): Json {
  return {
    client_name: 'An app',
    redirect_uris: ['https://app.example/'],
    token_endpoint_auth_method: 'none',
    ...more,
  };
}

function subscription(name: Json): Record<string, string> {
  return {
    'hub.channel.type': 'websocket',
    'hub.mode': 'subscribe',
    'hub.topic': topic,
    'hub.events': 'Patient-open',
    ...name,
  };
}

function command(path: string, body: Json): Promise<Response> {
  const { token } = JSON.parse(readFileSync(join(config.data, 'running.json'), 'utf8'));
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  return fetch(`${lockstep.origin}/api/admin/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
}

function register(body: Json): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return fetch(`${lockstep.origin}/auth/register`, { method: 'POST', headers, body: JSON.stringify(appOf(body)) });
}

const user = (more: Json): Json => ({ id: `names-${randomUUID()}`, name: 'Somebody', ...more });

/** Every input that is shown to others, and how it is sent. */
const INPUTS: Readonly<Record<string, (name: string) => Promise<Response>>> = {
  'subscriber.name in a form': (name) => hub.form(subscription({ 'subscriber.name': name })),
  'subscriber.name in JSON': (name) => hub.json('', subscription({ 'subscriber.name': name })),
  'hub.subscriber': (name) => hub.form(subscription({ 'hub.subscriber': name })),
  'user of a session': (name) => hub.json('/session', { user: name }),
  'workstation of a session': (name) => hub.json('/session', { user: 'Practitioner/1', workstation: name }),
  'label of a session': (name) => hub.json('/session', { user: 'Practitioner/1', label: name }),
  'client_name of a stranger': (name) => register({ client_name: name }),
  'category of a stranger': (name) => register({ category: name }),
  'contacts of a stranger': (name) => register({ contacts: [name] }),
  'client_name of an administrator': (name) => admin.call('POST', 'apps', appOf({ client_name: name })),
  'client_name that is changed': (name) => admin.call('PUT', `apps/${app}`, appOf({ client_name: name })),
  'client_name of a command': (name) => command('apps', appOf({ client_name: name })),
  'name of a user': (name) => admin.call('POST', 'users', user({ name })),
  'alias of a user': (name) => admin.call('POST', 'users', user({ aliases: [`${name} ${randomUUID()}`] })),
  'name of a user that is changed': (name) => admin.call('PUT', 'users/dr-mei-tanaka', { name }),
  'name of a user of a command': (name) => command('users', user({ name })),
};

const MISLEADING = [
  '\u0000',
  '\n',
  '\u001b[2J',
  '\u009f',
  '\u2028',
  '\u061c',
  '\u200b',
  '\u200f',
  '\u202e',
  '\u2066',
  '\u2126',
  '\u212a',
  '\u212b',
  '\ufeff',
];

describe('a name that others are shown', () => {
  for (const [input, send] of Object.entries(INPUTS)) {
    it(`with characters that mislead is refused as ${input}`, async () => {
      for (const one of MISLEADING) {
        const answer = await send(`Dr. A${one}da`);
        const text = await answer.text();
        assert.equal(answer.status, 400, `${JSON.stringify(one)}: ${text}`);
        assert.match(text, /control characters/, JSON.stringify(one));
      }
      const good = await send('Zoë Ångström, 北京 \u0645\u0631\u062d\u0628\u0627');
      assert.ok(good.ok, await good.text());
    });
  }

  it('is cleaned where a browser brings it: the workstation of a sign-in', async () => {
    const person = await ConsolePerson.signIn(lockstep.origin, {
      sample: 'dr-lena-okafor',
      workstation: 'WS\u202e\n1',
    });
    assert.equal(person.session.workstation, 'WS1');
  });
});
