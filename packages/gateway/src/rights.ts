import type { JsonObject, TokenInfo } from '@lockstep/fhir';
import {
  type Criterion,
  canEverOpen,
  containsOthers,
  criteriaOf,
  definitionOf,
  forbidden,
  matchesAll,
  patientLimit,
} from '@lockstep/fhir/parts';
import {
  type FhirScope,
  type Interaction,
  parseReference,
  R4_RESOURCE_TYPES,
  type Scopes,
  textOf,
} from '@lockstep/fhircast';
import { hasOwner, isShared, ownerElement, patientOf } from './compartment.ts';
import { NotedNames } from './page-scan.ts';

/**
 * What tokens' holders may do: worked out once for the scopes of a token, and again when they are used for another patient, user or
 * client.
 */
export function rightsOf(baseUrl: string): (token: TokenInfo) => Rights {
  const known = new WeakMap<Scopes, Rights>();
  return (token) => {
    const last = known.get(token.scopes);
    if (last?.isFor(token)) return last;
    const rights = new Rights(token, baseUrl);
    known.set(token.scopes, rights);
    return rights;
  };
}

/** Whether a scope could ever let anybody in at a server of R4's types (FHR-1). @param baseUrl of the endpoint */
export function canEverOpenBehind(scope: FhirScope, baseUrl: string): boolean {
  const belongsTo = (type: string) => (hasOwner(type) ? 'patient' : isShared(type) ? 'shared' : 'nobody');
  return canEverOpen(scope, baseUrl, { types: R4_RESOURCE_TYPES, belongsTo });
}

/** One reason why resources of a type may be reached. A resource must meet all its conditions; without any, all do. */
interface Grant {
  readonly patient?: string;
  /** The only patient whose resources it may contain: of types that belong to no patient, too. */
  readonly within?: string;
  readonly id?: string;
  readonly criteria: readonly Criterion[];
  readonly params: readonly (readonly [name: string, value: string])[];
}

/** What a search is narrowed by on its way out. */
export interface Restriction {
  readonly patient?: string;
  readonly params: readonly (readonly [name: string, value: string])[];
  /** Whether this says all of it: then what the server counts is what the caller may see, as far as the server is right. */
  readonly exact: boolean;
}

/** What is looked at in a resource: elements by name, and whether its id is. */
export interface Looks {
  readonly names: readonly string[];
  readonly atId: boolean;
}

/**
 * What one caller may do with the resources of the server behind Lockstep (FHR-2). A search is narrowed by `restriction` on its way
 * out; every resource of an answer must be allowed by `allows` on its way back.
 */
export class Rights {
  readonly #token: TokenInfo | 'trusted';
  readonly #baseUrl: string;
  readonly #grants = new Map<string, readonly Grant[]>();
  readonly #looksAt = new Map<string, Looks>();
  #noted = new NotedNames(['resourceType', 'id']);

  /** @param token `trusted` for callers inside the server, who may do everything */
  constructor(token: TokenInfo | 'trusted', baseUrl: string) {
    this.#token = token;
    this.#baseUrl = baseUrl;
  }

  /** Whether a token stands for the same rights. */
  isFor({ scopes, clientId, user, patient }: TokenInfo): boolean {
    const own = this.#token;
    if (own === 'trusted') return false;
    return own.scopes === scopes && own.clientId === clientId && own.user === user && own.patient === patient;
  }

  /** Whose rights these are, as one text: pages are bound to it. */
  get holder(): string {
    if (this.#token === 'trusted') return 'trusted';
    const { clientId, user = '', patient = '', scopes } = this.#token;
    return JSON.stringify([clientId, user, patient, scopes.list.map(({ text }) => text).sort()]);
  }

  /** The elements that were looked at so far, of resources of all types. */
  get noted(): NotedNames {
    return this.#noted;
  }

  may(interaction: Interaction, type: string): boolean {
    return this.#for(interaction, type).length > 0;
  }

  /** Whether every resource of the type may be reached. */
  isWhole(interaction: Interaction, type: string): boolean {
    return this.#for(interaction, type).some(
      ({ patient, id, criteria }) => patient === undefined && id === undefined && criteria.length === 0,
    );
  }

  /** @throws Refusal 403 when no resource of the type could be reached */
  require(interaction: Interaction, type: string): void {
    if (!this.may(interaction, type)) throw forbidden(interaction, type);
  }

  /** What `allows` looks at in a resource of the type, and what says whose it is; beside its type. */
  looksAt(interaction: Interaction, type: string): Looks {
    const key = interaction + type;
    let looks = this.#looksAt.get(key);
    if (!looks) {
      const grants = this.#for(interaction, type);
      const paths = grants.flatMap(({ criteria }) => criteria.flatMap((one) => one.parameter.paths));
      const contained = grants.some(({ within }) => within !== undefined) ? 'contained' : undefined;
      const elements = new Set([ownerElement(type), contained, ...paths.map((path) => path.split('.', 1)[0])]);
      const atId = type === 'Patient' || elements.has('id') || grants.some(({ id }) => id !== undefined);
      elements.delete('id');
      looks = { names: [...elements].filter((name) => name !== undefined), atId };
      this.#looksAt.set(key, looks);
      this.#noted = this.#noted.with(looks.names);
    }
    return looks;
  }

  /** @param resource the whole, or what `looksAt` names of it */
  allows(interaction: Interaction, resource: JsonObject): boolean {
    return this.#for(interaction, textOf(resource.resourceType)).some(
      ({ patient, within, id, criteria }) =>
        (id === undefined || id === resource.id) &&
        (patient === undefined || patientOf(resource, this.#baseUrl) === patient) &&
        (within === undefined || !containsOthers(resource, within, this.#baseUrl)) &&
        matchesAll(resource, criteria, this.#baseUrl),
    );
  }

  /** @throws Refusal 403 unless the interaction is allowed with this resource */
  requireFor(interaction: Interaction, resource: JsonObject): void {
    if (!this.allows(interaction, resource)) throw forbidden(interaction, textOf(resource.resourceType));
  }

  /** What narrows a search of the type; undefined where nothing does. */
  restriction(type: string): Restriction | undefined {
    if (this.isWhole('s', type)) return undefined;
    const grants = this.#for('s', type);
    const patients = new Set(grants.map(({ patient }) => patient));
    const [patient] = patients.size === 1 ? patients : [];
    const [only] = grants;
    return {
      ...(patient !== undefined && { patient }),
      params: grants.length === 1 && only ? only.params : [],
      exact: grants.length === 1,
    };
  }

  #for(interaction: Interaction, type: string): readonly Grant[] {
    const key = interaction + type;
    let grants = this.#grants.get(key);
    if (!grants) {
      grants =
        this.#token === 'trusted' ? [{ criteria: [], params: [] }] : this.#grantsOf(this.#token, interaction, type);
      this.#grants.set(key, grants);
    }
    return grants;
  }

  #grantsOf(token: TokenInfo, interaction: Interaction, type: string): Grant[] {
    const grants: Grant[] = [];
    for (const scope of token.scopes.fhir(interaction, type)) {
      const limit = patientLimit(scope, token);
      const criteria = this.#criteria(scope, type);
      if (limit === 'nobody' || !criteria) continue;
      const { params } = scope;
      if (limit === 'everybody') grants.push({ criteria, params });
      else if (hasOwner(type)) grants.push({ patient: limit.id, within: limit.id, criteria, params });
      else if (isShared(type) && (interaction === 'r' || interaction === 's'))
        grants.push({ within: limit.id, criteria, params });
    }
    // TOK-7: the user behind `fhirUser` can be read with the scopes that name it.
    if (interaction === 'r' && token.user !== undefined && token.scopes.has('openid') && token.scopes.has('fhirUser')) {
      const user = parseReference(token.user);
      if (user?.type === type) grants.push({ id: user.id, criteria: [], params: [] });
    }
    return grants;
  }

  /** @returns undefined where Lockstep cannot check the restriction itself: the scope then grants nothing of the type */
  #criteria(scope: FhirScope, type: string): readonly Criterion[] | undefined {
    if (scope.params.length === 0) return [];
    const definition = definitionOf(type);
    return definition && criteriaOf(scope, definition, this.#baseUrl);
  }
}
