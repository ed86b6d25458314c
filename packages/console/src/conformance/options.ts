/** What an administrator enters to start a run, and what is sent for it. */
import type { ConformanceSpec } from '../api.ts';
import { t } from '../language/language.ts';
import type { FormProblems } from '../ui/form.tsx';

export type AccessWay = 'open' | 'token' | 'client' | 'register';
/** Which checks of a specification are run. */
export type CheckChoice = 'all' | 'safety' | 'basics';
export type SessionChoice = 'any' | 'given' | 'made';

export interface RunFields {
  readonly kind: 'own' | 'other' | 'subscriber';
  readonly spec: ConformanceSpec;
  readonly checks: CheckChoice;
  readonly insecure: boolean;
  /** Factor on every waiting time, as it is typed. */
  readonly slowness: string;
  readonly url: string;
  readonly access: AccessWay;
  readonly token: string;
  readonly clientId: string;
  readonly secret: string;
  readonly smart: string;
  readonly tokenUrl: string;
  readonly sessions: SessionChoice;
  readonly topics: string;
  readonly user: string;
  readonly callbackHost: string;
  readonly callbackUrl: string;
  /** The application's. */
  readonly name: string;
  readonly host: string;
  readonly publicUrl: string;
}

export const SPEC_WORDS: Readonly<Record<ConformanceSpec, string>> = {
  '3.0.0': 'FHIRcast 3.0.0',
  STU2: 'FHIRcast STU2',
  IRA: 'IHE IRA',
};

export const CHECKS = ['all', 'safety', 'basics'] as const satisfies readonly CheckChoice[];

export function initialFields(specs: readonly ConformanceSpec[]): RunFields {
  return {
    kind: 'own',
    spec: specs[0] ?? '3.0.0',
    checks: 'all',
    insecure: false,
    slowness: '1',
    url: '',
    access: 'token',
    token: '',
    clientId: '',
    secret: '',
    smart: '',
    tokenUrl: '',
    sessions: 'given',
    topics: '',
    user: '',
    callbackHost: '',
    callbackUrl: '',
    name: '',
    host: '',
    publicUrl: '',
  };
}

export const PRESETS = ['quick', 'safety', 'release', 'ira', 'other'] as const;
/** A run that is set up by one choice. */
export type RunPreset = (typeof PRESETS)[number];

/** What a preset fills in; everything else stays as it was entered. @param own specifications of this server's Hub */
export function presetFields(preset: RunPreset, own: readonly ConformanceSpec[]): Partial<RunFields> {
  const [first = '3.0.0'] = own;
  switch (preset) {
    case 'quick':
      return { kind: 'own', spec: first, checks: 'basics', slowness: '1', insecure: false };
    case 'safety':
      return { kind: 'own', spec: first, checks: 'safety', slowness: '1', insecure: false };
    case 'release':
      return { kind: 'own', spec: first, checks: 'all', slowness: '2', insecure: false };
    case 'ira':
      return { kind: 'other', spec: 'IRA', checks: 'all', slowness: '1' };
    case 'other':
      return { kind: 'other', spec: '3.0.0', checks: 'basics', slowness: '2' };
  }
}

/** The specifications that there are for what is tested. */
export function specsFor(kind: RunFields['kind'], own: readonly ConformanceSpec[]): readonly ConformanceSpec[] {
  if (kind === 'subscriber') return ['3.0.0', 'IRA'];
  return kind === 'own' && own.length > 0 ? own : ['3.0.0', 'STU2', 'IRA'];
}

const address = (text: string): string | undefined =>
  /^https?:\/\//.test(text.trim()) && URL.canParse(text.trim()) ? undefined : t('conformance.notAWholeAddressHttpOr');
const filled = (text: string, problem: string): string | undefined => (text.trim() === '' ? problem : undefined);

export function problemsOf(fields: RunFields): FormProblems<RunFields> {
  const { kind, access, sessions } = fields;
  const factor = Number(fields.slowness);
  const found: { -readonly [K in keyof RunFields]?: string | undefined } = {
    slowness: factor >= 1 && factor <= 20 ? undefined : t('conformance.aNumberFrom1To20'),
  };
  if (kind === 'subscriber') {
    found.name = filled(fields.name, t('conformance.giveTheApplicationANameFor'));
    if (fields.publicUrl.trim() !== '') found.publicUrl = address(fields.publicUrl);
  }
  if (kind !== 'subscriber' && fields.callbackUrl.trim() !== '') found.callbackUrl = address(fields.callbackUrl);
  if (kind === 'other') {
    found.url = address(fields.url);
    if (access === 'token') found.token = filled(fields.token, t('conformance.enterTheAccessToken'));
    if (access === 'client') {
      found.clientId = filled(fields.clientId, t('conformance.enterTheClientId'));
      found.secret = filled(fields.secret, t('conformance.enterTheSecret'));
      if (fields.tokenUrl.trim() === '') found.smart = address(fields.smart);
      else found.tokenUrl = address(fields.tokenUrl);
    }
    if (access === 'register') found.smart = address(fields.smart);
    if (sessions === 'given') found.topics = filled(fields.topics, t('conformance.enterAtLeastOneHubTopic'));
  }
  return Object.fromEntries(
    Object.entries(found).filter(([, problem]) => problem !== undefined),
  ) as FormProblems<RunFields>;
}

/** The field that a refusal of the server's is about: it begins with its name. */
export function fieldOf(message: string): keyof RunFields | undefined {
  const name = /^(\w+):/.exec(message)?.[1];
  return name !== undefined && name in initialFields([]) ? (name as keyof RunFields) : undefined;
}

export function toBody(fields: RunFields): Record<string, unknown> {
  const { kind, spec, insecure, callbackHost, callbackUrl } = fields;
  const slowness = Number(fields.slowness);
  if (kind === 'subscriber') {
    const { name, host, publicUrl } = fields;
    return { kind, spec, slowness, name, host, publicUrl };
  }
  const checks = fields.checks === 'all' ? {} : { checks: fields.checks };
  const common = { kind: 'hub', hub: kind, spec, slowness, insecure, callbackHost, callbackUrl, ...checks };
  if (kind === 'own') return common;
  const { url, access, token, clientId, secret, smart, tokenUrl, sessions, topics, user } = fields;
  const credentials = {
    open: {},
    token: { token },
    client: { clientId, secret, smart, tokenUrl },
    register: { smart },
  };
  const made = { any: {}, given: { topics }, made: { user } };
  return { ...common, url, access, ...credentials[access], sessions, ...made[sessions] };
}
