import { FhirRefusal, type Json, type JsonObject, type SmartAddresses } from '@lockstep/fhir';
import { hubExtensions, isObject, smartSecurity, valuesAt } from '@lockstep/fhir/parts';
import { textOf } from '@lockstep/fhircast';
import { notFhir, readAnswer, type Upstream } from './upstream.ts';

/** ms after which what the server can do is asked for again. */
const FRESH_MS = 10 * 60_000;
/** Interactions that Lockstep passes on, where the server has them. */
const PASSED = new Set(['read', 'vread', 'update', 'patch', 'delete', 'history-instance', 'create', 'search-type']);
/** Search parameters about the answer's form or order, which every type may have. */
const CONTROLS = new Set(['_count', '_sort', '_include', '_revinclude', '_total', '_elements', '_summary']);

/** What the server can do with one type. */
export interface TypeAbilities {
  readonly interactions: ReadonlySet<string>;
  readonly searchParameters: ReadonlySet<string>;
  readonly everything: boolean;
  /** The writes by a condition that it knows: creations (If-None-Exist), updates and deletions by a search. */
  readonly conditional: ReadonlySet<'create' | 'update' | 'delete'>;
}

/** The server's CapabilityStatement, as it was read at a time. */
interface Known {
  readonly statement: JsonObject;
  readonly types: ReadonlyMap<string, TypeAbilities>;
  readonly transactions: boolean;
  /** ms since the epoch */
  readonly at: number;
}

/** What the server behind Lockstep can do, by its CapabilityStatement: asked for when first needed, and again every ten minutes. */
export class Capabilities {
  readonly #upstream: Upstream;
  readonly #now: () => number;
  #known: Known | undefined;
  #asking: Promise<Known> | undefined;

  constructor(upstream: Upstream, now: () => number) {
    this.#upstream = upstream;
    this.#now = now;
  }

  /**
   * What the server can do with the type; at once where that is known.
   * @throws Refusal 404 for a type that the server has not, 405 for what it cannot do with it
   */
  require(type: string, interaction: string): TypeAbilities | Promise<TypeAbilities> {
    const known = this.#current();
    return known instanceof Promise
      ? known.then(({ types }) => abilitiesFor(types, type, interaction))
      : abilitiesFor(known.types, type, interaction);
  }

  /** Whether the server can search the type by the parameter. */
  async hasParameter(type: string, name: string): Promise<boolean> {
    const { types } = await this.#current();
    return CONTROLS.has(name) || types.get(type)?.searchParameters.has(name) === true;
  }

  /** Whether the server carries out transactions. */
  async hasTransactions(): Promise<boolean> {
    return (await this.#current()).transactions;
  }

  /** What Lockstep can do in front of the server, and where to get tokens. */
  async statement(options: {
    readonly baseUrl: string;
    readonly hubUrl: string;
    readonly version: string;
    readonly smart: SmartAddresses;
  }): Promise<JsonObject> {
    const { statement, types, transactions } = await this.#current();
    const { baseUrl, hubUrl, version, smart } = options;
    const ofAll = serversOf(statement).flatMap((one) => valuesAt(one, 'searchParam'));
    const resource = restOf(statement).flatMap((one) => {
      const type = textOf(one.type);
      if (!types.has(type)) return [];
      const interaction = valuesAt(one, 'interaction').filter(
        (each) => isObject(each) && PASSED.has(textOf(each.code)),
      );
      const operation = valuesAt(one, 'operation').filter((each) => isObject(each) && isEverything(each.name));
      const { profile, supportedProfile, versioning, readHistory, updateCreate, conditionalRead } = one;
      const { searchInclude, searchRevInclude, searchParam } = one;
      const { conditionalCreate, conditionalUpdate, conditionalDelete } = one;
      const kept = { profile, supportedProfile, versioning, readHistory, updateCreate, conditionalRead };
      return [
        withoutGaps({
          type,
          ...kept,
          interaction,
          conditionalCreate,
          conditionalUpdate,
          conditionalDelete,
          searchInclude,
          searchRevInclude,
          searchParam,
          ...(type === 'Patient' && operation.length > 0 && { operation }),
        }),
      ];
    });
    return {
      resourceType: 'CapabilityStatement',
      status: 'active',
      date: typeof statement.date === 'string' ? statement.date : new Date(this.#now()).toISOString(),
      kind: 'instance',
      software: { name: 'Lockstep', version },
      implementation: { description: 'Lockstep in front of a FHIR server', url: baseUrl },
      fhirVersion: statement.fhirVersion!,
      format: ['json', 'application/fhir+json'],
      implementationGuide: ['http://fhircast.hl7.org/ImplementationGuide/hl7.fhir.uv.fhircast|3.0.0'],
      rest: [
        {
          mode: 'server',
          extension: hubExtensions(hubUrl),
          security: smartSecurity(smart),
          resource,
          ...(ofAll.length > 0 && { searchParam: ofAll }),
          interaction: [{ code: 'batch' }, ...(transactions ? [{ code: 'transaction' }] : [])],
        },
      ],
    };
  }

  #current(): Known | Promise<Known> {
    if (this.#known && this.#known.at + FRESH_MS >= this.#now()) return this.#known;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    if (!this.#known) return this.#asking;
    // What was known stays good while the server cannot be asked.
    this.#asking.catch(() => undefined);
    return this.#known;
  }

  async #ask(): Promise<Known> {
    const { status, text } = await this.#upstream.request({ method: 'GET', path: '/metadata' });
    const read = status === 200 ? (readAnswer(text).value as Json) : null;
    if (!isObject(read)) throw notFhir();
    if (read.resourceType !== 'CapabilityStatement') throw notFhir();
    if (!/^4\.0/.test(textOf(read.fhirVersion)))
      throw new FhirRefusal(502, 'exception', 'The FHIR server is not of FHIR R4.');
    const ofAll = serversOf(read).flatMap((one) => valuesAt(one, 'searchParam.name').map(textOf));
    const types = new Map(restOf(read).map((one) => [textOf(one.type), abilitiesOf(one, ofAll)]));
    const transactions = serversOf(read).some((one) => valuesAt(one, 'interaction.code').includes('transaction'));
    this.#known = { statement: read, types, transactions, at: this.#now() };
    return this.#known;
  }
}

/** @throws Refusal 404, 405 */
function abilitiesFor(types: Known['types'], type: string, interaction: string): TypeAbilities {
  const abilities = types.get(type);
  if (!abilities) throw new FhirRefusal(404, 'not-supported', `The FHIR server has no ${type}.`);
  if (!abilities.interactions.has(interaction)) {
    throw new FhirRefusal(405, 'not-supported', `The FHIR server has no ${interaction} of ${type}.`);
  }
  return abilities;
}

function serversOf(statement: JsonObject): JsonObject[] {
  return valuesAt(statement, 'rest')
    .filter((one) => isObject(one))
    .filter(({ mode }) => mode === 'server');
}

function restOf(statement: JsonObject): JsonObject[] {
  return serversOf(statement)
    .flatMap((one) => valuesAt(one, 'resource'))
    .filter((one) => isObject(one));
}

/** @param ofAll names of the search parameters that all types have */
function abilitiesOf(resource: JsonObject, ofAll: readonly string[]): TypeAbilities {
  return {
    interactions: new Set(
      valuesAt(resource, 'interaction.code')
        .map(textOf)
        .filter((code) => PASSED.has(code)),
    ),
    searchParameters: new Set(['_id', '_lastUpdated', ...ofAll, ...valuesAt(resource, 'searchParam.name').map(textOf)]),
    everything: valuesAt(resource, 'operation.name').some(isEverything),
    conditional: new Set([
      ...(resource.conditionalCreate === true ? (['create'] as const) : []),
      ...(resource.conditionalUpdate === true ? (['update'] as const) : []),
      ...(resource.conditionalDelete === 'single' || resource.conditionalDelete === 'multiple'
        ? (['delete'] as const)
        : []),
    ]),
  };
}

function isEverything(name: unknown): boolean {
  return name === 'everything' || name === 'patient-everything';
}

function withoutGaps(object: Readonly<Record<string, unknown>>): JsonObject {
  const filled = Object.entries(object).filter(
    ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(filled) as JsonObject;
}
