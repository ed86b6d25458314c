/** The commands of the tutorials and guides, run as they stand there. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { settingsFor } from './gateway-rig.ts';
import { ROOT, runGuide, type ShellBlock, shellBlocks } from './guides.ts';
import { sharedLockstep, testConfig } from './harness.ts';
import { sharedIssuer } from './issuer.ts';

/** A server that runs already, as these guides take for granted. */
const SERVER: ShellBlock = { text: 'npm start', terminal: true };

/** Pages whose commands are run elsewhere, and where. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'README.md': 'readme.test.ts',
  'CONTRIBUTING.md': '.ci/run',
  'docs/ehr-drives-the-session.md': 'guide.test.ts, against an issuer of its own',
  'docs/conformance.md': "the suite's own test of its guide, and packages.test.ts for its recipes",
  'docs/make-your-app-follow.md': 'packages.test.ts, which has packed the client',
  'docs/packages.md': 'packages.test.ts, with the tarballs that it has packed',
  'packages/conformance/README.md': 'packages.test.ts, with the tarballs that it has packed',
  'examples/README.md': 'npm run interop, which has Java and Python',
};

it('every page with commands is run, or says where else its commands are', () => {
  const source = readFileSync(import.meta.filename, 'utf8');
  const pages = globSync(
    ['*.md', 'docs/**/*.md', 'deploy/**/*.md', 'examples/*.md', 'packages/*/*.md', 'samples/*/*.md'],
    { cwd: ROOT },
  ).map((path) => path.replaceAll('\\', '/'));
  const withCommands = pages.filter((path) => shellBlocks(readFileSync(join(ROOT, path), 'utf8')).length > 0);
  assert.deepEqual(
    withCommands.filter((path) => !source.includes(`runGuide(t, '${path}'`) && ELSEWHERE[path] === undefined),
    [],
  );
  for (const path of Object.keys(ELSEWHERE)) assert.ok(withCommands.includes(path), `${path} has no commands`);
});

it('tutorial for the developer of an app', async (t) => {
  await runGuide(t, 'docs/tutorials/app-developer.md', {
    npx: 'of npm',
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

it('guide: in front of a FHIR server', async (t) => {
  const server = await sharedLockstep({ sampleData: true });
  const { data } = testConfig();
  const settings = await settingsFor(server.origin, data);
  await runGuide(t, 'docs/gateway.md', {
    replace: { 'https://fhir.hospital.example/r4': settings.fhirUpstream },
    env: {
      LOCKSTEP_FHIR_UPSTREAM_TOKEN_URL: settings.fhirUpstreamTokenUrl,
      LOCKSTEP_FHIR_UPSTREAM_CLIENT_ID: settings.fhirUpstreamClientId,
      LOCKSTEP_FHIR_UPSTREAM_CLIENT_KEY: settings.fhirUpstreamClientKey,
    },
    shows: [/"fullUrl":"http:\/\/localhost:\d+\/fhir\/Patient\/rosa-quispe"/],
  });
});

it('guide: tokens of an authorization server that exists', async (t) => {
  const issuer = await sharedIssuer();
  const page = readFileSync(join(ROOT, 'docs/trusted-issuers.md'), 'utf8');
  const file = /```json\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  assert.match(file, /sso\.hospital\.example/);
  await runGuide(t, 'docs/trusted-issuers.md', {
    programs: { 'issuers.json': file.replace('https://sso.hospital.example/realms/hospital', issuer.url) },
    shows: [
      /keycloak is http:\/\/127\.0\.0\.1:\d+, for lockstep/,
      new RegExp(`"authorization_servers":\\["${issuer.url}"\\]`),
    ],
  });
});

it('guide: group sessions', async (t) => {
  await runGuide(t, 'docs/group-sessions.md', {
    before: [
      SERVER,
      { text: 'TOKEN=$(npx lockstep token)\nTOPIC=$(npx lockstep sessions open --user jsmith)', terminal: false },
    ],
    replace: { 'https://hub.example.com': 'http://localhost:8080' },
    shows: [/"invitation_url":"http:/],
  });
});
