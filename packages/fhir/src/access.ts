import {
  type FhirScope,
  type Interaction,
  keyText,
  parseReference,
  type ResourceKey,
  type Scopes,
  textOf,
} from '@lockstep/fhircast';
import { containsOthers, patientOf, sharedReferences } from './compartment.ts';
import { type Criterion, matchesAll, parseCriterion } from './criteria.ts';
import { definitionOf, RESOURCE_TYPES, type TypeDefinition } from './definitions.ts';
import { FhirRefusal } from './refusal.ts';
import type { ResourceRepository } from './repository.ts';
import type { JsonObject } from './resource.ts';

/** What a bearer token stands for. */
export interface TokenInfo {
  readonly tokenId: string;
  readonly clientId: string;
  readonly scopes: Scopes;
  /** ms since the epoch */
  readonly expiresAt: number;
  /** `Practitioner/123`; absent for backend services. */
  readonly user?: string;
  /** The launch context's patient id. */
  readonly patient?: string;
}

/** One reason why resources of a type may be reached. A resource must meet all its conditions; without any, all do. */
interface Grant {
  /** Only this patient's compartment, and the shared resources it refers to. */
  readonly patient?: string;
  /** Only the resource with this id. */
  readonly id?: string;
  /** Granular restrictions of the scope. */
  readonly criteria: readonly Criterion[];
}

const EVERYTHING: readonly Grant[] = [{ criteria: [] }];

/**
 * What one caller may do with which resources (FHR-2). Ask `require` first: it refuses interactions that no scope covers;
 * then `allows` for each resource that would be read, written or returned.
 */
export class ResourceAccess {
  readonly #token: TokenInfo | 'trusted';
  readonly #repository: ResourceRepository;
  readonly #baseUrl: string;
  readonly #grants = new Map<string, readonly Grant[]>();
  readonly #links = new Map<string, Promise<boolean>>();

  /** @param token `trusted` for callers inside the server, who may do everything */
  constructor(token: TokenInfo | 'trusted', repository: ResourceRepository, baseUrl: string) {
    this.#token = token;
    this.#repository = repository;
    this.#baseUrl = baseUrl;
  }

  /** Whose access this is: the token's id. */
  get caller(): string {
    return this.#token === 'trusted' ? '' : this.#token.tokenId;
  }

  /** Whether any resource of the type could be reached. */
  may(interaction: Interaction, type: string): boolean {
    return this.#for(interaction, type).length > 0;
  }

  /** @throws Refusal 403 when no resource of the type could be reached */
  require(interaction: Interaction, type: string): void {
    if (!this.may(interaction, type)) throw forbidden(interaction, type);
  }

  /** Whether the interaction is allowed with this very resource. */
  async allows(interaction: Interaction, resource: JsonObject): Promise<boolean> {
    for (const grant of this.#for(interaction, textOf(resource.resourceType))) {
      if (await this.#covers(grant, interaction, resource)) return true;
    }
    return false;
  }

  /** @throws Refusal 403 unless the interaction is allowed with this resource */
  async requireFor(interaction: Interaction, resource: JsonObject): Promise<void> {
    if (!(await this.allows(interaction, resource))) throw forbidden(interaction, textOf(resource.resourceType));
  }

  /**
   * Refuses to store a resource that would open its writer a way to shared resources: what a patient's resources refer to
   * can be read with that patient's scopes.
   * @throws Refusal 403
   */
  async requireReferences(resource: JsonObject): Promise<void> {
    const patient = patientOf(resource, this.#baseUrl);
    if (this.#token === 'trusted' || patient === undefined) return;
    for (const key of sharedReferences(resource, this.#baseUrl)) {
      const grants = [...this.#for('r', key.type), ...this.#for('s', key.type)];
      const known =
        this.#token.user === keyText(key) || grants.some((grant) => grant.patient === undefined && !grant.id);
      if (known || !grants.some((grant) => grant.patient === patient)) continue;
      if (!(await this.#isLinked(patient, key))) {
        throw new FhirRefusal(403, 'forbidden', `The token does not allow referring to this ${key.type}.`);
      }
    }
  }

  /** Whether every resource of the type may be reached. */
  isWhole(interaction: Interaction, type: string): boolean {
    return this.#for(interaction, type).some(
      ({ patient, id, criteria }) => patient === undefined && id === undefined && criteria.length === 0,
    );
  }

  /** The only patient whose resources of the type the caller can reach; undefined when there may be others. */
  onlyPatient(interaction: Interaction, type: string): string | undefined {
    if (definitionOf(type)?.shared) return undefined;
    const patients = new Set(this.#for(interaction, type).map((grant) => grant.patient));
    return patients.size === 1 ? [...patients][0] : undefined;
  }

  #for(interaction: Interaction, type: string): readonly Grant[] {
    if (this.#token === 'trusted') return EVERYTHING;
    const key = interaction + type;
    let grants = this.#grants.get(key);
    if (!grants) {
      grants = grantsOf(this.#token, interaction, type, this.#baseUrl);
      this.#grants.set(key, grants);
    }
    return grants;
  }

  async #covers(grant: Grant, interaction: Interaction, resource: JsonObject): Promise<boolean> {
    if (grant.id !== undefined && grant.id !== resource.id) return false;
    if (grant.criteria.length > 0 && !matchesAll(resource, grant.criteria, this.#baseUrl)) return false;
    if (grant.patient === undefined) return true;
    if (containsOthers(resource, grant.patient, this.#baseUrl)) return false;
    const type = textOf(resource.resourceType);
    if (!definitionOf(type)?.shared) return patientOf(resource, this.#baseUrl) === grant.patient;
    // What belongs to no patient can be seen through a patient's resources, not changed.
    const reading = interaction === 'r' || interaction === 's';
    return reading && this.#isLinked(grant.patient, { type, id: textOf(resource.id) });
  }

  #isLinked(patient: string, key: ResourceKey): Promise<boolean> {
    const text = `${patient}|${keyText(key)}`;
    let linked = this.#links.get(text);
    if (!linked) {
      linked = this.#repository.isLinked(patient, key);
      this.#links.set(text, linked);
    }
    return linked;
  }
}

export function forbidden(interaction: Interaction, type: string): FhirRefusal {
  const verb = { c: 'creating', r: 'reading', u: 'updating', d: 'deleting', s: 'searching' }[interaction];
  return new FhirRefusal(403, 'forbidden', `The token's scopes do not allow ${verb} this ${type}.`, {
    'www-authenticate': 'Bearer error="insufficient_scope"',
  });
}

function grantsOf(token: TokenInfo, interaction: Interaction, type: string, baseUrl: string): Grant[] {
  const definition = definitionOf(type);
  if (!definition) return [];
  const grants: Grant[] = [];
  for (const scope of token.scopes.fhir(interaction, type)) {
    const patient = patientLimit(scope, token);
    const criteria = criteriaOf(scope, definition, baseUrl);
    if (patient === 'nobody' || !criteria) continue;
    grants.push(patient === 'everybody' ? { criteria } : { patient: patient.id, criteria });
  }
  // TOK-7: the user behind `fhirUser` can be read with the scopes that name it.
  if (interaction === 'r' && token.user !== undefined && token.scopes.has('openid') && token.scopes.has('fhirUser')) {
    const user = parseReference(token.user);
    if (user?.type === type) grants.push({ id: user.id, criteria: [] });
  }
  return grants;
}

/** Of which types an endpoint has resources, and whether they are patients' or those that patients' resources refer to. */
export interface ServedTypes {
  readonly types: readonly string[];
  readonly belongsTo: (type: string) => 'patient' | 'shared' | 'nobody';
}

const SERVED: ServedTypes = {
  types: RESOURCE_TYPES,
  belongsTo: (type) => (definitionOf(type)?.shared ? 'shared' : 'patient'),
};

/**
 * Whether a scope could ever let anybody in, at one type at least (FHR-1): one for a type that is not here, with conditions that
 * cannot be checked, or for what no patient's scope allows, never does.
 * @param baseUrl of the endpoint, which references may be relative to
 */
export function canEverOpen(scope: FhirScope, baseUrl: string, { types, belongsTo }: ServedTypes = SERVED): boolean {
  const named = types.filter((type) => scope.type === '*' || scope.type === type);
  return named.some((type) => {
    const definition = definitionOf(type);
    const canBeChecked =
      scope.params.length === 0 || (definition && criteriaOf(scope, definition, baseUrl) !== undefined);
    const owner = belongsTo(type);
    return canBeChecked && scope.interactions.some((interaction) => mayEver(scope.context, interaction, type, owner));
  });
}

function mayEver(
  context: FhirScope['context'],
  interaction: Interaction,
  type: string,
  owner: ReturnType<ServedTypes['belongsTo']>,
): boolean {
  if (context !== 'patient') return true;
  // A patient's scopes end at that patient: there is no second one to create.
  if (type === 'Patient') return interaction !== 'c';
  return owner === 'patient' || (owner === 'shared' && (interaction === 'r' || interaction === 's'));
}

/** Whose resources the scope's context reaches. */
export function patientLimit(scope: FhirScope, token: TokenInfo): 'everybody' | 'nobody' | { readonly id: string } {
  switch (scope.context) {
    case 'system':
      return 'everybody';
    case 'patient':
      return token.patient === undefined ? 'nobody' : { id: token.patient };
    case 'user': {
      const user = token.user === undefined ? undefined : parseReference(token.user);
      if (user?.type === 'Practitioner' || user?.type === 'PractitionerRole') return 'everybody';
      return user?.type === 'Patient' ? { id: user.id } : 'nobody';
    }
  }
}

/** @returns undefined when this type cannot be searched so: the scope then grants nothing of it */
export function criteriaOf(scope: FhirScope, definition: TypeDefinition, baseUrl: string): Criterion[] | undefined {
  const criteria: Criterion[] = [];
  for (const [name, value] of scope.params) {
    try {
      const criterion = parseCriterion(definition, name, value, baseUrl);
      if (!criterion) return undefined;
      criteria.push(criterion);
    } catch (error) {
      if (error instanceof FhirRefusal) return undefined;
      throw error;
    }
  }
  return criteria;
}
