/** The record, with the token of the launch; and what is in a resource, in words. */
import { measured, date as written } from '@lockstep/console/language';
import type { Grant } from './smart.ts';
import { type Notice, refusalNotice, ToldError, t } from './words.ts';

export interface Resource {
  readonly resourceType: string;
  readonly id?: string;
  readonly [element: string]: unknown;
}

/** The values at a dotted path, lists gone through. */
export function valuesAt(value: unknown, path: string): readonly unknown[] {
  let found: unknown[] = [value];
  for (const step of path.split('.')) {
    found = found.flatMap((one) => {
      const next = typeof one === 'object' && one !== null ? (one as Record<string, unknown>)[step] : undefined;
      return next === undefined ? [] : [next].flat();
    });
  }
  return found;
}

/** The first text at any of the paths. */
export function textAt(value: unknown, ...paths: readonly string[]): string | undefined {
  return paths.flatMap((path) => valuesAt(value, path)).find((one): one is string => typeof one === 'string');
}

export function nameOf(patient: Resource | undefined): string {
  const parts = [...valuesAt(patient, 'name.given'), ...valuesAt(patient, 'name.family')];
  return textAt(patient, 'name.text') ?? (parts.join(' ') || (patient?.id ?? ''));
}

export function titleOf(resource: Resource | undefined): string {
  return textAt(resource, 'description', 'code.text', 'code.coding.display') ?? '';
}

/** A FHIR date or dateTime for people: `14 Jan 2026`, `14. Jan. 2026`. A date alone has no zone: it is the same day everywhere. */
export function dayOf(value: string | undefined): string {
  const alone = /^\d{4}-\d\d-\d\d$/.test(value ?? '');
  const date = new Date(alone ? `${value}T00:00:00` : (value ?? ''));
  if (Number.isNaN(date.getTime())) return value ?? '';
  return written(date, { day: 'numeric', month: 'short', year: 'numeric' });
}

/** A medical record number, else the first identifier. */
export function recordNumber(patient: Resource): string | undefined {
  const identifiers = valuesAt(patient, 'identifier');
  return textAt(identifiers.find((one) => textAt(one, 'type.coding.code') === 'MR') ?? identifiers[0], 'value');
}

/** What an Observation says: `9 mm`, with the unit it was measured in, or its words. */
export function observedValue(observation: Resource): string {
  const [value] = valuesAt(observation, 'valueQuantity.value');
  if (value !== undefined) {
    const unit = textAt(observation, 'valueQuantity.unit', 'valueQuantity.code');
    const shown = typeof value === 'number' ? measured(value) : String(value);
    return unit === undefined ? shown : `${shown} ${unit}`;
  }
  return (
    textAt(
      observation,
      'valueString',
      'valueCodeableConcept.text',
      'valueCodeableConcept.coding.display',
      'valueCodeableConcept.coding.code',
    ) ?? ''
  );
}

/** What an Observation is about. */
export function observedName(observation: Resource): string {
  return textAt(observation, 'code.text', 'code.coding.display', 'code.coding.code') ?? t('kit.observation');
}

/** `ImagingStudy/1` of a reference. */
export function referenceOf(resource: unknown, path: string): string | undefined {
  return /(?<![A-Za-z])([A-Za-z]+\/[A-Za-z0-9.-]{1,64})$/.exec(textAt(resource, `${path}.reference`) ?? '')?.[1];
}

/** A request that the record did not grant. The message is for people. */
export class FhirError extends ToldError {
  override readonly name = 'FhirError';
  /** HTTP status; 0 when the record could not be reached. */
  readonly status: number;
  constructor(status: number, notice: Notice) {
    super(notice);
    this.status = status;
  }
}

export class Fhir {
  readonly #grant: Grant;

  constructor(grant: Grant) {
    this.#grant = grant;
  }

  async #fetch(path: string, accept: string, init: RequestInit = {}, again = false): Promise<Response> {
    const { access_token: token } = again ? await this.#grant.renew() : this.#grant.token;
    const headers = { ...init.headers, accept, authorization: `Bearer ${token}` };
    const response = await fetch(`${this.#grant.iss}/${path}`, { ...init, headers }).catch(() => {
      throw new FhirError(0, { text: t('kit.recordUnreachable') });
    });
    if (response.status === 401 && !again) return this.#fetch(path, accept, init, true);
    if (response.ok) return response;
    const body: unknown = await response.json().catch(() => undefined);
    const said = textAt(body, 'issue.diagnostics', 'issue.details.text') ?? `HTTP ${response.status}`;
    throw new FhirError(response.status, refusalNotice(response.status, said));
  }

  async #request(path: string, init: RequestInit = {}): Promise<unknown> {
    const response = await this.#fetch(path, 'application/fhir+json', init);
    return response.json().catch(() => undefined);
  }

  async read(reference: string): Promise<Resource> {
    return (await this.#request(reference)) as Resource;
  }

  async search(type: string, params: Readonly<Record<string, string>>): Promise<readonly Resource[]> {
    return valuesAt(await this.#request(`${type}?${new URLSearchParams(params)}`), 'entry.resource') as Resource[];
  }

  /** A DICOM file. @param path below the record's address. @throws FhirError where there is none */
  async image(path: string): Promise<ArrayBuffer> {
    return (await this.#fetch(path, 'application/dicom')).arrayBuffer();
  }

  /** Writes the resource under its own id. */
  async put(resource: Resource): Promise<void> {
    const headers = { 'content-type': 'application/fhir+json', prefer: 'return=minimal' };
    const path = `${resource.resourceType}/${resource.id}`;
    await this.#request(path, { method: 'PUT', headers, body: JSON.stringify(resource) });
  }
}
