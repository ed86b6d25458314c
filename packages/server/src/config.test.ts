import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ConfigError, isLocal, isLoopback, readConfig } from './config.ts';
import { outsideOptions } from './outside-sign-in.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-config-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
/** @returns the path of a configuration file that holds the text */
function file(content: unknown): string {
  files += 1;
  const path = join(folder, `${files}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function problems(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    for (const problem of error.problems) assert.ok(error.message.includes(problem));
    return error.problems;
  }
  assert.fail('was accepted');
}

/** Every setting with a value that is right, one a setting could never have, and a name in the file. */
const SETTINGS: readonly (readonly [variable: string, name: string, good: string, wrong: readonly string[]])[] = [
  ['PORT', 'port', '8081', ['', 'x', '-1', '65536', '80.5', '0x50', '1e3']],
  ['LOCKSTEP_HOST', 'host', '0.0.0.0', ['', 'a b', 'http://x', '-x', 'x/y']],
  [
    'LOCKSTEP_PUBLIC_URL',
    'publicUrl',
    'https://hub.example',
    [
      '',
      'hub.example',
      'ftp://hub.example',
      'https://hub.example/fhir',
      'https://hub.example/a,b',
      'https://a@hub.example',
      'https://x/?y',
    ],
  ],
  ['LOCKSTEP_ROLE', 'role', 'all', ['', 'Hub', 'fhir']],
  ['LOCKSTEP_DATA', 'data', '/var/lib/lockstep', ['', ' ']],
  ['LOCKSTEP_REDIS_URL', 'redisUrl', 'redis://cache', ['', 'cache', 'redis://a,b', 'http://cache']],
  ['LOCKSTEP_REDIS_REPLICAS', 'redisReplicas', '1', ['', '-1', '11']],
  ['LOCKSTEP_STORE_DAMAGE', 'storeDamage', 'continue', ['', 'ignore', 'Refuse']],
  ['LOCKSTEP_LOG_LEVEL', 'logLevel', 'debug', ['', 'loud', 'WARN']],
  ['LOCKSTEP_AUDIT_FILE_BYTES', 'auditFileBytes', '65536', ['', '1', '100MB']],
  ['LOCKSTEP_AUDIT_FHIR', 'auditFhir', 'https://audit.example/fhir', ['', 'audit', 'ftp://audit', 'http://a?b']],
  ['LOCKSTEP_AUDIT_SYSLOG', 'auditSyslog', 'udp://logs:514', ['', 'logs', 'http://logs', 'udp://logs/x']],
  ['LOCKSTEP_OTLP_URL', 'otlpUrl', 'http://collector:4318', ['', 'collector:4318', 'http://c/?x']],
  ['LOCKSTEP_AUDIT_FAILURE', 'auditFailure', 'refuse', ['', 'stop', 'on']],
  ['LOCKSTEP_AUDIT_PATIENTS', 'auditPatients', 'on', ['', 'yes']],
  ['LOCKSTEP_MANAGEMENT_PORT', 'managementPort', '9090', ['', 'x', '65536']],
  ['LOCKSTEP_MANAGEMENT_HOST', 'managementHost', '0.0.0.0', ['', 'a b']],
  ['LOCKSTEP_BODY_LIMIT', 'bodyLimit', '2048', ['', '1023', '-5', '1MB', '268435457']],
  ['LOCKSTEP_RATE_LIMIT', 'rateLimit', '0', ['', '-1', 'none', '1000001']],
  ['LOCKSTEP_TRUSTED_PROXIES', 'trustedProxies', '127.0.0.0/8,fd12::/16', ['proxy', '10.0.0.1', '10.0.0.0/99']],
  ['LOCKSTEP_LEASE_SECONDS', 'leaseSeconds', '60', ['', '0', '1h', '-60']],
  ['LOCKSTEP_MAX_LEASE_SECONDS', 'maxLeaseSeconds', '7200', ['', '0', '31536001']],
  ['LOCKSTEP_GRACE_SECONDS', 'graceSeconds', '0', ['', '-1', '86401']],
  ['LOCKSTEP_MAX_SESSIONS_PER_ADDRESS', 'maxSessionsPerAddress', '1', ['', '0', '10000001']],
  ['LOCKSTEP_ANSWER_SECONDS', 'answerSeconds', '10', ['', '0', '3601']],
  ['LOCKSTEP_MAX_UNANSWERED', 'maxUnanswered', '1', ['', '0', '1001']],
  ['LOCKSTEP_ACKNOWLEDGEMENTS', 'acknowledgements', 'strict', ['', 'sometimes', 'Strict']],
  ['LOCKSTEP_UNKNOWN_USERS', 'unknownUsers', 'off', ['', 'false']],
  ['LOCKSTEP_PING_SECONDS', 'pingSeconds', '1', ['', '0', '3601']],
  ['LOCKSTEP_HEARTBEAT_SECONDS', 'heartbeatSeconds', '1', ['', '0', '3601', '0.5']],
  ['LOCKSTEP_IDLE_HOURS', 'idleHours', '1', ['', '0', '8761']],
  ['LOCKSTEP_REFRESH_GRACE_SECONDS', 'refreshGraceSeconds', '0', ['', '-1', '30s', '601']],
  ['LOCKSTEP_MAX_TOKEN_SECONDS', 'maxTokenSeconds', '28800', ['', '299', '8h', '604801']],
  ['LOCKSTEP_LAUNCH_TOKEN_SECONDS', 'launchTokenSeconds', '3600', ['', '59', '8h', '604801']],
  ['LOCKSTEP_PROFILE', 'profile', 'ira', ['', 'stu9', 'IRA']],
  ['LOCKSTEP_VALIDATION', 'validation', 'fhir', ['', 'on', 'FHIR', 'r4']],
  ['LOCKSTEP_LOG_EVENTS', 'logEvents', '10', ['', '0', '1000001']],
  ['LOCKSTEP_LOG_HOURS', 'logHours', '1', ['', '0', '8761']],
  ['LOCKSTEP_LOG_BYTES', 'logBytes', '65536', ['', '65535', '1e9']],
  ['LOCKSTEP_SESSION_BYTES', 'sessionBytes', '65536', ['', '65535', '64 MB']],
  ['LOCKSTEP_WEBHOOKS', 'webhooks', 'off', ['', 'yes', 'true']],
  ['LOCKSTEP_TRUSTED_ISSUERS', 'trustedIssuers', './issuers.json', ['', ' ']],
  ['LOCKSTEP_BRAND', 'brand', './brand.json', ['', ' ']],
  ['LOCKSTEP_INITIAL_ACCESS_TOKEN', 'initialAccessToken', 'secret', ['', ' ']],
  ['LOCKSTEP_REGISTRATION', 'registration', 'closed', ['', 'off', 'Open']],
  ['LOCKSTEP_CREATE_SESSIONS', 'createSessions', 'on', ['', 'yes']],
  ['LOCKSTEP_SAMPLE_DATA', 'sampleData', 'off', ['', 'false']],
  ['LOCKSTEP_OIDC_SCOPES', 'oidcScopes', 'openid email', ['', 'profile', 'openidx']],
  ['LOCKSTEP_OIDC_USER_CLAIM', 'oidcUserClaim', 'upn', ['', ' ']],
  ['LOCKSTEP_OIDC_FHIR_USER_CLAIM', 'oidcFhirUserClaim', 'fhir', ['']],
  ['LOCKSTEP_OIDC_NEW_USERS', 'oidcNewUsers', 'off', ['', 'no']],
  ['LOCKSTEP_OIDC_LINK_BY_NAME', 'oidcLinkByName', 'on', ['', 'email']],
  [
    'LOCKSTEP_FHIR_UPSTREAM',
    'fhirUpstream',
    'https://fhir.example/r4',
    ['', 'fhir', 'ftp://x', 'https://x/?a', 'https://u:p@x'],
  ],
  ['LOCKSTEP_FHIR_UPSTREAM_SCOPE', 'fhirUpstreamScope', 'system/*.rs', ['', ' ']],
  ['LOCKSTEP_FHIR_UPSTREAM_SECONDS', 'fhirUpstreamSeconds', '30', ['', '0', '301']],
  ['LOCKSTEP_FHIR_UPSTREAM_PAGE_BYTES', 'fhirUpstreamPageBytes', '65536', ['', '1', '268435457']],
];

/** What some settings are about. */
const NEEDED: Readonly<Record<string, NodeJS.ProcessEnv>> = {
  LOCKSTEP_REDIS_REPLICAS: { LOCKSTEP_REDIS_URL: 'redis://redis' },
  LOCKSTEP_MANAGEMENT_HOST: { LOCKSTEP_MANAGEMENT_PORT: '9090' },
};

describe('the configuration', () => {
  it('has a default for everything: loopback, port 8080, samples', () => {
    const { data, callbackNetworks, trustedProxies, ...config } = readConfig({});
    assert.ok(data);
    assert.deepEqual([callbackNetworks, trustedProxies], [[], []]);
    assert.deepEqual(config, {
      role: 'all',
      port: 8080,
      host: '127.0.0.1',
      logLevel: 'warn',
      bodyLimit: 1_048_576,
      rateLimit: 1000,
      leaseSeconds: 7200,
      maxLeaseSeconds: 86_400,
      graceSeconds: 120,
      holdOffMilliseconds: 2000,
      maxSubscriptions: 64,
      maxSubscriptionsPerClient: 32,
      maxSubscriptionsPerUser: 32,
      maxSessionsPerClient: 10_000,
      maxSessionsPerAddress: 20_000,
      maxSessionsPerUser: 100,
      answerSeconds: 10,
      maxUnanswered: 3,
      acknowledgements: 'answers',
      pingSeconds: 30,
      heartbeatSeconds: 10,
      idleHours: 12,
      refreshGraceSeconds: 30,
      maxTokenSeconds: 86_400,
      launchTokenSeconds: 43_200,
      profile: 'core',
      validation: 'off',
      logEvents: 1000,
      logHours: 24,
      logBytes: 134_217_728,
      sessionBytes: 134_217_728,
      webhooks: true,
      auditFileBytes: 104_857_600,
      auditFailure: 'continue',
      auditPatients: false,
      redisReplicas: 0,
      storeDamage: 'refuse',
      registration: 'open',
      dpopNonce: false,
      createSessions: false,
      sampleData: true,
      unknownUsers: true,
      oidcScopes: 'openid profile',
      oidcUserClaim: 'preferred_username',
      oidcFhirUserClaim: 'fhirUser',
      oidcMode: 'beside',
      oidcNewUsers: true,
      oidcLinkByName: false,
      fhirUpstreamScope: 'system/*.cruds',
      fhirUpstreamSeconds: 10,
      fhirUpstreamPageBytes: 8_388_608,
    });
  });

  it('refuses settings of a FHIR server behind Lockstep that do not belong together', () => {
    const upstream = { LOCKSTEP_FHIR_UPSTREAM: 'https://fhir.example/r4/' };
    assert.equal(readConfig(upstream).fhirUpstream, 'https://fhir.example/r4');
    for (const [env, said] of [
      [{ LOCKSTEP_FHIR_UPSTREAM_TOKEN: 't' }, /LOCKSTEP_FHIR_UPSTREAM is missing/],
      [{ ...upstream, LOCKSTEP_FHIR_UPSTREAM_CLIENT_ID: 'c' }, /belong together/],
      [{ ...upstream, LOCKSTEP_FHIR_UPSTREAM_CERT: 'c' }, /belong together/],
      [
        {
          ...upstream,
          LOCKSTEP_FHIR_UPSTREAM_TOKEN: 't',
          LOCKSTEP_FHIR_UPSTREAM_TOKEN_URL: 'https://x/token',
          LOCKSTEP_FHIR_UPSTREAM_CLIENT_ID: 'c',
          LOCKSTEP_FHIR_UPSTREAM_CLIENT_KEY: 'k',
        },
        /exclude each other/,
      ],
    ] as const) {
      assert.match(problems(env).join(), said);
    }
  });

  it('of a Hub alone needs an issuer that is trusted, and nothing that such a Hub does not have', () => {
    const hub = { LOCKSTEP_ROLE: 'hub', LOCKSTEP_TRUSTED_ISSUERS: './issuers.json' };
    const { role, sampleData } = readConfig(hub);
    assert.deepEqual([role, sampleData], ['hub', false]);
    assert.match(problems({ LOCKSTEP_ROLE: 'hub' }).join(), /LOCKSTEP_TRUSTED_ISSUERS is missing/);
    for (const [variable, value] of [
      ['LOCKSTEP_SAMPLE_DATA', 'on'],
      ['LOCKSTEP_FHIR_UPSTREAM', 'https://fhir.example/r4'],
      ['LOCKSTEP_INITIAL_ACCESS_TOKEN', 'secret'],
      ['LOCKSTEP_OIDC_ISSUER', 'https://sign-in.example'],
    ] as const) {
      const found = problems({ ...hub, LOCKSTEP_OIDC_CLIENT_ID: undefined, [variable]: value }).join();
      assert.match(found, new RegExp(`${variable}.* exclude each other`));
    }
  });

  it('is read from the environment, with spaces around a value', () => {
    for (const [variable, name, good] of SETTINGS) {
      const config = readConfig({ ...NEEDED[variable], [variable]: ` ${good} ` }) as unknown as Record<string, unknown>;
      const value = config[name];
      const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
      assert.equal(text, good, variable);
    }
  });

  it('names every wrong value by its variable', () => {
    for (const [variable, , , wrong] of SETTINGS) {
      for (const value of wrong) {
        const found = problems({ [variable]: value });
        assert.equal(found.length, 1, `${variable}=${value}`);
        assert.ok(found[0]?.startsWith(`${variable} `), found[0]);
      }
    }
    const all = Object.fromEntries(SETTINGS.map(([variable, , , [wrong]]) => [variable, wrong]));
    assert.equal(problems(all).length, SETTINGS.length);
  });

  it('names a variable that is no setting, and leaves those of others alone', () => {
    assert.deepEqual(problems({ LOCKSTEP_POTR: '1' }), ['LOCKSTEP_POTR is no setting; did you mean PORT?']);
    assert.deepEqual(problems({ LOCKSTEP_PORT: '8080' }), ['LOCKSTEP_PORT is no setting; did you mean PORT?']);
    assert.deepEqual(problems({ LOCKSTEP_SOMETHING_ELSE: '1' }), ['LOCKSTEP_SOMETHING_ELSE is no setting']);
    assert.ok(readConfig({ PATH: '/bin', HOME: '/' }));
  });

  it('leaves alone what Kubernetes puts into the environment of a pod, and only that', () => {
    const injected = {
      LOCKSTEP_SERVICE_HOST: '10.96.0.12',
      LOCKSTEP_SERVICE_PORT: '80',
      LOCKSTEP_SERVICE_PORT_HTTP: '80',
      LOCKSTEP_PORT: 'tcp://10.96.0.12:80',
      LOCKSTEP_PORT_80_TCP: 'tcp://10.96.0.12:80',
      LOCKSTEP_PORT_80_TCP_PROTO: 'tcp',
      LOCKSTEP_PORT_80_TCP_PORT: '80',
      LOCKSTEP_PORT_80_TCP_ADDR: '10.96.0.12',
      LOCKSTEP_REDIS_SERVICE_HOST: 'fd00::12',
      LOCKSTEP_REDIS_PORT_6379_TCP: 'tcp://[fd00::12]:6379',
      // A Service named `lockstep-management` meets a setting's own name.
      LOCKSTEP_MANAGEMENT_PORT: 'tcp://10.96.0.13:9090',
      LOCKSTEP_MANAGEMENT_SERVICE_HOST: '10.96.0.13',
    };
    assert.deepEqual(readConfig(injected), readConfig({}));
    for (const [name, value] of Object.entries({
      LOCKSTEP_SERVICE_HOST: 'somewhere',
      LOCKSTEP_SERVICE_PORT: 'many',
      LOCKSTEP_PORT: '80',
      LOCKSTEP_PORTS: 'tcp://10.96.0.12:80',
    })) {
      assert.match(problems({ [name]: value })[0] ?? '', new RegExp(`^${name} is no setting`));
    }
  });

  it('shows of each address of a service what one is like', () => {
    const like = {
      LOCKSTEP_OTLP_URL: 'http://collector:4318',
      LOCKSTEP_FHIR_UPSTREAM: 'https://fhir.example.org/r4',
      LOCKSTEP_FHIR_UPSTREAM_TOKEN_URL: 'https://login.example.org/token',
    };
    for (const [variable, example] of Object.entries(like)) {
      for (const wrong of ['collector:4318', 'ftp://x', 'nothing']) {
        const found = problems({ [variable]: wrong });
        assert.ok(found.includes(`${variable} must be an http: or https: URL, such as ${example}`), found.join());
      }
    }
  });

  it('reads secrets from files, and names a file that cannot be read or stands beside its value', () => {
    const path = file('  redis://:hidden@cache  \n');
    assert.equal(readConfig({ LOCKSTEP_REDIS_URL_FILE: path }).redisUrl, 'redis://:hidden@cache');
    assert.equal(readConfig({ LOCKSTEP_INITIAL_ACCESS_TOKEN_FILE: file('token\n') }).initialAccessToken, 'token');
    for (const variable of ['LOCKSTEP_REDIS_URL', 'LOCKSTEP_INITIAL_ACCESS_TOKEN', 'LOCKSTEP_AUDIT_FHIR_TOKEN']) {
      const [missing] = problems({ [`${variable}_FILE`]: join(folder, 'none') });
      assert.ok(missing?.startsWith(`${variable}_FILE: the file `), missing);
    }
    const both = problems({ LOCKSTEP_REDIS_URL: 'redis://cache', LOCKSTEP_REDIS_URL_FILE: path });
    assert.match(both[0] ?? '', /exclude each other/);
    assert.doesNotMatch(both.join(), /hidden/);
    assert.deepEqual(problems({ LOCKSTEP_HOST_FILE: path }).length, 1, 'no secret');
  });

  it('audits by default where others reach the server, and not on loopback', () => {
    assert.equal(readConfig({}).audit, undefined);
    const outside = { LOCKSTEP_PUBLIC_URL: 'https://hub.example', LOCKSTEP_DATA: '/srv/lockstep' };
    assert.equal(readConfig(outside).audit, '/srv/lockstep/audit.jsonl');
    assert.equal(readConfig({ ...outside, LOCKSTEP_AUDIT: 'off' }).audit, undefined);
    assert.equal(readConfig({ ...outside, LOCKSTEP_AUDIT: '/var/log/a' }).audit, '/var/log/a');
  });

  it('is listed in the README, each setting with its name in the file', () => {
    const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
    const gateway = readFileSync(new URL('../../../docs/gateway.md', import.meta.url), 'utf8');
    for (const [variable, name] of SETTINGS) {
      // Those of an outside provider, and of a FHIR server behind Lockstep, have a page of their own.
      if (variable.startsWith('LOCKSTEP_OIDC_')) continue;
      const page = variable.startsWith('LOCKSTEP_FHIR_UPSTREAM_') ? gateway : readme;
      assert.ok(page.includes(`\`${variable}\` (\`${name}\`)`), variable);
    }
  });

  it('is read from a file; the environment comes first', () => {
    const path = file({ port: 9000, leaseSeconds: '60', host: '::1' });
    const config = readConfig({ LOCKSTEP_CONFIG: path, LOCKSTEP_HOST: '127.0.0.2' });
    assert.deepEqual([config.port, config.leaseSeconds, config.host], [9000, 60, '127.0.0.2']);
  });

  it('names every wrong value and unknown name of the file', () => {
    for (const [, name, , wrong] of SETTINGS) {
      for (const value of wrong) {
        const [found] = problems({ LOCKSTEP_CONFIG: file({ [name]: value }) });
        assert.ok(found?.startsWith(`${name} `), `${name}: ${found}`);
      }
    }
    for (const value of [null, {}, [8080]]) {
      assert.deepEqual(problems({ LOCKSTEP_CONFIG: file({ port: value }) }), [
        'port in the file must be a string or a number, such as "on" or 8080',
      ]);
    }
    for (const name of ['potr', 'PORT', 'toString', 'constructor']) {
      const [found, ...more] = problems({ LOCKSTEP_CONFIG: file({ [name]: 1 }) });
      assert.match(found ?? '', new RegExp(`^${name} in the file is no setting`));
      assert.deepEqual(more, []);
    }
    assert.match(problems({ LOCKSTEP_CONFIG: file({ potr: 1 }) })[0] ?? '', /did you mean port\?$/);
    assert.deepEqual(problems({ LOCKSTEP_CONFIG: file('{"__proto__":1}') }), ['__proto__ in the file is no setting']);
  });

  it('says so where the file is not there or no JSON object', () => {
    assert.match(problems({ LOCKSTEP_CONFIG: join(folder, 'none') })[0] ?? '', /cannot be read/);
    for (const content of ['', '{', '[]', 'null', '5']) {
      assert.match(problems({ LOCKSTEP_CONFIG: file(content) })[0] ?? '', /does not hold a JSON object/, content);
    }
  });

  it('names each wrong setting and says in one line what to write instead', () => {
    const oidc = { LOCKSTEP_OIDC_ISSUER: 'https://login.example', LOCKSTEP_OIDC_CLIENT_ID: 'lockstep' };
    const upstream = { LOCKSTEP_FHIR_UPSTREAM: 'https://fhir.example/r4' };
    const wrong: readonly (readonly [env: NodeJS.ProcessEnv, setting: string, instead: RegExp])[] = [
      [{ PORT: '' }, 'PORT', /from 0 to 65535/],
      [{ LOCKSTEP_HOST: 'http://localhost' }, 'LOCKSTEP_HOST', /such as 127\.0\.0\.1/],
      [{ LOCKSTEP_PUBLIC_URL: 'lockstep.example.org' }, 'LOCKSTEP_PUBLIC_URL', /such as https:/],
      [{ LOCKSTEP_PUBLIC_URL: 'https://x.example/?a=1' }, 'LOCKSTEP_PUBLIC_URL', /without \?, # and credentials/],
      [
        { LOCKSTEP_PUBLIC_URL: 'https://x.example/hub' },
        'LOCKSTEP_PUBLIC_URL',
        /such as https:\/\/x\.example\/lockstep$/,
      ],
      [
        { LOCKSTEP_PUBLIC_URL: 'https://x.example/a b' },
        'LOCKSTEP_PUBLIC_URL',
        /such as https:\/\/x\.example\/lockstep$/,
      ],
      [{ LOCKSTEP_DATA: '' }, 'LOCKSTEP_DATA', /or leave it out/],
      [{ LOCKSTEP_REDIS_URL: 'localhost:6379' }, 'LOCKSTEP_REDIS_URL', /such as redis:/],
      [{ LOCKSTEP_REDIS_REPLICAS: '1' }, 'LOCKSTEP_REDIS_URL', /is missing/],
      [{ LOCKSTEP_LOG_LEVEL: 'verbose' }, 'LOCKSTEP_LOG_LEVEL', /one of fatal, .*trace/],
      [{ LOCKSTEP_TRUSTED_PROXIES: '10.0.0.1' }, 'LOCKSTEP_TRUSTED_PROXIES', /10\.0\.0\.1\/32/],
      [{ LOCKSTEP_CALLBACK_NETWORKS: '10.0.0.0/40' }, 'LOCKSTEP_CALLBACK_NETWORKS', /such as 10\.0\.0\.0\/8/],
      [{ LOCKSTEP_PROFILE: 'IRA' }, 'LOCKSTEP_PROFILE', /one of core, ira/],
      [{ LOCKSTEP_WEBHOOKS: 'true' }, 'LOCKSTEP_WEBHOOKS', /on or off/],
      [{ LOCKSTEP_SAMPLE_DATA: 'yes' }, 'LOCKSTEP_SAMPLE_DATA', /on or off/],
      [{ LOCKSTEP_LEASE_SECONDS: '2h' }, 'LOCKSTEP_LEASE_SECONDS', /whole number/],
      [{ LOCKSTEP_BODY_LIMIT: '1MB' }, 'LOCKSTEP_BODY_LIMIT', /whole number from 1024/],
      [{ LOCKSTEP_AUDIT_SYSLOG: 'syslog.example:514' }, 'LOCKSTEP_AUDIT_SYSLOG', /udp:\/\/host:514/],
      [{ LOCKSTEP_AUDIT_FHIR: 'audit' }, 'LOCKSTEP_AUDIT_FHIR', /such as https:/],
      [{ LOCKSTEP_AUDIT_FHIR_TOKEN: 't' }, 'LOCKSTEP_AUDIT_FHIR', /is missing/],
      [{ LOCKSTEP_OIDC_ISSUER: 'login' }, 'LOCKSTEP_OIDC_ISSUER', /such as https:/],
      [{ ...oidc, LOCKSTEP_OIDC_SCOPES: 'profile' }, 'LOCKSTEP_OIDC_SCOPES', /such as "openid profile"/],
      [{ ...oidc, LOCKSTEP_OIDC_ROLES_CLAIM: 'roles' }, 'LOCKSTEP_OIDC_ROLES_CLAIM', /or none$/],
      [{ LOCKSTEP_FHIR_UPSTREAM: 'fhir' }, 'LOCKSTEP_FHIR_UPSTREAM', /such as https:/],
      [{ LOCKSTEP_FHIR_UPSTREAM_TOKEN: 't' }, 'LOCKSTEP_FHIR_UPSTREAM', /is missing/],
      [{ ...upstream, LOCKSTEP_FHIR_UPSTREAM_CERT: 'c' }, 'LOCKSTEP_FHIR_UPSTREAM_CERT', /or none$/],
      [{ LOCKSTEP_MANAGEMENT_PORT: '8080' }, 'LOCKSTEP_MANAGEMENT_PORT', /another port than PORT/],
      [{ LOCKSTEP_MANAGEMENT_HOST: '0.0.0.0' }, 'LOCKSTEP_MANAGEMENT_PORT', /is missing/],
      [{ LOCKSTEP_TLS_CERT: 'c' }, 'LOCKSTEP_TLS_CERT', /name both files/],
      [{ LOCKSTEP_REDIS_URL_FILE: '/no/file' }, 'LOCKSTEP_REDIS_URL_FILE', /name one that can/],
      [{ LOCKSTEP_CONFIG: '/no/file' }, 'LOCKSTEP_CONFIG', /name one that can/],
      [{ LOCKSTEP_PROFIL: 'ira' }, 'LOCKSTEP_PROFIL', /did you mean LOCKSTEP_PROFILE/],
    ];
    for (const [env, setting, instead] of wrong) {
      const [found = '', ...more] = problems(env);
      assert.deepEqual(more, [], JSON.stringify(env));
      assert.ok(found.startsWith(`${setting} `) || found.startsWith(`${setting}:`), found);
      assert.match(found, instead);
      assert.throws(
        () => readConfig(env),
        (error: Error) => !error.message.includes('\n'),
        'one line',
      );
    }
  });

  it('has no lease beyond the longest', () => {
    const found = problems({ LOCKSTEP_LEASE_SECONDS: '100', LOCKSTEP_MAX_LEASE_SECONDS: '99' });
    assert.match(found[0] ?? '', /LOCKSTEP_LEASE_SECONDS must not be more than LOCKSTEP_MAX_LEASE_SECONDS/);
  });

  it('REG-4 names an outside provider by issuer and client; what does not go together is said', () => {
    const issuer = { LOCKSTEP_OIDC_ISSUER: 'https://login.example/realms/city' };
    const client = { ...issuer, LOCKSTEP_OIDC_CLIENT_ID: 'lockstep' };
    assert.equal(readConfig(client).oidcIssuer, 'https://login.example/realms/city');
    assert.ok(readConfig({ ...client, LOCKSTEP_OIDC_ISSUER: 'http://localhost:9000' }));
    assert.equal(readConfig({ ...client, LOCKSTEP_OIDC_MODE: 'only' }).oidcMode, 'only');
    const wrong = ['', 'login.example', 'http://login.example', 'https://x/?a=b', 'https://x/#a', 'https://a@x/'];
    for (const value of wrong) {
      assert.match(problems({ ...client, LOCKSTEP_OIDC_ISSUER: value })[0] ?? '', /^LOCKSTEP_OIDC_ISSUER must /, value);
    }
    const cases: [NodeJS.ProcessEnv, RegExp][] = [
      [issuer, /^LOCKSTEP_OIDC_CLIENT_ID is missing/],
      [{ LOCKSTEP_OIDC_CLIENT_ID: 'lockstep' }, /^LOCKSTEP_OIDC_ISSUER is missing/],
      [{ LOCKSTEP_OIDC_MODE: 'only' }, /^LOCKSTEP_OIDC_ISSUER is missing/],
      [{ ...client, LOCKSTEP_OIDC_CLIENT_SECRET: 's', LOCKSTEP_OIDC_CLIENT_KEY: 'k' }, /exclude each other/],
      [{ ...client, LOCKSTEP_OIDC_ROLES_CLAIM: 'roles' }, /belong together/],
      [{ ...client, LOCKSTEP_OIDC_ADMINISTRATOR_ROLE: 'admin' }, /belong together/],
      [{ ...client, LOCKSTEP_OIDC_MODE: 'off' }, /^LOCKSTEP_OIDC_MODE must be one of/],
    ];
    for (const [env, words] of cases) assert.match(problems(env).join(), words, JSON.stringify(env));
  });

  it('REG-4 reads the client key from its file', () => {
    const read = (path: string) => {
      const env = { LOCKSTEP_OIDC_ISSUER: 'https://login.example', LOCKSTEP_OIDC_CLIENT_ID: 'lockstep' };
      return outsideOptions(readConfig({ ...env, LOCKSTEP_OIDC_CLIENT_KEY: path }));
    };
    const key = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'd', alg: 'ES256' };
    const options = read(file(key));
    assert.deepEqual(options?.clientKey, key);
    assert.equal(options?.name, 'login.example');
    const { d: _, ...publicKey } = key;
    for (const content of ['{', publicKey, { ...key, alg: undefined }, { kty: 'oct', d: 'd', alg: 'HS256' }]) {
      assert.throws(() => read(file(content)), { name: 'ConfigError', message: /LOCKSTEP_OIDC_CLIENT_KEY: the file/ });
    }
    assert.throws(() => read(join(folder, 'none')), ConfigError);
  });

  it('REG-2 has samples on loopback only, unless the setting says otherwise', () => {
    assert.equal(readConfig({ LOCKSTEP_HOST: '0.0.0.0' }).sampleData, false);
    assert.equal(readConfig({ LOCKSTEP_HOST: '0.0.0.0', LOCKSTEP_SAMPLE_DATA: 'on' }).sampleData, true);
    for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '::1']) assert.ok(isLoopback(host), host);
    for (const host of ['0.0.0.0', '::', '127.example.com', '10.0.0.1', '128.0.0.1', 'localhost.example'])
      assert.ok(!isLoopback(host), host);
  });

  it('the public URL may have a path, whose slash at the end makes no difference', () => {
    for (const [given, taken] of [
      ['https://x.example', 'https://x.example'],
      ['https://x.example/', 'https://x.example'],
      ['https://x.example/lockstep', 'https://x.example/lockstep'],
      ['https://x.example:8443/tools/lock-step/', 'https://x.example:8443/tools/lock-step'],
    ] as const) {
      assert.equal(readConfig({ LOCKSTEP_PUBLIC_URL: given }).publicUrl, taken);
    }
  });

  it('REG-2 is no development server behind a proxy, though it listens on loopback', () => {
    const behind = (url: string) => readConfig({ LOCKSTEP_PUBLIC_URL: url });
    for (const url of ['http://localhost:9000', 'http://127.0.0.1:9000', 'http://[::1]:9000']) {
      assert.ok(isLocal(behind(url)), url);
      assert.ok(behind(url).sampleData, url);
    }
    for (const url of ['https://lockstep.example', 'http://10.0.0.1', 'https://127.example.com']) {
      assert.ok(!isLocal(behind(url)), url);
      assert.ok(!behind(url).sampleData, url);
    }
    assert.ok(!isLocal(readConfig({ LOCKSTEP_HOST: '0.0.0.0', LOCKSTEP_PUBLIC_URL: 'http://localhost:9000' })));
  });
});
