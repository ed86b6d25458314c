import { eventDefinition } from './catalog.ts';
import { eventKey } from './names.ts';
import { isResourceType } from './resource-types.ts';

export type Interaction = 'c' | 'r' | 'u' | 'd' | 's';

/** `fhircast/{event|*}.{read|write|*}` (2.2), or the first drafts' bare `fhircast`, which is `fhircast/*.*` (TOK-3). */
export interface FhircastScope {
  readonly kind: 'fhircast';
  readonly text: string;
  /** An event name in the catalog's spelling, or `*`. */
  readonly event: string;
  readonly read: boolean;
  readonly write: boolean;
}

/** `patient|user|system/Type.cruds?param=value`, in the syntax of SMART v1 or v2 (FHR-1). */
export interface FhirScope {
  readonly kind: 'fhir';
  readonly text: string;
  readonly context: 'patient' | 'user' | 'system';
  /** A resource type, or `*`. */
  readonly type: string;
  readonly interactions: readonly Interaction[];
  /** Granular search parameters that every resource reached through this scope must match. */
  readonly params: readonly (readonly [name: string, value: string])[];
  readonly syntax: 'v1' | 'v2';
}

/** `hub/session.read|write`: list sessions (SES-3), create and end them (SES-2). */
export interface SessionScope {
  readonly kind: 'session';
  readonly text: string;
  readonly read: boolean;
  readonly write: boolean;
}

/** `launch`, `launch/patient`, `launch/encounter`; `need` is what the app asks for. */
export interface LaunchScope {
  readonly kind: 'launch';
  readonly text: string;
  readonly need: 'launch' | 'patient' | 'encounter';
}

export interface IdentityScope {
  readonly kind: 'identity';
  readonly text: 'openid' | 'fhirUser' | 'profile';
}

export interface RefreshScope {
  readonly kind: 'refresh';
  readonly text: 'online_access' | 'offline_access';
}

export type Scope = FhircastScope | FhirScope | SessionScope | LaunchScope | IdentityScope | RefreshScope;

const FHIRCAST = /^fhircast\/([^/]+)\.(read|write|\*)$/i;
const FHIR = /^(patient|user|system)\/([A-Za-z]+|\*)\.(read|write|\*|c?r?u?d?s?)(?:\?(.+))?$/;
const V1: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' };

function parseFhircast(text: string): FhircastScope | undefined {
  if (text.toLowerCase() === 'fhircast') return { kind: 'fhircast', text, event: '*', read: true, write: true };
  const match = FHIRCAST.exec(text);
  if (!match) return undefined;
  const [, name = '', access = ''] = match;
  const event = name === '*' ? '*' : eventDefinition(name)?.name;
  if (!event) return undefined;
  const lower = access.toLowerCase();
  return { kind: 'fhircast', text, event, read: lower !== 'write', write: lower !== 'read' };
}

function parseFhir(text: string): FhirScope | undefined {
  const match = FHIR.exec(text);
  if (!match) return undefined;
  const [, context = '', type = '', access = '', query] = match;
  const v1 = V1[access];
  const letters = v1 ?? access;
  // v1 scopes know no parameters, and a parameter without a value would restrict nothing.
  if (letters === '' || (type !== '*' && !isResourceType(type)) || (v1 && query)) return undefined;
  const params = query ? [...new URLSearchParams(query)] : [];
  if (params.some(([name, value]) => !name || !value)) return undefined;
  return {
    kind: 'fhir',
    text,
    context: context as FhirScope['context'],
    type,
    interactions: [...letters] as Interaction[],
    params,
    syntax: v1 ? 'v1' : 'v2',
  };
}

/**
 * Parses one scope.
 * @returns undefined when Lockstep does not know the scope: such scopes are dropped, not fatal (FHR-1)
 */
export function parseScope(text: string): Scope | undefined {
  switch (text) {
    case 'openid':
    case 'fhirUser':
    case 'profile':
      return { kind: 'identity', text };
    case 'online_access':
    case 'offline_access':
      return { kind: 'refresh', text };
    case 'launch':
      return { kind: 'launch', text, need: 'launch' };
    case 'launch/patient':
      return { kind: 'launch', text, need: 'patient' };
    case 'launch/encounter':
      return { kind: 'launch', text, need: 'encounter' };
    case 'hub/session.read':
      return { kind: 'session', text, read: true, write: false };
    case 'hub/session.write':
      return { kind: 'session', text, read: false, write: true };
    case 'hub/session.*':
      return { kind: 'session', text, read: true, write: true };
    default:
      return text.toLowerCase().startsWith('fhircast') ? parseFhircast(text) : parseFhir(text);
  }
}

/**
 * What a token may do: its scopes, parsed once and asked often.
 */
export class Scopes {
  readonly list: readonly Scope[];
  readonly #reads = new Set<string>();
  readonly #writes = new Set<string>();

  /** @param text space-separated scopes; unknown ones and repeats are dropped */
  constructor(text: string) {
    const parsed = new Map<string, Scope>();
    for (const one of text.split(/\s+/)) {
      const scope = one ? parseScope(one) : undefined;
      if (scope) parsed.set(scope.text, scope);
    }
    this.list = [...parsed.values()];
    for (const scope of this.list) {
      if (scope.kind !== 'fhircast') continue;
      if (scope.read) this.#reads.add(eventKey(scope.event));
      if (scope.write) this.#writes.add(eventKey(scope.event));
    }
  }

  /** Whether events of this name may be received (SUB-4). */
  mayReceive(event: string): boolean {
    return this.#reads.has('*') || this.#reads.has(eventKey(event));
  }

  /** Whether events of this name may be published (PUB-2). */
  mayPublish(event: string): boolean {
    return this.#writes.has('*') || this.#writes.has(eventKey(event));
  }

  /** Whether sessions may be listed (`read`) or created and ended (`write`): SES-2, SES-3. */
  maySession(access: 'read' | 'write'): boolean {
    return this.list.some((scope) => scope.kind === 'session' && scope[access]);
  }

  /** Whether any FHIRcast scope is held: it brings `hub.url` and `hub.topic` (TOK-2). */
  get hasFhircast(): boolean {
    return this.#reads.size > 0 || this.#writes.size > 0;
  }

  /** Whether events of any name may be received: only then is a context sent (CON-6). */
  get readsFhircast(): boolean {
    return this.#reads.size > 0;
  }

  /** Whether the first drafts' bare `fhircast` is held: it brings `cast-hub` and `cast-session` (TOK-3). */
  get hasBareFhircast(): boolean {
    return this.list.some((scope) => scope.kind === 'fhircast' && scope.text.toLowerCase() === 'fhircast');
  }

  /** The FHIR scopes that allow an interaction on a resource type; the caller applies their context and parameters (FHR-2). */
  fhir(interaction: Interaction, type: string): readonly FhirScope[] {
    return this.list.filter(
      (scope): scope is FhirScope =>
        scope.kind === 'fhir' &&
        (scope.type === '*' || scope.type === type) &&
        scope.interactions.includes(interaction),
    );
  }

  /** Whether these scopes allow all that the other one does: what a registration approves (TOK-5). */
  covers(other: Scope): boolean {
    switch (other.kind) {
      case 'fhircast':
        return (!other.read || this.mayReceive(other.event)) && (!other.write || this.mayPublish(other.event));
      case 'session':
        return (!other.read || this.maySession('read')) && (!other.write || this.maySession('write'));
      case 'fhir':
        return other.interactions.every((interaction) =>
          this.fhir(interaction, other.type).some(
            (own) =>
              own.context === other.context &&
              own.params.every((wide) => other.params.some((narrow) => isNarrower(narrow, wide))),
          ),
        );
      default:
        return this.has(other.text);
    }
  }

  /** Whether a scope of exactly this text is held. */
  has(text: string): boolean {
    return this.list.some((scope) => scope.text === text);
  }

  toString(): string {
    return this.list.map((scope) => scope.text).join(' ');
  }
}

type Param = FhirScope['params'][number];

/** Whether a restriction lets no more through than another: the same one, or some of its alternatives. */
function isNarrower([name, value]: Param, [wideName, wideValue]: Param): boolean {
  if (name !== wideName) return false;
  if (value === wideValue) return true;
  // More alternatives of `:not` let less through; a backslash may stand before a comma that parts nothing.
  if (name.includes(':') || /\\/.test(value + wideValue)) return false;
  const alternatives = wideValue.split(',');
  return value.split(',').every((one) => alternatives.includes(one));
}
