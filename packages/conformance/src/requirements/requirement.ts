import type { HubVersion } from '../specification.ts';

/** A sentence of a specification that somebody has to keep. */
export interface Requirement {
  readonly id: string;
  /** Chapter and heading, as a reader finds it. */
  readonly section: string;
  readonly version: HubVersion;
  readonly level: 'SHALL' | 'SHOULD' | 'MAY';
  readonly on: 'Hub' | 'Subscriber';
  /** The words of the specification; `…` stands for words left out. */
  readonly quote: string;
  readonly link: string;
  /** Why no check can rest on it, seen from outside. */
  readonly unobservable?: string;
}

type Row = readonly [id: string, quote: string, more?: { level?: 'SHOULD' | 'MAY'; unobservable?: string }];

function rows(
  version: HubVersion,
  on: Requirement['on'],
  section: string,
  link: string,
  list: readonly Row[],
): readonly Requirement[] {
  return list.map(([id, quote, more]) => ({
    id,
    section,
    version,
    level: more?.level ?? 'SHALL',
    on,
    quote,
    link,
    ...(more?.unobservable !== undefined && { unobservable: more.unobservable }),
  }));
}

const HL7 = 'https://build.fhir.org/ig/HL7/fhircast-docs';
const HL7_STU2 = 'https://fhircast.hl7.org/specification/STU2/';
const IHE = 'https://profiles.ihe.net/RAD/IRA';

export const hub3 = (section: string, page: string, list: readonly Row[]) =>
  rows('3.0.0', 'Hub', section, `${HL7}/${page}`, list);
/** What a specification says that FHIRcast rests on. */
export const elsewhere3 = (section: string, link: string, list: readonly Row[]) =>
  rows('3.0.0', 'Hub', section, link, list);
export const subscriber3 = (section: string, page: string, list: readonly Row[]) =>
  rows('3.0.0', 'Subscriber', section, `${HL7}/${page}`, list);
export const hub2 = (section: string, anchor: string, list: readonly Row[]) =>
  rows('STU2', 'Hub', section, `${HL7_STU2}#${anchor}`, list);
export const hubIra = (section: string, page: string, list: readonly Row[]) =>
  rows('IRA', 'Hub', section, `${IHE}/${page}`, list);
export const subscriberIra = (section: string, page: string, list: readonly Row[]) =>
  rows('IRA', 'Subscriber', section, `${IHE}/${page}`, list);
