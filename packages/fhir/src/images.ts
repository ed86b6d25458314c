/** Images of studies at an address of DICOMweb (PS3.18 10.4), for who may see the study. */
import { FhirRefusal } from './refusal.ts';
import type { Resource } from './resource.ts';

/** Where an image is, by DICOM UIDs. */
export interface ImageAddress {
  readonly study: string;
  readonly series: string;
  readonly instance: string;
}

/**
 * Makes or finds the DICOM file of an image.
 * @param patient whom the study is about, where the caller may see them
 * @returns undefined where the study has no such image
 */
export type ImagesOf = (study: Resource, patient: Resource | undefined, image: ImageAddress) => Uint8Array | undefined;

export const DICOM = 'application/dicom';

/** The search that finds the study. @throws FhirRefusal 404 for what is no UID */
export function studySearch({ study, series, instance }: ImageAddress): URLSearchParams {
  for (const uid of [study, series, instance]) {
    if (!/^\d+(\.\d+)*$/.test(uid) || uid.length > 64) throw noImage();
  }
  return new URLSearchParams({ identifier: `urn:dicom:uid|urn:oid:${study}` });
}

export function noImage(): FhirRefusal {
  return new FhirRefusal(404, 'not-found', 'There is no such image.');
}

/** @throws FhirRefusal 406 where the answer may not be a DICOM file */
export function requireDicom(accept: string | undefined): void {
  if (accept === undefined || /application\/(dicom|\*)|\*\/\*/i.test(accept)) return;
  throw new FhirRefusal(406, 'not-supported', `Images come as ${DICOM}.`);
}
