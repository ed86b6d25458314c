import '../language/testing.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchedLines, linesOf } from './commands.ts';

const LAUNCH = { hubUrl: 'http://localhost:8080/hub', topic: 'f7df38d8', user: 'lokafor' };
const APP = { name: 'My PACS (2)', launchUrl: 'https://pacs.example.org/start?lang=en' };
const texts = (lines: readonly { text: string }[]) => lines.map(({ text }) => text);

test('LAU-1 what to run names Hub, session and user, for every kind that is started by hand', () => {
  const [windows, posix] = texts(linesOf('command-line', APP, LAUNCH));
  assert.equal(windows, 'my-pacs-2.exe /user:lokafor /hub.url:http://localhost:8080/hub /hub.topic:f7df38d8');
  assert.equal(posix, 'my-pacs-2 --user=lokafor --hub.url=http://localhost:8080/hub --hub.topic=f7df38d8');
  const [address = ''] = texts(linesOf('web', APP, LAUNCH));
  assert.equal(new URL(address).searchParams.get('hub.topic'), 'f7df38d8');
  assert.deepEqual(linesOf('web', { name: 'x' }, LAUNCH), []);
  assert.match(texts(linesOf('file', APP, LAUNCH))[0] ?? '', /"hub\.topic": *"f7df38d8"/);
  assert.match(texts(linesOf('derived', APP, { ...LAUNCH, user: 'o k' }))[0] ?? '', / topic derive 'o k'$/);
});

test('LAU-1 what a launch gives to run carries its ticket', () => {
  const ticket = 'http://localhost:8080/hub/ticket/abc';
  const args = ['/user:lokafor', '/hub.url:http://localhost:8080/hub', '/hub.topic:t', `/ticket:${ticket}`];
  const lines = texts(launchedLines({ form: 'switches', arguments: args, command_line: 'C:\\PACS.exe …' }, APP));
  assert.equal(lines[0], 'C:\\PACS.exe …');
  assert.match(lines[1] ?? '', / --ticket=http:\/\/localhost:8080\/hub\/ticket\/abc /);
  assert.deepEqual(texts(launchedLines({ form: 'ticket', ticket_url: ticket }, APP)), [`curl -X POST ${ticket}`]);
});
