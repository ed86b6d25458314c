import { definitionOf, RESOURCE_TYPES } from './definitions.ts';

/** The authorization server's addresses, as in its smart-configuration (DIS-4). */
export interface SmartAddresses {
  readonly authorize: string;
  readonly token: string;
  readonly introspect?: string;
  readonly manage?: string;
  readonly register?: string;
  readonly revoke?: string;
}

const OAUTH_URIS = 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris';
const ADDRESSES = ['authorize', 'token', 'introspect', 'manage', 'register', 'revoke'] as const;

/**
 * The CapabilityStatement: what this endpoint does, where to get tokens (DIS-4) and where the Hub is (CAP-2).
 * @param date ms since the epoch of when this statement became true
 */
export function capabilityStatement(options: {
  readonly baseUrl: string;
  readonly hubUrl: string;
  readonly version: string;
  readonly smart: SmartAddresses;
  readonly date: number;
}) {
  const { baseUrl, hubUrl, version, smart, date } = options;
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: new Date(date).toISOString(),
    kind: 'instance',
    software: { name: 'Lockstep', version },
    implementation: { description: 'Lockstep FHIR endpoint', url: baseUrl },
    fhirVersion: '4.0.1',
    format: ['json', 'application/fhir+json'],
    implementationGuide: ['http://fhircast.hl7.org/ImplementationGuide/hl7.fhir.uv.fhircast|3.0.0'],
    rest: [
      {
        mode: 'server',
        extension: hubExtensions(hubUrl),
        security: smartSecurity(smart),
        resource: RESOURCE_TYPES.map(resource),
        interaction: [{ code: 'batch' }, { code: 'transaction' }],
      },
    ],
  };
}

/** Where the Hub is (CAP-2). */
export function hubExtensions(hubUrl: string) {
  return [
    {
      url: 'http://fhircast.hl7.org/StructureDefinition/fhircast-configuration-extension',
      extension: [{ url: 'hub.url', valueUrl: hubUrl }],
    },
    // As STU2 wrote it: same content, other name and type.
    {
      url: 'http://fhircast.hl7.org/StructureDefinition/fhircast-configuration',
      extension: [{ url: 'hub.url', valueUri: hubUrl }],
    },
  ];
}

/** Where to get tokens (DIS-4). */
export function smartSecurity(smart: SmartAddresses) {
  return {
    extension: [
      {
        url: OAUTH_URIS,
        extension: ADDRESSES.flatMap((name) => {
          const address = smart[name];
          return address === undefined ? [] : [{ url: name, valueUri: address }];
        }),
      },
    ],
    cors: true,
    service: [
      {
        coding: [
          {
            system: 'http://terminology.hl7.org/CodeSystem/restful-security-service',
            code: 'SMART-on-FHIR',
            display: 'SMART-on-FHIR',
          },
        ],
        text: 'OAuth2 using SMART-on-FHIR profile (see http://docs.smarthealthit.org)',
      },
    ],
  };
}

function resource(type: string) {
  const { searchParameters, includes } = definitionOf(type)!;
  const interactions = ['read', 'vread', 'update', 'patch', 'delete', 'history-instance', 'create', 'search-type'];
  const referring = RESOURCE_TYPES.flatMap((source) =>
    [...definitionOf(source)!.searchParameters.values()]
      .filter(({ kind, targets }) => kind === 'reference' && targets?.includes(type) !== false)
      .map(({ name }) => `${source}:${name}`),
  );
  return {
    type,
    interaction: interactions.map((code) => ({ code })),
    versioning: 'versioned',
    readHistory: true,
    updateCreate: true,
    conditionalCreate: true,
    conditionalRead: 'not-match',
    conditionalUpdate: true,
    conditionalDelete: 'single',
    referencePolicy: ['literal'],
    ...(includes.length > 0 && { searchInclude: ['*', ...includes].map((name) => `${type}:${name}`) }),
    searchRevInclude: referring,
    searchParam: [...searchParameters.values()].map(({ name, kind }) => ({ name, type: kind })),
    ...(type === 'Patient' && {
      operation: [{ name: 'everything', definition: 'http://hl7.org/fhir/OperationDefinition/Patient-everything' }],
    }),
  };
}
