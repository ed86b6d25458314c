/** One image of a DICOM file, as far as this viewer shows it: 16 bits a pixel, gray, not compressed. */
import dcmjs from 'dcmjs';

export interface DicomImage {
  readonly rows: number;
  readonly columns: number;
  /** Stored values, by rows. */
  readonly pixels: Int16Array | Uint16Array;
  /** Between the middles of pixels, mm: down and along. */
  readonly spacing: readonly [row: number, column: number];
  /** Stored value × slope + intercept is what was measured. */
  readonly slope: number;
  readonly intercept: number;
  /** In what was measured; where the file says none, all of it. */
  readonly window: ImageWindow;
  /** Of a slice (PS3.3 C.7.6.2): six direction cosines, and where its first pixel is, mm. */
  readonly orientation?: readonly number[];
  readonly position?: readonly number[];
  /** Where rows and columns lead to, in letters: `L`, `F`. */
  readonly leads: readonly [row: string, column: string];
  readonly modality: string;
  /** Whether small values are bright. */
  readonly inverted: boolean;
}

export interface ImageWindow {
  readonly center: number;
  readonly width: number;
}

function numbers(value: unknown): readonly number[] {
  return [value].flat().map(Number).filter(Number.isFinite);
}

/** The letter of the axis that a direction follows most (PS3.3 C.7.6.1.1.1). */
function letterOf([x = 0, y = 0, z = 0]: readonly number[]): string {
  const [, letter] = (
    [
      [Math.abs(x), x > 0 ? 'L' : 'R'],
      [Math.abs(y), y > 0 ? 'P' : 'A'],
      [Math.abs(z), z > 0 ? 'H' : 'F'],
    ] as const
  ).reduce((most, one) => (one[0] > most[0] ? one : most));
  return letter;
}

function leadsOf(orientation: readonly number[], said: unknown): readonly [string, string] {
  if (orientation.length === 6) return [letterOf(orientation.slice(0, 3)), letterOf(orientation.slice(3))];
  const [row = '', column = ''] = [said].flat().map(String);
  return [row, column];
}

/** @throws Error for what is no such file */
export function readDicomImage(file: ArrayBuffer): DicomImage {
  const { dict } = dcmjs.data.DicomMessage.readFile(file);
  const data = dcmjs.data.DicomMetaDictionary.naturalizeDataset(dict);
  const rows = Number(data.Rows);
  const columns = Number(data.Columns);
  const [stored] = [data.PixelData].flat();
  const fits = stored instanceof ArrayBuffer && stored.byteLength >= rows * columns * 2 && rows * columns > 0;
  if (!fits || Number(data.BitsAllocated) !== 16 || Number(data.SamplesPerPixel ?? 1) !== 1) {
    throw new Error('an image of a kind that this viewer does not show');
  }
  const signed = Number(data.PixelRepresentation) === 1;
  const pixels = signed ? new Int16Array(stored, 0, rows * columns) : new Uint16Array(stored, 0, rows * columns);
  const [slope = 1] = numbers(data.RescaleSlope ?? 1);
  const [intercept = 0] = numbers(data.RescaleIntercept ?? 0);
  const [center, width] = [numbers(data.WindowCenter ?? [])[0], numbers(data.WindowWidth ?? [])[0]];
  const orientation = numbers(data.ImageOrientationPatient ?? []);
  const position = numbers(data.ImagePositionPatient ?? []);
  const [down = 1, along = down] = numbers(data.PixelSpacing ?? data.ImagerPixelSpacing ?? []);
  return {
    rows,
    columns,
    pixels,
    spacing: [down, along],
    slope,
    intercept,
    window: center === undefined || width === undefined ? whole(pixels, slope, intercept) : { center, width },
    ...(orientation.length === 6 && position.length === 3 && { orientation, position }),
    leads: leadsOf(orientation, data.PatientOrientation),
    modality: String(data.Modality ?? ''),
    inverted: data.PhotometricInterpretation === 'MONOCHROME1',
  };
}

/** Of all values. */
export function rangeOf(pixels: DicomImage['pixels']): readonly [least: number, most: number] {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const value of pixels) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return [least, most];
}

function whole(pixels: DicomImage['pixels'], slope: number, intercept: number): ImageWindow {
  const [least, most] = rangeOf(pixels).map((value) => value * slope + intercept) as [number, number];
  return { center: (least + most) / 2, width: Math.max(1, most - least) };
}
