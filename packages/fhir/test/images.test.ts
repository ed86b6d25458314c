/** The images of the sample studies, read by a DICOM library, and who may have them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import dcmjs from 'dcmjs';
import { sampleImage } from '../src/index.ts';
import type { Resource } from '../src/resource.ts';
import { sampleResources } from '../src/samples/index.ts';
import { type Endpoint, startEndpoint } from './harness.ts';

const samples = sampleResources();
const studies = samples.filter(({ resourceType }) => resourceType === 'ImagingStudy') as unknown as Study[];

interface Study extends Resource {
  readonly identifier: readonly { readonly value: string }[];
  readonly subject: { readonly reference: string };
  readonly series: readonly {
    readonly uid: string;
    readonly description: string;
    readonly modality: { readonly code: string };
    readonly numberOfInstances: number;
  }[];
}

/** A file's elements by their names, as the library reads them. */
interface Dataset {
  readonly [name: string]: unknown;
  readonly Rows: number;
  readonly Columns: number;
  readonly PixelData: readonly ArrayBuffer[];
}

function read(file: Uint8Array): Dataset {
  const bytes = Uint8Array.from(file);
  const { dict } = dcmjs.data.DicomMessage.readFile(bytes.buffer);
  return dcmjs.data.DicomMetaDictionary.naturalizeDataset(dict) as Dataset;
}

const uidOf = (study: Study): string => study.identifier[0]?.value.replace('urn:oid:', '') ?? '';
const patientOf = ({ subject }: Study) =>
  samples.find(({ resourceType, id }) => `${resourceType}/${id}` === subject.reference) as Resource | undefined;

function image(study: Study, series: number, instance: number | string): Uint8Array | undefined {
  const { uid = '' } = study.series[series] ?? {};
  return sampleImage(study, patientOf(study), { study: uidOf(study), series: uid, instance: `${uid}.${instance}` });
}

/** Whose description has the words. @throws Error where there is none */
function seriesWith(modality: string, words: RegExp): readonly [Study, number] {
  for (const study of studies) {
    const at = study.series.findIndex(
      ({ modality: { code }, description }) => code === modality && words.test(description),
    );
    if (at >= 0) return [study, at];
  }
  throw new Error(`no ${modality} ${words}`);
}

/** Mean of the pixels in a part of the picture, given in fractions of it. */
function mean(dataset: Dataset, [left, right]: readonly [number, number], [top, bottom]: readonly [number, number]) {
  const { Rows: rows, Columns: columns } = dataset;
  const pixels = new Int16Array(dataset.PixelData[0] ?? new ArrayBuffer(0));
  let sum = 0;
  let count = 0;
  for (let y = Math.floor(top * rows); y < bottom * rows; y++) {
    for (let x = Math.floor(left * columns); x < right * columns; x++) {
      sum += pixels[y * columns + x] ?? 0;
      count++;
    }
  }
  return sum / count;
}

describe('FHR-3 images of the samples', () => {
  test('every series has images that a DICOM library reads, of its own patient, study and series', () => {
    for (const study of studies) {
      for (const [at, { uid, modality, numberOfInstances }] of study.series.entries()) {
        const file = image(study, at, numberOfInstances);
        assert.ok(file, `${study.id} ${uid}`);
        const dataset = read(file);
        const { Rows: rows, Columns: columns } = dataset;
        assert.equal(dataset.PixelData[0]?.byteLength, rows * columns * 2);
        assert.equal(dataset.StudyInstanceUID, uidOf(study));
        assert.equal(dataset.SeriesInstanceUID, uid);
        assert.equal(dataset.SOPInstanceUID, `${uid}.${numberOfInstances}`);
        assert.equal(dataset.Modality, modality.code);
        assert.equal(dataset.PatientBirthDate, String(patientOf(study)?.birthDate).replaceAll('-', ''));
      }
    }
  });

  test('an image is always the same, and what a study does not have is not made up', () => {
    const [study, at] = seriesWith('CT', /Lung/);
    assert.deepEqual(image(study, at, 7), image(study, at, 7));
    for (const none of ['0', '00', '01', '1.1', '', '-1', '1e2', ' 1', '1000000000', 'x']) {
      assert.equal(image(study, at, none), undefined, none);
    }
    const count = study.series[at]?.numberOfInstances ?? 0;
    assert.ok(image(study, at, count));
    assert.equal(image(study, at, count + 1), undefined);
    const theirs = { ...study, identifier: [{ system: 'urn:dicom:uid', value: 'urn:oid:1.2.840.1' }] };
    assert.equal(image(theirs, at, 1), undefined, 'a study that is none of the samples');
  });

  test('a CT is a stack of axial slices from the head down, in Hounsfield units', () => {
    const [study, at] = seriesWith('CT', /Mediastinum/);
    const [first, second] = [1, 2].map((number) => read(image(study, at, number) ?? new Uint8Array()));
    assert.ok(first && second);
    assert.deepEqual(first.ImageOrientationPatient, [1, 0, 0, 0, 1, 0]);
    const [one, other] = [first, second].map(({ ImagePositionPatient: place }) => (place as readonly number[])[2] ?? 0);
    assert.ok((one ?? 0) > (other ?? 0));
    const middle = read(image(study, at, 50) ?? new Uint8Array());
    assert.ok(mean(middle, [0, 0.02], [0, 0.02]) < -950, 'air around the body');
    assert.ok(mean(middle, [0.28, 0.34], [0.45, 0.55]) < -700, 'lung');
  });

  test('a chest radiograph is a projection from the front or the side: the heart to the left of the patient', () => {
    const [study, at] = seriesWith('DX', /Chest PA/);
    const frontal = read(image(study, at, 1) ?? new Uint8Array());
    assert.equal(frontal.ViewPosition, 'PA');
    assert.deepEqual(frontal.PatientOrientation, ['L', 'F']);
    assert.equal(frontal.ImagePositionPatient, undefined, 'it is no slice');
    const patientsRight = mean(frontal, [0.36, 0.44], [0.6, 0.7]);
    const patientsLeft = mean(frontal, [0.58, 0.66], [0.6, 0.7]);
    assert.ok(patientsLeft > patientsRight + 100, `${patientsLeft} and ${patientsRight}`);
    const [sideStudy, sideAt] = seriesWith('DX', /Chest lateral/);
    const lateral = read(image(sideStudy, sideAt, 1) ?? new Uint8Array());
    assert.equal(lateral.ViewPosition, 'LL');
    assert.deepEqual(lateral.PatientOrientation, ['P', 'F']);
    assert.notEqual(lateral.Columns / lateral.Rows, frontal.Columns / frontal.Rows);
  });

  test('fluid is bright in T2 and dark in T1', () => {
    const ventricle = (words: RegExp): number => {
      const [study, at] = seriesWith('MR', words);
      const count = study.series[at]?.numberOfInstances ?? 0;
      return mean(read(image(study, at, Math.round(count * 0.42)) ?? new Uint8Array()), [0.4, 0.43], [0.4, 0.45]);
    };
    assert.ok(ventricle(/T2 TSE axial/) > 700);
    assert.ok(ventricle(/T1 MPRAGE$/) < 350);
  });
});

describe('FHR-2 an image is for who may see its study', () => {
  let endpoint: Endpoint;
  before(async () => {
    endpoint = await startEndpoint();
    await endpoint.service.seedSampleData();
  });
  after(() => endpoint.close());

  const [mine] = studies;
  const theirs = studies.find(({ subject }) => subject.reference !== mine?.subject.reference);
  const addressOf = (study: Study | undefined, number = 1): string => {
    const uid = study?.series[0]?.uid;
    return `/dicom-web/studies/${study && uidOf(study)}/series/${uid}/instances/${uid}.${number}`;
  };
  const radiologist = { user: 'Practitioner/dr-lena-okafor' };

  test('with the scope it comes as a DICOM file, and whose it is is in the audit record', async () => {
    const bearer = endpoint.token({ scope: 'user/ImagingStudy.rs user/Patient.rs', ...radiologist });
    const answer = await endpoint.get(addressOf(mine), bearer, { accept: 'application/dicom' });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'application/dicom');
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    const id = mine?.subject.reference.split('/')[1] ?? '';
    const family = (mine && patientOf(mine)?.name) as readonly { readonly family: string }[] | undefined;
    const [name] = read(answer.bytes).PatientName as readonly { readonly Alphabetic: string }[];
    assert.ok(name?.Alphabetic.startsWith(`${family?.[0]?.family}^`));
    assert.deepEqual(endpoint.audits.at(-1)?.patients, [id]);
  });

  test('who may not see the patient gets the image without their name', async () => {
    const bearer = endpoint.token({ scope: 'user/ImagingStudy.rs', ...radiologist });
    const answer = await endpoint.get(addressOf(mine), bearer);
    assert.equal(answer.status, 200);
    assert.ok(!answer.text.includes('Diallo'));
  });

  test('another patient has no images, and without the scope there are none', async () => {
    const patient = mine?.subject.reference.split('/')[1] ?? '';
    const launched = endpoint.token({ scope: 'patient/*.rs', patient, ...radiologist });
    assert.equal((await endpoint.get(addressOf(mine), launched)).status, 200);
    assert.equal((await endpoint.get(addressOf(theirs), launched)).status, 404);
    assert.equal((await endpoint.get(addressOf(mine), endpoint.token({ scope: 'user/Patient.rs' }))).status, 403);
    assert.equal((await endpoint.get(addressOf(mine))).status, 401);
  });

  test('what is no image is not there; another kind of answer or method is refused', async () => {
    const bearer = endpoint.token({ scope: 'user/*.rs', ...radiologist });
    for (const address of [
      addressOf(mine, 0),
      addressOf(mine, 100_000),
      addressOf(mine).replace('studies/2', 'studies/3'),
      '/dicom-web/studies/1/series/1/instances/1',
      '/dicom-web/studies/1%7C1,2.999.7.26.1.1/series/1/instances/1',
      `/dicom-web/studies/${'1'.repeat(65)}/series/1/instances/1`,
      '/dicom-web/studies/x/series/y/instances/z',
    ]) {
      const { status, body } = await endpoint.get(address, bearer);
      assert.equal(status, 404, address);
      assert.equal(body.resourceType, 'OperationOutcome');
    }
    assert.equal((await endpoint.get(addressOf(mine), bearer, { accept: 'image/png' })).status, 406);
    assert.equal((await endpoint.send('DELETE', addressOf(mine), bearer)).status, 405);
  });
});
