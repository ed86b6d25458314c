/** What the options of `conformance hub` ask for. */
import { readFileSync } from 'node:fs';
import type { ConformanceOptions } from '../engine.ts';
import { isObject, parseJson } from '../json.ts';
import { type RestartHub, restartBy } from '../restart.ts';
import { type Claim, type HubVersion, type Level, VERSIONS } from '../specification.ts';
import { ASSUMABLE, type Assumable } from '../steps.ts';
import { UNCLAIMED } from '../target/claims.ts';
import type { Authorization } from '../target/tokens.ts';
import type { TopicSource } from '../target/topics.ts';
import { given, listOf, number, type SuiteValues, UsageError } from './arguments.ts';
import type { SuiteTerminal } from './terminal.ts';

function authorizationOf(values: SuiteValues, env: NodeJS.ProcessEnv): Authorization | undefined {
  const { scope, smart } = values;
  if (values.register !== undefined) {
    return {
      kind: 'register',
      smart: values.register,
      ...given({ scope, initialAccessToken: env.FHIRCAST_INITIAL_ACCESS_TOKEN }),
    };
  }
  const clientId = values['client-id'];
  if (clientId !== undefined) {
    const secret = values['client-secret'] ?? env.FHIRCAST_CLIENT_SECRET;
    const keyFile = values['client-key'];
    const key = keyFile === undefined ? undefined : keyOf(keyFile);
    if (secret === undefined && key === undefined)
      throw new UsageError('--client-id needs --client-secret or --client-key');
    if (values['token-url'] === undefined && smart === undefined) {
      throw new UsageError('--client-id needs --token-url or --smart');
    }
    const otherId = values['other-client-id'];
    const otherSecret = values['other-client-secret'] ?? env.FHIRCAST_OTHER_CLIENT_SECRET;
    if (otherId !== undefined && otherSecret === undefined) {
      throw new UsageError('--other-client-id needs --other-client-secret');
    }
    const other = otherId === undefined ? undefined : { clientId: otherId, secret: otherSecret ?? '' };
    return { kind: 'client', clientId, ...given({ secret, key, smart, tokenUrl: values['token-url'], scope, other }) };
  }
  const token = values.token ?? env.FHIRCAST_TOKEN;
  if (token === undefined) return undefined;
  const limitedToken = values['limited-token'] ?? env.FHIRCAST_LIMITED_TOKEN;
  const otherToken = values['other-token'] ?? env.FHIRCAST_OTHER_TOKEN;
  return { kind: 'token', token, ...given({ limitedToken, otherToken, expiresIn: number(values, 'token-seconds') }) };
}

function keyOf(file: string) {
  const key = parseJson(readFileSync(file, 'utf8'));
  if (!isObject(key) || typeof key.kty !== 'string') throw new UsageError(`--client-key: ${file} holds no JWK`);
  return key;
}

function topicsOf(values: SuiteValues): TopicSource | undefined {
  if (values.topic) return { kind: 'given', topics: values.topic };
  if (values['topic-command'] !== undefined) return { kind: 'command', command: values['topic-command'] };
  if (values['session-user'] !== undefined) return { kind: 'session', user: values['session-user'] };
  return undefined;
}

/** How the Hub is restarted. */
function restartOf(hubUrl: string, values: SuiteValues, { ask }: Pick<SuiteTerminal, 'ask'>): RestartHub | undefined {
  if (values['restart-command'] !== undefined) return restartBy(values['restart-command'], hubUrl);
  if (!values['restart-by-hand']) return undefined;
  if (!ask) throw new UsageError('--restart-by-hand needs a person at a terminal');
  return async () => {
    if (!(await ask('Restart the Hub now, and say yes once it runs again.'))) throw new Error('nobody restarted it');
  };
}

/** Where the Hub reaches the suite's webhooks. */
export const callbackOf = (values: SuiteValues) =>
  given({
    host: values['callback-host'],
    port: number(values, 'callback-port'),
    publicUrl: values['callback-url'],
  });

export function hubOptions(hubUrl: string, values: SuiteValues, terminal: SuiteTerminal): ConformanceOptions {
  const total = number(values, 'total');
  return {
    hubUrl,
    ...given({
      versions: listOf<HubVersion>('spec', values.spec?.split(','), VERSIONS),
      claims: listOf<Claim>('claim', values.claim, Object.keys(UNCLAIMED) as Claim[]),
      authorization: authorizationOf(values, terminal.env),
      topics: topicsOf(values),
      rejectUnauthorized: values.insecure ? false : undefined,
      slowness: number(values, 'slow'),
      totalMs: total === undefined ? undefined : total * 1000,
      concurrency: number(values, 'concurrency'),
      only: values.only,
      except: values.except,
      chapters: values.chapter,
      levels: listOf<Level>('level', values.level?.split(','), ['SHALL', 'SHOULD', 'MAY']),
      safety: values.safety,
      assume: listOf<Assumable>('assume', values.assume, ASSUMABLE),
      exchanges: values.all ? ('all' as const) : undefined,
      restart: restartOf(hubUrl, values, terminal),
    }),
    callback: callbackOf(values),
  };
}
