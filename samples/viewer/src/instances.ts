/** Which images a study has, and where they are. */
import { type Resource, textAt, valuesAt } from '../../kit/fhir.ts';
import type { ImagePlace } from './measure.ts';

/** The study's DICOM UID; undefined where it has none. */
export function studyUid(study: Resource): string | undefined {
  const found = valuesAt(study, 'identifier').find((one) => textAt(one, 'system') === 'urn:dicom:uid');
  return /^urn:oid:([\d.]+)$/.exec(textAt(found, 'value') ?? '')?.[1];
}

/**
 * The UIDs of a series' images, in their order. Where the record counts them only, they are those that Lockstep gives its
 * samples.
 */
export function instancesOf(series: unknown): readonly string[] {
  const listed = valuesAt(series, 'instance').flatMap((one) => {
    const uid = textAt(one, 'uid');
    return uid === undefined ? [] : [{ uid, number: Number(valuesAt(one, 'number')[0] ?? 0) }];
  });
  if (listed.length > 0) return listed.sort((a, b) => a.number - b.number).map(({ uid }) => uid);
  const count = Math.min(5000, Number(valuesAt(series, 'numberOfInstances')[0]) || 0);
  return Array.from({ length: count }, (_, at) => `${textAt(series, 'uid')}.${at + 1}`);
}

/** Below the FHIR base, as in DICOMweb (PS3.18 10.4). */
export function addressOf({ study, series, instance }: ImagePlace): string {
  return `dicom-web/studies/${study}/series/${series}/instances/${instance}`;
}
