import { keyText, parseReference, type ResourceKey } from '@lockstep/fhircast';
import type { ResourceAccess } from './access.ts';
import { patientOf, sharedReferences } from './compartment.ts';
import { rangeOf } from './criteria.ts';
import { parseTime, type TimeRange } from './dates.ts';
import { definitionOf, RESOURCE_TYPES } from './definitions.ts';
import { FhirRefusal, warningOutcome } from './refusal.ts';
import type { ReadAllowance, ResourceRepository } from './repository.ts';
import { type Resource, valuesAt } from './resource.ts';
import type { SearchBundle } from './search.ts';

const DEFAULT_COUNT = 100;
const MAX_COUNT = 500;

interface EverythingRequest {
  readonly count: number;
  /** ms since the epoch: only what was written then or later. */
  readonly since: number;
  /** Only what tells of care in this time (`start`, `end`), and what has no time. */
  readonly care: TimeRange;
  readonly types: readonly string[];
  /** The page begins after this `Type/id`. */
  readonly after?: string;
  readonly used: URLSearchParams;
}

/**
 * All that the caller may read of a patient: the compartment, type by type, and the shared resources that it refers to. Types
 * that the token does not cover are left out, as they are from a search for several types. No more is read and held than a page
 * needs; a page ends early where it would be too much.
 * @throws Refusal 400 for a parameter other than `start`, `end`, `_count`, `_since` and `_type`
 */
export async function everything(
  id: string,
  params: URLSearchParams,
  access: ResourceAccess,
  repository: ResourceRepository,
  baseUrl: string,
): Promise<SearchBundle> {
  const asked = parseEverything(params);
  const page = await new Compartment(id, access, repository, baseUrl).page(asked);
  const here = `${baseUrl}/Patient/${id}/$everything`;
  const entries = [
    ...page.resources.map((resource) => ({
      fullUrl: `${baseUrl}/${keyOf(resource)}`,
      resource,
      search: { mode: isShared(resource.resourceType) ? ('include' as const) : ('match' as const) },
    })),
    ...(page.isWithoutShared ? [WITHOUT_SHARED] : []),
  ];
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    ...(asked.after === undefined && page.next === undefined && { total: page.resources.length }),
    link: [
      { relation: 'self', url: address(here, asked.used, asked.after) },
      ...(page.next === undefined ? [] : [{ relation: 'next', url: address(here, asked.used, page.next) }]),
    ],
    ...(entries.length > 0 && { entry: entries }),
  };
}

interface EverythingPage {
  readonly resources: readonly Resource[];
  /** `Type/id` after which the next page begins; undefined on the last one. */
  readonly next?: string;
  /** The shared resources are not there: looking for them would take too much reading. */
  readonly isWithoutShared?: boolean;
}

const PATIENTS_OWN = RESOURCE_TYPES.filter((type) => !isShared(type));

const WITHOUT_SHARED = {
  resource: warningOutcome(
    'too-costly',
    'The patient has too many resources to look up practitioners, organizations and the like that they refer to: read these by id.',
  ),
  search: { mode: 'outcome' as const },
};

const keyOf = ({ resourceType, id }: Resource): string => keyText({ type: resourceType, id });

function isShared(type: string): boolean {
  return definitionOf(type)?.shared ?? false;
}

/** Where R4's resources say when care was, or is to be, given; when something was recorded is no such time. */
const CARE_TIMES = (
  'period started context.period authoredOn effectiveDateTime effectivePeriod effectiveInstant effectiveTiming.event ' +
  'effectiveTiming.repeat.boundsPeriod occurrenceDateTime occurrencePeriod occurrenceTiming.event occurrenceTiming.repeat.boundsPeriod ' +
  'performedDateTime performedPeriod occurredDateTime occurredPeriod'
).split(' ');

/** The times of care that a resource tells of: a condition lasts until it is said to be over. */
function careTimes(resource: Resource): readonly TimeRange[] {
  const rangesAt = (...paths: readonly string[]): TimeRange[] =>
    paths.flatMap((path) => valuesAt(resource, path).flatMap((value) => rangeOf(value) ?? []));
  const [onset] = rangesAt('onsetDateTime', 'onsetPeriod');
  const [end] = rangesAt('abatementDateTime', 'abatementPeriod');
  const lasting =
    onset || end ? [{ low: onset?.low ?? Number.NEGATIVE_INFINITY, high: end?.high ?? Number.POSITIVE_INFINITY }] : [];
  return [...lasting, ...rangesAt(...CARE_TIMES)];
}

/** Whether it tells of care in that time (R4 Patient/$everything), or says no time of care. */
function isOfCareIn({ low, high }: TimeRange, resource: Resource): boolean {
  if (low === Number.NEGATIVE_INFINITY && high === Number.POSITIVE_INFINITY) return true;
  const times = careTimes(resource);
  return times.length === 0 || times.some((one) => one.low <= high && one.high >= low);
}

/** One patient's resources, as far as a caller may read them. */
class Compartment {
  readonly #id: string;
  readonly #access: ResourceAccess;
  readonly #repository: ResourceRepository;
  readonly #baseUrl: string;

  constructor(id: string, access: ResourceAccess, repository: ResourceRepository, baseUrl: string) {
    this.#id = id;
    this.#access = access;
    this.#repository = repository;
    this.#baseUrl = baseUrl;
  }

  async page({ count, since, care, types, after }: EverythingRequest): Promise<EverythingPage> {
    const isWanted = (type: string): boolean => types.length === 0 || types.includes(type);
    const isRecent = ({ meta }: Resource): boolean => Date.parse(meta.lastUpdated) >= since;
    const start = after === undefined ? undefined : parseReference(after);
    const found: Resource[] = [];
    const page = (stoppedAt?: string): EverythingPage | undefined => {
      const last = found.length > count ? keyOf(found[count - 1] as Resource) : stoppedAt;
      return last === undefined ? undefined : { resources: found.slice(0, count), next: last };
    };
    if (!start || !isShared(start.type)) {
      const allowance = this.#repository.allowance('stop');
      for await (const resource of this.#own(allowance, start, isWanted)) {
        if (isRecent(resource) && isOfCareIn(care, resource)) found.push(resource);
        const full = page();
        if (full) return full;
      }
      const stopped = page(allowance.stoppedAt);
      if (stopped) return stopped;
    }
    if (types.length > 0 && !types.some(isShared)) return { resources: found };
    const shared = await this.#shared(isWanted);
    if (!shared) return { resources: found, isWithoutShared: true };
    for (const text of shared) {
      if (start && isShared(start.type) && text <= keyText(start)) continue;
      const stored = await this.#repository.get(parseReference(text)!);
      if (!stored || stored.deleted || !(await this.#access.allows('r', stored.resource))) continue;
      if (isRecent(stored.resource)) found.push(stored.resource);
      const full = page();
      if (full) return full;
    }
    return { resources: found };
  }

  /** Resources of the patient, type by type. @param allowance `stoppedAt` is `Type/id` @param start what comes after this one */
  async *#own(
    allowance: ReadAllowance,
    start: ResourceKey | undefined,
    isWanted: (type: string) => boolean,
  ): AsyncGenerator<Resource> {
    const id = this.#id;
    for (const type of PATIENTS_OWN.slice(start ? PATIENTS_OWN.indexOf(start.type) : 0)) {
      if (!isWanted(type) || !this.#access.may('r', type)) continue;
      const within = type === 'Patient' ? { ids: [id] } : { patients: [id] };
      const afterId = type === start?.type ? start.id : '';
      for await (const resource of this.#repository.candidates(type, within, afterId, allowance)) {
        if (patientOf(resource, this.#baseUrl) !== id || !(await this.#access.allows('r', resource))) continue;
        yield resource;
      }
      if (allowance.stoppedAt === undefined) continue;
      allowance.stoppedAt = keyText({ type, id: allowance.stoppedAt });
      return;
    }
  }

  /** What the patient's resources refer to, sorted: `Type/id`. @returns undefined where that takes too much reading */
  async #shared(isWanted: (type: string) => boolean): Promise<readonly string[] | undefined> {
    const allowance = this.#repository.allowance('stop');
    const shared = new Set<string>();
    for await (const resource of this.#own(allowance, undefined, () => true)) {
      for (const key of sharedReferences(resource, this.#baseUrl)) if (isWanted(key.type)) shared.add(keyText(key));
    }
    return allowance.stoppedAt === undefined ? [...shared].sort() : undefined;
  }
}

function address(here: string, used: URLSearchParams, after: string | undefined): string {
  const params = new URLSearchParams(used);
  if (after !== undefined) params.set('_page', after);
  return params.size > 0 ? `${here}?${params}` : here;
}

export function parseEverything(params: URLSearchParams): EverythingRequest {
  let count = DEFAULT_COUNT;
  let since = Number.NEGATIVE_INFINITY;
  let care: TimeRange = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  let types: readonly string[] = [];
  let after: string | undefined;
  const used = new URLSearchParams();
  for (const [name, value] of params) {
    switch (name) {
      case '_format':
      case '_pretty':
        continue;
      case '_count':
        if (!/^[1-9]\d{0,8}$/.test(value))
          throw new FhirRefusal(400, 'value', '_count must be a whole number of 1 or more.');
        count = Math.min(Number(value), MAX_COUNT);
        break;
      case '_since': {
        const range = parseTime(value.replace(/ (?=\d\d:\d\d$)/, '+'));
        if (!range) throw new FhirRefusal(400, 'value', '_since must be an instant.');
        since = range.low;
        break;
      }
      case 'start':
      case 'end': {
        const range = value.includes('T') ? undefined : parseTime(value);
        if (!range) throw new FhirRefusal(400, 'value', `${name} must be a date.`);
        care = name === 'start' ? { ...care, low: range.low } : { ...care, high: range.high };
        break;
      }
      case '_type':
        types = value.split(',');
        for (const type of types) {
          if (!definitionOf(type))
            throw new FhirRefusal(400, 'not-supported', '_type names a type that is not served here.');
        }
        break;
      case '_page':
        if (!/^[A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.test(value) || !definitionOf(value.split('/')[0]!))
          throw new FhirRefusal(400, 'value', 'The page is none of this answer.');
        after = value;
        continue;
      default:
        throw new FhirRefusal(400, 'not-supported', `$everything has no parameter ${name.slice(0, 64)} here.`);
    }
    used.append(name, value);
  }
  if (care.low > care.high) throw new FhirRefusal(400, 'value', 'start must not be after end.');
  return { count, since, care, types, ...(after !== undefined && { after }), used };
}
