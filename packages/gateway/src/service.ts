import type { FhirService, PatientSummary, Resource, SearchBundle } from '@lockstep/fhir';
import { FhirRefusal } from '@lockstep/fhir';
import { encounterSummary, folded, isId, patientSummary } from '@lockstep/fhir/parts';
import type { Capabilities } from './capabilities.ts';
import type { Forwarding } from './forwarding.ts';
import { Rights } from './rights.ts';

const DATE = /^\d{4}(-\d\d(-\d\d)?)?$/;

/** The server's patients for pickers and console, as the embedded store gives them. */
export function upstreamService(forwarding: Forwarding, capabilities: Capabilities, baseUrl: string): FhirService {
  const trusted = new Rights('trusted', baseUrl);
  const found = async (type: string, params: readonly (readonly [string, string])[]): Promise<Resource[]> => {
    const { resources } = await forwarding.search(
      type,
      new URLSearchParams(params.map(([name, value]): [string, string] => [name, value])),
      trusted,
      true,
    );
    return (resources as readonly Resource[]).filter(({ resourceType }) => resourceType === type);
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
    async patients(query, limit = 50) {
      const words = query.split(/\s+/).filter((word) => folded(word) !== '');
      const sort = (await capabilities.hasParameter('Patient', 'family')) ? ([['_sort', 'family']] as const) : [];
      const shape = [...sort, ['_count', String(limit)]] as const;
      const byName = words.map((word) => [DATE.test(word) ? 'birthdate' : 'name', word] as const);
      const byNumber = words.length === 1 ? [[['identifier', words[0]!], ...shape] as const] : [];
      const asked = [[...byName, ...shape], ...byNumber];
      const byId = new Map<string, PatientSummary>();
      for (const params of asked) {
        for (const patient of await found('Patient', params)) byId.set(patient.id, patientSummary(patient));
      }
      return [...byId.values()].slice(0, limit);
    },
    async encounters(patientId) {
      const sort = (await capabilities.hasParameter('Encounter', 'date')) ? ([['_sort', '-date']] as const) : [];
      const asked = [['patient', patientId], ...sort, ['_count', '200']] as const;
      return (await found('Encounter', asked)).map(encounterSummary);
    },
    async seedSampleData() {
      return 0;
    },
  };
}
