import { FhirRefusal } from '@lockstep/fhir';
import { elementsIn, summaryOf } from '@lockstep/fhir/parts';
import type { R4Validator, TypeParts } from '@lockstep/r4';
import type { Capabilities } from './capabilities.ts';
import { ownerElement, patientSearches } from './compartment.ts';
import type { Rights } from './rights.ts';

const MAX_COUNT = 500;
const MAX_PARAMETERS = 60;
const MAX_VALUES = 300;
const MAX_NAME = 64;

/** Parameters that were dealt with before, or that only Lockstep reads. */
const OWN = new Set(['_format', '_pretty', '_page']);
/** Parameters that ask about more than the resources found: the answer does not say what it was found by. */
const OPEN_ENDED = new Set(['_filter', '_query', '_text', '_content', '_list', '_has']);

export interface OutgoingQuery {
  /** What the server is asked. */
  readonly query: URLSearchParams;
  /** What the client asked, for the self link. */
  readonly used: URLSearchParams;
  /** Names that were left out, where the client allowed that. */
  readonly ignored: readonly string[];
  /** Whether what the server counts is what the caller may see. */
  readonly counts: boolean;
}

/**
 * A search on its way to the server: what the server lacks is refused by name, and what the token's scopes narrow is added (FHR-2).
 * @throws Refusal 400, 403
 */
export async function outgoingQuery(
  type: string,
  params: URLSearchParams,
  lenient: boolean,
  rights: Rights,
  capabilities: Capabilities,
  validator: R4Validator,
): Promise<OutgoingQuery> {
  requireBounded(params);
  elementsIn(type, params.getAll('_elements'), validator);
  for (const value of params.getAll('_summary')) summaryOf(value);
  const restriction = rights.restriction(type);
  const query = new URLSearchParams();
  const used = new URLSearchParams();
  const ignored: string[] = [];
  for (const [name, value] of params) {
    if (OWN.has(name)) continue;
    if (!(await isKnown(type, name, value, capabilities))) {
      if (!lenient)
        throw new FhirRefusal(
          400,
          'not-supported',
          `The FHIR server cannot search ${type} by ${name.slice(0, MAX_NAME)}.`,
        );
      ignored.push(name.slice(0, MAX_NAME));
      continue;
    }
    requireOwn(type, name, rights);
    if (restriction && (name === '_elements' || name === '_summary') && value !== 'false' && value !== 'count') {
      throw new FhirRefusal(
        400,
        'not-supported',
        `${name} cannot be used with a token for some resources of ${type} only.`,
      );
    }
    if (name === '_summary' && value === 'count' && restriction && !restriction.exact) {
      throw new FhirRefusal(
        400,
        'not-supported',
        `The resources of ${type} that this token may see cannot be counted.`,
      );
    }
    used.append(name, value);
    query.append(name, name === '_count' ? countOf(value) : value);
  }
  const owner = ownerElement(type);
  if (owner !== undefined) askForOwner(query, owner, validator.parts(type));
  if (restriction) await narrow(query, type, restriction.patient, restriction.params, capabilities);
  return { query, used, ignored, counts: restriction?.exact ?? true };
}

/** What is shown must say whose it is, for the audit record: a summary that does not is asked for by its elements. */
function askForOwner(query: URLSearchParams, owner: string, { summary, mandatory }: TypeParts): void {
  const form = query.get('_summary');
  if (form === 'text' || (form === 'true' && !summary.has(owner))) {
    query.delete('_summary');
    query.append('_elements', [...new Set([...(form === 'text' ? ['text'] : summary), ...mandatory])].join(','));
  }
  if (query.has('_elements')) query.append('_elements', owner);
}

function requireBounded(params: URLSearchParams): void {
  let values = 0;
  for (const value of params.values()) values += value.split(',').length;
  if (params.size > MAX_PARAMETERS || values > MAX_VALUES) {
    const most = `At most ${MAX_PARAMETERS} search parameters with ${MAX_VALUES} values.`;
    throw new FhirRefusal(400, 'too-costly', most);
  }
}

function countOf(value: string): string {
  if (!/^\d{1,9}$/.test(value)) throw new FhirRefusal(400, 'value', '_count must be a whole number.');
  return String(Math.min(Number(value), MAX_COUNT));
}

/** Whether the server has every parameter that a name is made of, also those at the other ends of references. */
async function isKnown(type: string, name: string, value: string, capabilities: Capabilities): Promise<boolean> {
  if (name === '_include' || name === '_revinclude') return /^[A-Za-z]+:([A-Za-z0-9_-]+|\*)(:[A-Za-z]+)?$/.test(value);
  const [, source, reference, asked] = /^_has:([A-Za-z]+):([A-Za-z0-9_-]+):(.+)$/.exec(name) ?? [];
  if (source !== undefined && reference !== undefined && asked !== undefined) {
    return (await capabilities.hasParameter(source, reference)) && (await isKnown(source, asked, value, capabilities));
  }
  const [step = '', ...rest] = name.split('.');
  const [parameter = '', only] = step.split(':');
  if (!(await capabilities.hasParameter(type, parameter))) return false;
  if (rest.length === 0) return true;
  const target = only ?? (parameter === 'patient' ? 'Patient' : undefined);
  // A chain that names no type may lead to several: the server must find out which of them have the parameter.
  return target === undefined || isKnown(target, rest.join('.'), value, capabilities);
}

/**
 * Refuses conditions on resources that the caller may not all see: whether they hold would reveal what is in them.
 * @throws Refusal 403
 */
function requireOwn(type: string, name: string, rights: Rights): void {
  const [base = ''] = name.split(/[:.]/);
  const refuse = (what: string): never => {
    throw new FhirRefusal(403, 'forbidden', `The token's scopes do not allow a condition on ${what}.`);
  };
  if (OPEN_ENDED.has(base) && base !== '_has' && !rights.isWhole('s', type)) refuse(`any ${type}`);
  if (base === '_has') {
    for (const [, source = ''] of name.matchAll(/_has:([A-Za-z]+):/g))
      if (!rights.isWhole('s', source)) refuse(`any ${source}`);
  }
  if (!name.includes('.')) return;
  const steps = name.split('.').slice(0, -1);
  for (const step of steps) {
    const target = base === '_has' ? undefined : step.split(':')[1];
    // A chain that names no type may lead to any: the usual way to a patient is known.
    const type = target ?? (step === 'patient' ? 'Patient' : undefined);
    if (type === undefined && !rights.isWhole('s', '*')) refuse(`any resource; name its type, such as ${step}:Patient`);
    if (type !== undefined && !rights.isWhole('s', type)) refuse(`any ${type}`);
  }
}

async function narrow(
  query: URLSearchParams,
  type: string,
  patient: string | undefined,
  params: readonly (readonly [name: string, value: string])[],
  capabilities: Capabilities,
): Promise<void> {
  const refuse = (name: string): never => {
    const why = `The FHIR server cannot search ${type} by ${name}, which this token needs.`;
    throw new FhirRefusal(403, 'not-supported', why);
  };
  if (patient !== undefined) {
    const searches = patientSearches(type, patient);
    let known: readonly [name: string, value: string] | undefined;
    for (const one of searches) if (!known && (await capabilities.hasParameter(type, one[0]))) known = one;
    const [name, value] = known ?? refuse(searches[0]?.[0] ?? '');
    query.append(name, value);
  }
  for (const [name, value] of params) {
    if (!(await capabilities.hasParameter(type, name.split(':')[0] ?? ''))) refuse(name);
    query.append(name, value);
  }
}
