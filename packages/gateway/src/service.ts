import type { FhirService, PatientSummary, PatientsPage, Resource, SearchBundle } from '@lockstep/fhir';
import { FhirRefusal } from '@lockstep/fhir';
import { encounterSummary, folded, isId, patientSummary } from '@lockstep/fhir/parts';
import type { Capabilities } from './capabilities.ts';
import type { Forwarding } from './forwarding.ts';
import { Rights } from './rights.ts';

const DATE = /^\d{4}(-\d\d(-\d\d)?)?$/;

/** The server's patients for pickers and console, as the embedded store gives them. */
export function upstreamService(forwarding: Forwarding, capabilities: Capabilities, baseUrl: string): FhirService {
  const trusted = new Rights('trusted', baseUrl);
  const found = async (type: string, params: readonly (readonly [string, string])[]) => {
    const { resources, text } = await forwarding.search(
      type,
      new URLSearchParams(params.map(([name, value]): [string, string] => [name, value])),
      trusted,
      true,
    );
    const { link } = JSON.parse(text) as SearchBundle;
    const further = link.find(({ relation }) => relation === 'next')?.url;
    const next = further === undefined ? null : new URL(further).searchParams.get('_page');
    return {
      resources: (resources as readonly Resource[]).filter(({ resourceType }) => resourceType === type),
      ...(next !== null && { next }),
    };
  };
  /** @param after a place that `found` gave, or none */
  const patientsFrom = async (query: string, limit: number, after: string): Promise<PatientsPage> => {
    const words = query.split(/\s+/).filter((word) => folded(word) !== '');
    const sort = (await capabilities.hasParameter('Patient', 'family')) ? ([['_sort', 'family']] as const) : [];
    const shape = [...sort, ['_count', String(limit)]] as const;
    const byName = words.map((word) => [DATE.test(word) ? 'birthdate' : 'name', word] as const);
    const from = after === '' ? [] : [['_page', after] as const];
    const { resources, next } = await found('Patient', [...byName, ...shape, ...from]);
    const byId = new Map<string, PatientSummary>();
    if (words.length === 1 && after === '') {
      // A number finds few.
      const { resources: numbered } = await found('Patient', [['identifier', words[0]!], ...shape]);
      for (const patient of numbered) byId.set(patient.id, patientSummary(patient));
    }
    for (const patient of resources) byId.set(patient.id, patientSummary(patient));
    return { patients: [...byId.values()], ...(next !== undefined && { next }) };
  };
  return {
    async read(type, id) {
      if (!isId(id)) return undefined;
      try {
        return (await forwarding.read({ type, id }, trusted)).resource;
      } catch (error) {
        if (error instanceof FhirRefusal && [404, 405, 410].includes(error.status)) return undefined;
        throw error;
      }
    },
    async search(type, params) {
      const query = new URLSearchParams(params as Record<string, string>);
      return JSON.parse((await forwarding.search(type, query, trusted)).text) as SearchBundle;
    },
    async patients(query, { limit = 50, after = '' } = {}) {
      try {
        return await patientsFrom(query, limit, after);
      } catch (error) {
        // A place that is none of this server's, or no more: the search begins once more.
        if (after !== '' && error instanceof FhirRefusal && error.status < 500) return patientsFrom(query, limit, '');
        throw error;
      }
    },
    async encounters(patientId) {
      const sort = (await capabilities.hasParameter('Encounter', 'date')) ? ([['_sort', '-date']] as const) : [];
      const asked = [['patient', patientId], ...sort, ['_count', '200']] as const;
      return (await found('Encounter', asked)).resources.map(encounterSummary);
    },
    async seedSampleData() {
      return 0;
    },
  };
}
