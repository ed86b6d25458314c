/** The commands of the tutorials and guides, run as they stand there. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { ROOT, runGuide, type ShellBlock, shellBlocks } from './guides.ts';

/** A server that runs already, as these guides take for granted. */
const SERVER: ShellBlock = { text: 'npm start', terminal: true };

/** Pages whose commands are run elsewhere, or by nobody, and why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'docs/ehr-drives-the-session.md': 'guide.test.ts runs them against an issuer of its own',
  'docs/conformance.md': "the suite's own test of its guide runs them, and packages.test.ts its recipes",
  'docs/group-sessions.md': 'group-sessions.test.ts makes the same request',
  'docs/make-your-app-follow.md': 'packages.test.ts packs, installs and imports the client; the tutorial runs the rest',
  'docs/gateway.md': 'they start Lockstep in front of a FHIR server of the hospital',
  'docs/trusted-issuers.md': 'they start Lockstep beside an authorization server of the hospital',
  'docs/sign-in-elsewhere.md': 'they are settings, for a provider of the hospital',
};

it('every page with commands is run, or says where else its commands are', () => {
  const source = readFileSync(import.meta.filename, 'utf8');
  const pages = globSync('docs/**/*.md', { cwd: ROOT }).map((path) => path.replaceAll('\\', '/'));
  const withCommands = pages.filter((path) => shellBlocks(readFileSync(join(ROOT, path), 'utf8')).length > 0);
  assert.deepEqual(
    withCommands.filter((path) => !source.includes(`runGuide(t, '${path}'`) && ELSEWHERE[path] === undefined),
    [],
  );
  for (const path of Object.keys(ELSEWHERE)) assert.ok(withCommands.includes(path), `${path} has no commands`);
});

it('tutorial for the developer of an app', async (t) => {
  await runGuide(t, 'docs/tutorials/app-developer.md', {
    shows: [
      /Lockstep is ready at/,
      /The session is [\w-]+/,
      /\[in-sync\]/,
      /Now showing Patient\/rosa-quispe/,
      /\[out-of-sync\] .*a note is not saved/,
      /My first app/,
    ],
  });
});

it('tutorial for the vendor of an EHR', async (t) => {
  await runGuide(t, 'docs/tutorials/ehr-vendor.md', {
    shows: [
      /The topic is [\w-]+/,
      /answered 202/,
      /walter-pruitt/,
      /"notFollowing":\[.*"Old viewer"/,
      /ended: 204/,
      /The session has ended|ended/,
    ],
  });
});

it('tutorial for the operator', async (t) => {
  await runGuide(t, 'docs/tutorials/operator.md', {
    shows: [
      /LOCKSTEP_PROFIL is no setting; did you mean LOCKSTEP_PROFILE/,
      /refused, and said why/,
      /lockstep_build_info/,
      /Dr\. Marta Ruiz/,
      /is restored:[\s\S]*patient Patient\/rosa-quispe/,
      /walter-pruitt/,
      /"fhircastVersion":"3\.0\.0"/,
    ],
  });
});

it('tutorial for the tester of a Hub', async (t) => {
  await runGuide(t, 'docs/tutorials/conformance-tester.md', {
    shows: [
      /conforms/,
      /exit code 1\n/,
      /exit code 1: one of them/,
      /the package is as it was signed/,
      /Example: FHIRcast 3\.0\.0: conforms/,
    ],
  });
});

it('guide: launch without SMART', async (t) => {
  const says = (name: string): string => `#!/bin/sh\necho "${name} was started with $*"\n`;
  await runGuide(t, 'docs/launch-without-smart.md', {
    before: [SERVER],
    programs: { pacs: says('pacs'), dictation: says('dictation') },
    shows: [
      /pacs was started with .*\/hub\.url:http/,
      /dictation was started with .*hub\.topic/,
      /"ticket_url":"http/,
      /https:\/\/viewer\.example\.com\/\?.*hub\.topic=7fa1c3/,
      /in-sync|in sync/i,
    ],
  });
});

it('guide: programs that cannot be changed', async (t) => {
  await runGuide(t, 'docs/programs-that-cannot-be-changed.md', {
    before: [
      SERVER,
      { text: 'node listens.mjs 7070   # listen 7070', terminal: true },
      { text: 'mkdir -p dictation/out\nlockstep sessions open --user jsmith', terminal: false },
    ],
    programs: {
      'bin/xdg-open': '#!/bin/sh\necho "opened $1"\n',
      show: '#!/bin/sh\necho "shown $*"\n',
      'listens.mjs': `import { createServer } from 'node:http';
        createServer((request, response) => {
          request.on('data', (chunk) => console.log('called with ' + chunk));
          request.on('end', () => response.end());
        }).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'));`,
    },
    replace: { '/opt/pacs/show': './show', '/mnt/dictation': 'dictation' },
    shows: [/called with .*"?123"?/, /patient\.identifier\.MR/, /study\.accession/],
  });
});
