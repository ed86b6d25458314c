import { createRequire } from 'node:module';

const { name, version } = createRequire(import.meta.url)('../package.json') as { name: string; version: string };

/** This suite, and the sources of the specifications that its checks were written from. */
export const SUITE = {
  name,
  version,
  specifications: {
    'HL7/fhircast-docs': '7fb94846b6cb90fa92126bb06bc39204a39ac439',
    'IHE/RAD.IRA': '0f88d78000347feb232c388d311d15e6b6c8a486',
  },
} as const;
