/** Reading FHIR resources, and showing what is in them. Whatever a resource holds is shown as text. */
import type { Resource } from '@lockstep/fhircast';
import { ApiError, refused } from './api.ts';
import { date as dateText, t } from './language/language.ts';
import { measured } from './language/measured.ts';
import { dayOf, foundIn, nameOf, recordNumber, referenceOf, textAt, valuesAt } from './resource.ts';

export { nameOf, recordNumber, referenceOf, textAt, valuesAt };

export function numberAt(value: unknown, path: string): number | undefined {
  return valuesAt(value, path).find((one): one is number => typeof one === 'number');
}

/** What a coded element says. */
export function conceptOf(resource: unknown, path: string): string {
  return (
    textAt(resource, `${path}.text`, `${path}.coding.display`, `${path}.display`, `${path}.coding.code`, path) ?? ''
  );
}

/** The patient a resource is about: `Patient/123`. */
export function subjectOf(resource: Resource | undefined): string | undefined {
  return referenceOf(resource, 'subject') ?? referenceOf(resource, 'patient');
}

/** Years of age, today. */
export function ageOf(birthDate: string | undefined, today = new Date()): number | undefined {
  const [, year, month = '1', day = '1'] = /^(\d{4})(?:-(\d\d))?(?:-(\d\d))?/.exec(birthDate ?? '') ?? [];
  if (year === undefined) return undefined;
  const passed =
    today.getMonth() + 1 > Number(month) || (today.getMonth() + 1 === Number(month) && today.getDate() >= Number(day));
  return today.getFullYear() - Number(year) - (passed ? 0 : 1);
}

/** A FHIR date, dateTime or instant for people, with the time where there is one and it is wanted. */
export function when(value: string | undefined, withTime = false): string {
  const day = dayOf(value);
  const date = new Date(value ?? '');
  if (!withTime || !value?.includes('T') || Number.isNaN(date.getTime())) return day;
  return t('shell.dateTime', { day, time: dateText(date, { hour: '2-digit', minute: '2-digit' }) });
}

/** A moment for people: the time of a day, with the day unless it is today's. @param at ms since the epoch */
export function timeOf(at: number, now = new Date()): string {
  const date = new Date(at);
  const time = dateText(date, { hour: '2-digit', minute: '2-digit' });
  if (date.toDateString() === now.toDateString()) return time;
  return t('shell.dateTime', { day: when(date.toISOString()), time });
}

/** An Observation's value for people. */
export function observedValue(observation: Resource): string {
  const one = (value: unknown): string => {
    const number = numberAt(value, 'valueQuantity.value');
    if (number !== undefined)
      return `${measured(number)} ${textAt(value, 'valueQuantity.unit', 'valueQuantity.code') ?? ''}`.trim();
    return textAt(value, 'valueString') ?? conceptOf(value, 'valueCodeableConcept');
  };
  const whole = one(observation);
  if (whole !== '') return whole;
  return valuesAt(observation, 'component').map(one).join(' / ');
}

/** What a context's anchor is called in a line of text. */
export function titleOf(resource: Resource | undefined): string {
  if (!resource) return '';
  switch (resource.resourceType) {
    case 'Patient':
      return nameOf(resource);
    case 'ImagingStudy':
      return textAt(resource, 'description') ?? conceptOf(resource, 'procedureCode');
    case 'DiagnosticReport':
      return conceptOf(resource, 'code') || t('shell.report');
    case 'Encounter':
      return conceptOf(resource, 'type') || conceptOf(resource, 'class') || t('shell.encounter');
    default:
      return `${resource.resourceType} ${resource.id ?? ''}`;
  }
}

/** What goes along in an event: identity and headline, not the whole record. */
export function forEvent(resource: Resource): Resource {
  const { resourceType, id } = resource;
  const kept = [
    'identifier',
    'status',
    'name',
    'gender',
    'birthDate',
    'subject',
    'encounter',
    'code',
    'class',
    'type',
    'period',
  ];
  const more = [
    'description',
    'procedureCode',
    'started',
    'modality',
    'imagingStudy',
    'basedOn',
    'category',
    'effectiveDateTime',
  ];
  const fields = [...kept, ...more].filter((field) => resource[field] !== undefined);
  return { resourceType, ...(id && { id }), ...Object.fromEntries(fields.map((field) => [field, resource[field]])) };
}

/** Parameters of a search; one may come more than once. */
export type Search = readonly (readonly [parameter: string, value: string])[];

/** One page of a search. */
export interface FhirPage {
  readonly resources: readonly Resource[];
  /** Leads to the next page; for `page`. */
  readonly next?: string;
}

/** What answers half, or with something else, has not said that there is nothing (HZ-5). */
function badAnswer(): never {
  throw new ApiError(200, t('shell.theRecordBadAnswer'));
}

export type FreshToken = (renew: boolean) => Promise<string>;

/** The FHIR endpoint, with the token of the person signed in. */
export class Fhir {
  readonly #base: string;
  readonly #token: FreshToken;

  /** @param base without a slash at its end */
  constructor(base: string, token: FreshToken) {
    this.#base = base;
    this.#token = token;
  }

  async #request(path: string, init: RequestInit = {}, renew = false): Promise<unknown> {
    const headers = {
      ...init.headers,
      accept: 'application/fhir+json',
      authorization: `Bearer ${await this.#token(renew)}`,
    };
    let response: Response;
    try {
      response = await fetch(`${this.#base}/${path}`, { ...init, headers });
    } catch {
      throw new ApiError(0, t('shell.theRecordCannotBeReached'));
    }
    if (response.status === 401 && !renew) return this.#request(path, init, true);
    const body: unknown = await response.json().catch(() => undefined);
    if (response.ok) return body;
    throw refused(response.status, textAt(body, 'issue.details.text', 'issue.diagnostics'));
  }

  /** @throws ApiError where there is none, or it could not be read */
  async read(reference: string): Promise<Resource> {
    const answer = await this.#request(reference);
    const [type] = reference.split('/');
    return textAt(answer, 'resourceType') === type ? (answer as Resource) : badAnswer();
  }

  /** @throws ApiError where it is not known what there is */
  async search(type: string, params: Readonly<Record<string, string>>): Promise<readonly Resource[]> {
    return foundIn(await this.#request(`${type}?${new URLSearchParams(params)}`)) ?? badAnswer();
  }

  /** The first page of what is found. @param params may name a parameter more than once: all of them are to be met */
  searchPage(type: string, params: Search): Promise<FhirPage> {
    return this.#page(`${type}?${new URLSearchParams(params.map(([name, value]) => [name, value]))}`);
  }

  /** A further page. @param next as the page before gave it */
  page(next: string): Promise<FhirPage> {
    return this.#page(next);
  }

  async #page(path: string): Promise<FhirPage> {
    const bundle = await this.#request(path);
    const links = valuesAt(bundle, 'link').filter((one) => textAt(one, 'relation') === 'next');
    // The record may be reached at another address than it knows itself by: what follows the type's name counts.
    const next = /(?<![^/])[^/]+$/.exec(textAt(links[0], 'url') ?? '')?.[0];
    return {
      resources: foundIn(bundle) ?? badAnswer(),
      ...(next !== undefined && { next }),
    };
  }

  async create(resource: Resource): Promise<Resource> {
    const headers = { 'content-type': 'application/fhir+json', prefer: 'return=representation' };
    return (await this.#request(resource.resourceType, {
      method: 'POST',
      headers,
      body: JSON.stringify(resource),
    })) as Resource;
  }
}
