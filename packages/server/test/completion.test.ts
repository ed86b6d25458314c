import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { COMMANDS } from '../src/cli/commands.ts';
import { lockstep } from './command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-completion-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('bash completes commands, options and choices', async () => {
  const { stdout: script } = await lockstep(['completion', 'bash']);
  const complete = (...words: string[]): string[] => {
    const list = words.map((word) => `'${word}'`).join(' ');
    const program = `${script}\nCOMP_WORDS=(lockstep ${list}); COMP_CWORD=${words.length}; _lockstep; echo "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', program], { encoding: 'utf8' }).trim().split(' ');
  };
  assert.deepEqual(complete('pub'), ['publish']);
  assert.deepEqual(complete('apps', 'l'), ['list', 'launch']);
  assert.deepEqual(complete('listen', '--ans'), ['--answer']);
  assert.deepEqual(complete('launch', 'build', '--form', 'p'), ['posix']);
  assert.deepEqual(complete('apps', 'launch', '--form', 't'), ['ticket']);
});

test('bash completes at its prompt', async (t) => {
  const file = join(folder, 'prompt.bash');
  writeFileSync(file, (await lockstep(['completion', 'bash'])).stdout);
  // A shell has a prompt only where it is given a terminal.
  const shell = spawn('script', ['--quiet', '--command', 'bash --norc --noprofile -i', '/dev/null'], {
    env: { PATH: process.env.PATH, HOME: folder, TERM: 'dumb', PS1: '> ' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => shell.kill());
  let said = '';
  shell.stdout.setEncoding('utf8').on('data', (data) => (said += data));
  /** Types keys, and waits until the shell has shown something that is not among them. */
  const types = async (keys: string, shows: string): Promise<void> => {
    said = '';
    shell.stdin.write(keys);
    while (!said.includes(shows)) await once(shell.stdout, 'data');
  };
  await types(`source ${file}; echo load''ed\n`, 'loaded');
  await types('lockstep pub\t', 'lish');
  // Ctrl-U empties the line.
  await types('\x15lockstep listen --ans\t', 'wer');
  await types('\x15lockstep launch build --form po\t', 'six');
  await types('\x15lockstep apps l\t\t', 'launch');
});

test('fish completes commands, options, choices and files', async () => {
  const script = join(folder, 'lockstep.fish');
  writeFileSync(script, (await lockstep(['completion', 'fish'])).stdout);
  const complete = (line: string): string[] => {
    const program = `source ${script}; complete -C ${JSON.stringify(line)}`;
    const said = execFileSync('fish', ['--no-config', '-c', program], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, HOME: folder },
    });
    return said.split('\n').flatMap((one) => one.split('\t')[0] || []);
  };
  assert.deepEqual(complete('lockstep pub'), ['publish']);
  assert.deepEqual(complete('lockstep apps l'), ['launch', 'list']);
  assert.deepEqual(complete('lockstep listen --ans'), ['--answer']);
  assert.deepEqual(complete('lockstep launch build --form p'), ['posix']);
  assert.deepEqual(complete('lockstep apps launch --form t'), ['ticket']);
  assert.deepEqual(complete(`lockstep serve --config ${folder}/lock`), [script]);
});

test('PowerShell is given every command, option and choice', async () => {
  const { stdout } = await lockstep(['completion', 'powershell']);
  for (const { name, options, raw } of COMMANDS) {
    const [, listed = ''] = new RegExp(`^    '${name}' = @\\(('--[^)]*)\\)$`, 'm').exec(stdout) ?? [];
    for (const option of raw ? ['help'] : Object.keys(options)) assert.ok(listed.includes(`'--${option}'`), name);
    for (const [option, { choices }] of Object.entries(options)) {
      const list = choices?.map((one) => `'${one}'`).join(', ');
      if (list !== undefined) assert.ok(stdout.includes(`'${name} --${option}' = @(${list})`), `${name} --${option}`);
    }
  }
});

test('zsh completes at its prompt', async () => {
  const script = join(folder, 'lockstep.zsh');
  writeFileSync(script, (await lockstep(['completion', 'zsh'])).stdout);
  // Folders of this machine are none of the test's business: compinit asks about them otherwise.
  const setUp = `PS1='> '; autoload -Uz compinit && compinit -u -D; source ${script}; echo load''ed`;
  const typed = (keys: string, whole: string): string[] => [
    `zpty -w -n shell $'${keys}\\t'`,
    `zpty -r shell said '*${whole}*' || exit 2`,
    // Ctrl-U: the next line begins empty.
    "zpty -w -n shell $'\\x15'",
  ];
  const program = [
    'zmodload zsh/zpty',
    'zpty shell zsh -f -i',
    `zpty -w shell ${JSON.stringify(setUp)}`,
    "zpty -r shell said '*loaded*' || exit 1",
    ...typed('lockstep pub', 'publish'),
    ...typed('lockstep listen --ans', '--answer'),
    ...typed('lockstep launch build --form po', 'posix'),
    'zpty -d shell',
  ].join('\n');
  const run = spawnSync('zsh', ['-f', '-c', program], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, HOME: folder, TERM: 'dumb' },
    encoding: 'utf8',
    timeout: 600_000,
  });
  assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);
});
