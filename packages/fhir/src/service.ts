import { textOf } from '@lockstep/fhircast';
import type { R4Validator } from '@lockstep/r4';
import type { RecordStore } from '@lockstep/store';
import type { FastifyPluginAsync } from 'fastify';
import { ResourceAccess } from './access.ts';
import { Bundles } from './bundles.ts';
import { capabilityStatement, type SmartAddresses } from './capability.ts';
import { patientOf } from './compartment.ts';
import { foldedStringsOf, stringsOf } from './criteria.ts';
import { folded, foldedToken, wordBegins } from './fold.ts';
import type { ImagesOf } from './images.ts';
import { Interactions } from './interactions.ts';
import { type AccessRecord, fhirPlugin, type TokenOf } from './plugin.ts';
import { MOST_READ, ResourceRepository } from './repository.ts';
import { isObject, type JsonObject, type Resource, valuesAt } from './resource.ts';
import { sampleResources } from './samples/index.ts';
import type { SearchBundle } from './search.ts';
import { WorkTurns } from './work-turns.ts';

export interface FhirOptions {
  readonly records: RecordStore;
  readonly validator: R4Validator;
  /** Whether the elements that IHE IRA takes from FHIR R5 may be stored (FHR-7); else only where the client says R5. */
  readonly r5?: boolean;
  readonly clock: { now(): number };
  /** The FHIR base, `{origin}/fhir`, without a slash at its end (DIS-1). */
  readonly baseUrl: string;
  readonly tokenOf: TokenOf;
  /** The authorization server's addresses, asked for at each reading of the CapabilityStatement (DIS-4). */
  readonly smart: () => SmartAddresses;
  readonly hubUrl: string;
  /** Makes the ids of created resources: unguessable, 1 to 64 of A-Z, a-z, 0-9, "-" and ".". */
  readonly ids: () => string;
  /** Lockstep's version. */
  readonly version: string;
  /** Images of the studies, where there are any. */
  readonly images?: ImagesOf;
  readonly audit?: (record: AccessRecord) => void | Promise<void>;
}

export interface PatientSummary {
  readonly id: string;
  /** As shown to people: `Given Family`. */
  readonly name: string;
  readonly birthDate?: string;
  readonly gender?: string;
  /** The first identifier's value. */
  readonly identifier?: string;
  readonly resource: Resource;
}

export interface EncounterSummary {
  readonly id: string;
  /** Its type or class in words. */
  readonly label: string;
  readonly status: string;
  /** FHIR dateTimes. */
  readonly start?: string;
  readonly end?: string;
  readonly resource: Resource;
}

/** Which page of patients is asked for. */
export interface PatientsAsked {
  readonly limit?: number;
  readonly after?: string;
}

/** Some of the patients that a query finds. */
export interface PatientsPage {
  readonly patients: readonly PatientSummary[];
  /** Where to go on; undefined once the whole record was searched. */
  readonly next?: string;
}

/** The FHIR data for trusted callers in the same process: pickers and console. No scopes apply. */
export interface FhirService {
  /** @returns undefined when there is none, or none any more */
  read(type: string, id: string): Promise<Resource | undefined>;
  /**
   * @param params search parameters, as over HTTP; unknown ones are refused
   * @throws Refusal for what cannot be searched so
   */
  search(type: string, params: Readonly<Record<string, string>> | URLSearchParams): Promise<SearchBundle>;
  /**
   * A page of patients for a picker, sorted by family name. Each word of the query must begin a part of the name, an identifier or
   * the birth date; an empty query finds all. No more is read than a page needs, nor more than one request may (FHR-6).
   * @param page `limit`: at most so many, 50 by default; `after`: the `next` of the page before
   */
  patients(query: string, page?: PatientsAsked): Promise<PatientsPage>;
  /** A patient's encounters, the latest first. */
  encounters(patientId: string): Promise<readonly EncounterSummary[]>;
  /**
   * Writes the sample data into a store that holds no resource yet, all of it or nothing.
   * @returns how many resources were written: 0 when there are resources already
   */
  seedSampleData(): Promise<number>;
}

/** Makes the FHIR endpoint: the plugin is registered with the path of `baseUrl` as its prefix. */
export async function createFhir(options: FhirOptions): Promise<{ plugin: FastifyPluginAsync; service: FhirService }> {
  const { records, clock, baseUrl, tokenOf, smart, hubUrl, version, images, audit } = options;
  const now = () => clock.now();
  const started = now();
  const turns = new WorkTurns();
  const slice = () => turns.slice();
  const repository = new ResourceRepository(records, baseUrl, now, MOST_READ, slice);
  const interactions = new Interactions(repository, options.validator, baseUrl, options.ids, slice);
  const plugin = fhirPlugin({
    interactions,
    bundles: new Bundles(interactions, interactions, options.validator, baseUrl, slice),
    validator: options.validator,
    accessOf: (token) => new ResourceAccess(token, repository, baseUrl),
    patientOf: (resource) => patientOf(resource, baseUrl),
    baseUrl,
    r5: options.r5 ?? false,
    turns,
    now,
    tokenOf,
    metadata: () => capabilityStatement({ baseUrl, hubUrl, version, smart: smart(), date: started }),
    images,
    audit,
  });
  return { plugin, service: fhirService(repository, interactions, baseUrl) };
}

function fhirService(repository: ResourceRepository, interactions: Interactions, baseUrl: string): FhirService {
  const access = new ResourceAccess('trusted', repository, baseUrl);
  return {
    async read(type, id) {
      const stored = await repository.get({ type, id });
      return stored && !stored.deleted ? stored.resource : undefined;
    },
    search(type, params) {
      return interactions.find(type, new URLSearchParams(params as Record<string, string>), access);
    },
    async patients(query, { limit = 50, after = '' } = {}) {
      const words = query.split(/\s+/).filter((word) => folded(word) !== '');
      const found = new Map<string, Resource>();
      const [number] = words;
      if (after === '' && number !== undefined && words.length === 1) {
        // Who has just this number is found at once, wherever in the record.
        for await (const patient of repository.candidates('Patient', { identifiers: [number] })) {
          if (isIn(patient)(number)) found.set(patient.id, patient);
          if (found.size === limit) break;
        }
      }
      const allowance = repository.allowance('stop');
      let last = after;
      let next: string | undefined;
      for await (const patient of repository.candidates('Patient', {}, after, allowance)) {
        if (!found.has(patient.id) && words.every(isIn(patient))) {
          if (found.size >= limit) {
            next = last;
            break;
          }
          found.set(patient.id, patient);
        }
        last = patient.id;
      }
      next ??= allowance.stoppedAt;
      const byName = [...found.values()].map((patient) => ({ patient, name: sortName(patient) }));
      byName.sort((a, b) => a.name.localeCompare(b.name) || a.patient.id.localeCompare(b.patient.id));
      return {
        patients: byName.map(({ patient }) => patientSummary(patient)),
        ...(next !== undefined && { next }),
      };
    },
    async encounters(patientId) {
      const params = new URLSearchParams({ patient: patientId, _sort: '-date', _count: '500' });
      const bundle = await interactions.find('Encounter', params, access);
      return (bundle.entry ?? []).map(({ resource }) => encounterSummary(resource as Resource));
    },
    async seedSampleData() {
      if (!(await repository.isEmpty())) return 0;
      const samples = sampleResources();
      return (await repository.createAll(samples)) ? samples.length : 0;
    },
  };
}

/** Whether a word begins a part of the patient's name, an identifier or the birth date. */
function isIn(patient: Resource): (word: string) => boolean {
  const names = valuesAt(patient, 'name').flatMap(foldedStringsOf);
  const values = [...valuesAt(patient, 'identifier.value'), ...valuesAt(patient, 'birthDate')].map(textOf);
  return (word) =>
    names.some((name) => wordBegins(name, folded(word))) ||
    values.some((value) => foldedToken(value).startsWith(foldedToken(word)));
}

function sortName(patient: Resource): string {
  const [family, given] = [valuesAt(patient, 'name.family'), valuesAt(patient, 'name.given')];
  return folded([...family, ...given].map(textOf).join(' '));
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function patientSummary(patient: Resource): PatientSummary {
  const [name] = valuesAt(patient, 'name');
  const parts = isObject(name) ? [...valuesAt(name, 'given'), ...valuesAt(name, 'family')].map(textOf) : [];
  const shown = parts.length > 0 ? parts.join(' ') : (stringsOf(name ?? '')[0] ?? patient.id);
  const identifier = text(valuesAt(patient, 'identifier.value')[0]);
  const birthDate = text(patient.birthDate);
  const gender = text(patient.gender);
  return {
    id: patient.id,
    name: shown,
    ...(birthDate && { birthDate }),
    ...(gender && { gender }),
    ...(identifier && { identifier }),
    resource: patient,
  };
}

export function encounterSummary(encounter: Resource): EncounterSummary {
  const labels = ['type.text', 'type.coding.display', 'class.display', 'class.code'];
  const label = labels.flatMap((path) => valuesAt(encounter as JsonObject, path))[0];
  const start = text(valuesAt(encounter, 'period.start')[0]);
  const end = text(valuesAt(encounter, 'period.end')[0]);
  return {
    id: encounter.id,
    label: text(label) ?? 'Encounter',
    status: text(encounter.status) ?? 'unknown',
    ...(start && { start }),
    ...(end && { end }),
    resource: encounter,
  };
}
