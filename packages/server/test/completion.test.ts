import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
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

const hasZsh = spawnSync('zsh', ['-c', 'zmodload zsh/zpty']).status === 0;

test('zsh completes at its prompt', { skip: hasZsh ? false : 'zsh is not installed' }, async () => {
  const script = join(folder, 'lockstep.zsh');
  writeFileSync(script, (await lockstep(['completion', 'zsh'])).stdout);
  // Folders of this machine are none of the test's business: compinit asks about them otherwise.
  const setUp = `PS1='> '; autoload -Uz compinit && compinit -u -D; source ${script}; echo load''ed`;
  const typed = (keys: string, whole: string): string[] => [
    `zpty -w -n shell $'${keys}\\t'`,
    `zpty -r shell said '*${whole}*' || exit 2`,
    // Ctrl-U: the next line begins anew.
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
    env: { PATH: process.env.PATH, HOME: folder, TERM: 'dumb' },
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);
});
