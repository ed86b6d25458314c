/** The record, with the token of the launch; and what is in a resource, in words. */
import { measured } from '@lockstep/console/language';
import { dayOf, foundIn, nameOf, recordNumber, referenceOf, textAt, valuesAt } from '@lockstep/console/resource';
import type { Grant, TokenResponse } from './smart.ts';
import { type Notice, refusalNotice, ToldError, t } from './words.ts';

export { dayOf, nameOf, recordNumber, referenceOf, textAt, valuesAt };

export interface Resource {
  readonly resourceType: string;
  readonly id?: string;
  readonly [element: string]: unknown;
}

export function titleOf(resource: Resource | undefined): string {
  return textAt(resource, 'description', 'code.text', 'code.coding.display') ?? '';
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

/** What answers half, or with something else, has not said that there is nothing (HZ-5). */
function badAnswer(): never {
  throw new FhirError(200, { text: t('kit.recordBadAnswer') });
}

export class Fhir {
  readonly #grant: Grant;

  constructor(grant: Grant) {
    this.#grant = grant;
  }

  async #fetch(path: string, accept: string, init: RequestInit = {}, again = false): Promise<Response> {
    const { access_token: token } = again ? await this.#renew() : this.#grant.token;
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

  /** @throws FhirError where the access has ended: the record then refused the last token for good */
  async #renew(): Promise<TokenResponse> {
    return this.#grant.renew().catch((error: unknown) => {
      throw this.#grant.ended && error instanceof ToldError ? new FhirError(401, error) : error;
    });
  }

  /** @returns what the record answered. @throws FhirError where that is cut short, or no JSON */
  async #json(path: string): Promise<unknown> {
    const response = await this.#fetch(path, 'application/fhir+json');
    return response.json().catch(badAnswer);
  }

  /** @throws FhirError where there is none, or it could not be read */
  async read(reference: string): Promise<Resource> {
    const answer = await this.#json(reference);
    const [type] = reference.split('/');
    return textAt(answer, 'resourceType') === type ? (answer as Resource) : badAnswer();
  }

  /** @throws FhirError where it is not known what there is */
  async search(type: string, params: Readonly<Record<string, string>>): Promise<readonly Resource[]> {
    return foundIn(await this.#json(`${type}?${new URLSearchParams(params)}`)) ?? badAnswer();
  }

  /** A DICOM file. @param path below the record's address. @throws FhirError where there is none */
  async image(path: string): Promise<ArrayBuffer> {
    return (await this.#fetch(path, 'application/dicom')).arrayBuffer();
  }

  /** Writes the resource under its own id. */
  async put(resource: Resource): Promise<void> {
    const headers = { 'content-type': 'application/fhir+json', prefer: 'return=minimal' };
    const path = `${resource.resourceType}/${resource.id}`;
    await this.#fetch(path, 'application/fhir+json', { method: 'PUT', headers, body: JSON.stringify(resource) });
  }
}
