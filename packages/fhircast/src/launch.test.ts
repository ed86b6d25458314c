import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  buildArguments,
  buildLaunchFile,
  buildTicketUrl,
  buildWebLaunch,
  LaunchError,
  type LaunchParameters,
  parseArguments,
  parseLaunchFile,
  parseTicketUrl,
  parseWebLaunch,
  posixCommandLine,
  splitPosixCommandLine,
  splitWindowsCommandLine,
  windowsCommandLine,
} from './launch.ts';

const text = (minLength: number) =>
  fc
    .string({ unit: 'grapheme', minLength, maxLength: 30 })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: launches refuse exactly these
    .filter((one) => one.isWellFormed() && !/[\u0000-\u001f\u007f]/.test(one));
const name = fc
  .stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,12}$/)
  .filter((one) => !['user', 'hub.url', 'hub.topic', 'cast-hub', 'cast-session'].includes(one.toLowerCase()));
const hubUrl = fc.webUrl({ withQueryParameters: false, withFragments: false });
const launch: fc.Arbitrary<LaunchParameters> = fc
  .record({
    hubUrl,
    topic: text(1),
    user: fc.option(text(0), { nil: undefined }),
    parameters: fc.option(fc.dictionary(name, text(0), { minKeys: 1, maxKeys: 4, noNullPrototype: true }), {
      nil: undefined,
    }),
  })
  .map(({ hubUrl, topic, user, parameters }) => ({
    hubUrl,
    topic,
    ...(user === undefined ? {} : { user }),
    ...(parameters === undefined ? {} : { parameters }),
  }));

const example: LaunchParameters = {
  hubUrl: 'https://hub.example.com',
  topic: '2e5e1b95-5c7f-4884-b19a-0b058699318b',
  user: 'jsmith',
};

describe('LAU-1 command line', () => {
  it('reads the switches that FHIRcast gives as its example', () => {
    const line =
      'C:\\Windows\\System32\\PACS.exe /credentials:s3cret /user:jsmith /hub.url:https://hub.example.com /hub.topic:2e5e1b95-5c7f-4884-b19a-0b058699318b';
    assert.deepEqual(parseArguments(splitWindowsCommandLine(line).slice(1)), {
      ...example,
      parameters: { credentials: 's3cret' },
    });
  });

  it('writes them the same way', () => {
    assert.deepEqual(buildArguments(example), [
      '/user:jsmith',
      '/hub.url:https://hub.example.com',
      '/hub.topic:2e5e1b95-5c7f-4884-b19a-0b058699318b',
    ]);
    assert.equal(buildArguments(example, 'posix')[1], '--hub.url=https://hub.example.com');
  });

  it('leaves what else the program is given alone', () => {
    const args = ['study.dcm', '--verbose', '/tmp', ...buildArguments(example, 'posix'), '-x'];
    assert.deepEqual(parseArguments(args), example);
  });

  it('is undone by its parser in both styles, and on a Windows command line', () => {
    fc.assert(
      fc.property(launch, fc.constantFrom('windows' as const, 'posix' as const), (one, style) => {
        const args = buildArguments(one, style);
        assert.deepEqual(parseArguments(args), one);
        const [program, ...rest] = splitWindowsCommandLine(windowsCommandLine('C:\\Program Files\\a b\\app.exe', args));
        assert.equal(program, 'C:\\Program Files\\a b\\app.exe');
        assert.deepEqual(rest, args);
      }),
    );
  });

  it('is undone on a POSIX command line, whatever the arguments hold', () => {
    const hard = fc.string({ unit: fc.constantFrom('a', ' ', '"', "'", '\\', '$', '`', '&', ';', '\n', 'é') });
    fc.assert(
      fc.property(fc.array(hard), (args) => {
        assert.deepEqual(splitPosixCommandLine(posixCommandLine('/opt/a b/app', args)), ['/opt/a b/app', ...args]);
      }),
    );
    assert.deepEqual(splitPosixCommandLine('app "a \\"b\\" $c" d\\ e'), ['app', 'a "b" $c', 'd e']);
  });

  it('is taken apart by a POSIX shell as it was put together', () => {
    const args = ["it's", '"a b"', '$(id)', '`id`', 'a&b;c', '\\', '*', '~', '#x', '', 'naïve'];
    const said = execFileSync('sh', ['-c', posixCommandLine('printf', ['%s\\n', ...args])], { encoding: 'utf8' });
    assert.deepEqual(said.split('\n').slice(0, -1), args);
  });

  it('quotes any argument so that a Windows program gets it back', () => {
    const hard = fc.string({ unit: fc.constantFrom('a', ' ', '"', '\\', '\t', 'é') });
    fc.assert(
      fc.property(fc.array(hard), (args) => {
        assert.deepEqual(splitWindowsCommandLine(windowsCommandLine('app', args)), ['app', ...args]);
      }),
    );
  });
});

describe('LAU-1 web parameters', () => {
  it('reads and writes the URL that FHIRcast gives as its example', () => {
    const url =
      'https://app.example.com/launch.html?user=jsmith&hub.url=https%3A%2F%2Fhub.example.com&hub.topic=2e5e1b95-5c7f-4884-b19a-0b058699318b';
    assert.deepEqual(parseWebLaunch(url), example);
    assert.equal(buildWebLaunch('https://app.example.com/launch.html', example), url);
  });

  it("keeps the app's own parameters and replaces an older launch", () => {
    const url = buildWebLaunch('https://app.example.com/?tenant=a&hub.topic=old&Hub.Topic=older#top', example);
    assert.deepEqual(parseWebLaunch(new URL(url)), { ...example, parameters: { tenant: 'a' } });
    assert.equal(new URL(url).hash, '#top');
  });

  it('is undone by its parser', () => {
    fc.assert(
      fc.property(launch, (one) => {
        assert.deepEqual(parseWebLaunch(buildWebLaunch('https://app.example.com/launch', one)), one);
      }),
    );
  });
});

describe('LAU-1 dropped file', () => {
  it('is undone by its parser, as JSON and as ini', () => {
    fc.assert(
      fc.property(launch, fc.constantFrom('json' as const, 'ini' as const), (one, format) => {
        assert.deepEqual(parseLaunchFile(buildLaunchFile(one, format)), one);
      }),
    );
  });

  it('reads what other programs write: BOM, CRLF, sections, comments, spaces', () => {
    const file = '\uFEFF; written by the EHR\r\n[FHIRcast]\r\nHub.Url = https://hub.example.com\r\nhub.topic="t 1"\r\n';
    assert.deepEqual(parseLaunchFile(file), { hubUrl: 'https://hub.example.com', topic: 't 1' });
    assert.deepEqual(parseLaunchFile('{"cast-hub":"https://hub.example.com","cast-session":7,"x":{}}'), {
      hubUrl: 'https://hub.example.com',
      topic: '7',
    });
  });

  it('reads a list of sessions, of which the first counts, and no name that stands there twice', () => {
    const hub = '"cast-hub":"https://hub.example.com"';
    const one = { hubUrl: 'https://hub.example.com', topic: 'https://hub.example.com/a' };
    for (const list of ['["https://hub.example.com/a"]', '["https://hub.example.com/a","https://hub.example.com/b"]']) {
      assert.deepEqual(parseLaunchFile(`{${hub},"cast-session":${list}}`), one);
    }
    assert.throws(() => parseLaunchFile(`{${hub},"cast-session":[]}`), { message: /hub\.topic is missing/ });
    assert.throws(() => parseLaunchFile(`{${hub},"cast-session":[{"a":1}]}`), { message: /hub\.topic is missing/ });
    for (const name of ['hub.topic', 'hub.url', 'user', 'credentials']) {
      const twice = `{"hub.url":"https://h.example","hub.topic":"t","${name}":"1","${name}":"2"}`;
      assert.throws(() => parseLaunchFile(twice), { name: 'LaunchError', message: /twice/ }, name);
    }
  });
});

describe('LAU-1 ticket', () => {
  it('is undone by its parser', () => {
    fc.assert(
      fc.property(hubUrl, fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/), (hub, ticket) => {
        const back = parseTicketUrl(buildTicketUrl({ hubUrl: hub, ticket }));
        assert.deepEqual(back, { hubUrl: hub.replace(/\/+$/, ''), ticket });
      }),
    );
  });
});

describe('LAU-1 bad input', () => {
  it('says which value is missing or wrong', () => {
    const topic = '/hub.topic:t';
    assert.throws(() => parseArguments([topic]), { name: 'LaunchError', message: /hub\.url is missing/ });
    assert.throws(() => parseArguments(['/hub.url:https://h']), { message: /hub\.topic is missing/ });
    assert.throws(() => parseArguments(['/hub.url:javascript:alert(1)', topic]), { message: /absolute/ });
    assert.throws(() => parseWebLaunch('not a url'), LaunchError);
    assert.throws(() => parseLaunchFile('{"hub.url":'), { message: /not valid JSON/ });
    assert.throws(() => parseTicketUrl('https://hub.example.com/hub'), LaunchError);
    assert.throws(() => buildTicketUrl({ hubUrl: 'https://h/hub', ticket: '../session' }), LaunchError);
  });

  it('does not build what could not be read back', () => {
    const wrong: LaunchParameters[] = [
      { ...example, topic: '' },
      { ...example, topic: 'a\nhub.url=https://evil.example' },
      { ...example, hubUrl: 'ftp://hub.example.com' },
      { ...example, parameters: { 'a b': 'x' } },
      { ...example, parameters: { 'Hub.Url': 'x' } },
    ];
    for (const one of wrong) {
      assert.throws(() => buildArguments(one), LaunchError);
      assert.throws(() => buildWebLaunch('https://app.example.com', one), LaunchError);
      assert.throws(() => buildLaunchFile(one, 'ini'), LaunchError);
    }
  });

  it('throws nothing but LaunchError, whatever a file or an argument holds', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (junk) => {
        for (const parse of [parseLaunchFile, parseWebLaunch, parseTicketUrl, (one: string) => parseArguments([one])]) {
          try {
            parse(junk);
          } catch (error) {
            assert.ok(error instanceof LaunchError, String(error));
          }
        }
      }),
    );
  });
});
