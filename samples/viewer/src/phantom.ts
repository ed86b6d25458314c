/** Stands in for images: the sample record has studies but no pixels, so a picture is drawn from a series' identity. */

/** Repeatable chance (mulberry32), so that a series always looks the same. */
function chanceOf(seed: string): () => number {
  let state = 2166136261;
  for (const char of seed) state = Math.imul(state ^ char.charCodeAt(0), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** An ellipse of one brightness, in fractions of the picture. */
export type Blob = readonly [x: number, y: number, width: number, height: number, brightness: number, turn?: number];

/** Modalities that project the whole body onto one picture, and cut no slices. */
const PROJECTIONS = new Set(['CR', 'DX', 'RF', 'XA']);

/** A chest radiograph from the front: lungs beside the spine under the ribs, the heart to the patient's left. */
function frontalChest(chance: () => number): readonly Blob[] {
  const ribs = Array.from({ length: 8 }, (_, index) => 0.2 + index * 0.068);
  return [
    [0.5, 0.56, 0.42, 0.48, 96],
    [0.32, 0.46, 0.135, 0.28, 30, 0.06],
    [0.68, 0.46, 0.135, 0.28, 30, -0.06],
    ...ribs.flatMap((y): readonly Blob[] => [
      [0.31, y, 0.15, 0.008, 66, -0.28],
      [0.69, y, 0.15, 0.008, 66, 0.28],
    ]),
    [0.3, 0.17, 0.16, 0.014, 120, -0.2],
    [0.7, 0.17, 0.16, 0.014, 120, 0.2],
    [0.5, 0.5, 0.035, 0.46, 140],
    [0.56, 0.57, 0.115, 0.13, 158, 0.5],
    [0.3, 0.8, 0.19, 0.1, 150],
    [0.7, 0.82, 0.19, 0.1, 146],
    [0.28 + 0.08 * chance(), 0.34 + 0.1 * chance(), 0.016, 0.016, 96],
  ];
}

/** A chest radiograph from the side: the heart behind the breastbone, the spine at the back. */
function lateralChest(): readonly Blob[] {
  return [
    [0.5, 0.55, 0.34, 0.47, 92],
    [0.5, 0.45, 0.24, 0.3, 34],
    [0.28, 0.42, 0.02, 0.26, 150, -0.12],
    [0.4, 0.6, 0.13, 0.14, 150, 0.4],
    ...Array.from({ length: 10 }, (_, index): Blob => [0.72, 0.18 + index * 0.07, 0.035, 0.026, 150]),
    [0.48, 0.82, 0.25, 0.09, 140],
  ];
}

/**
 * What a picture is drawn of.
 * @param kind what is shown, in words of study and series
 * @param modality DICOM code: a radiograph is a projection, a CT is cut
 * @param depth where in the series, 0 to 1
 */
export function shapesOf(kind: string, modality: string, depth: number, chance: () => number): readonly Blob[] {
  if (PROJECTIONS.has(modality) && /chest|lung|thora/i.test(kind)) {
    return /lateral/i.test(kind) ? lateralChest() : frontalChest(chance);
  }
  const wave = Math.sin(depth * Math.PI);
  if (/chest|lung|thora/i.test(kind)) {
    const lung = 0.115 + 0.05 * wave;
    return [
      [0.5, 0.5, 0.44, 0.34, 95],
      [0.5, 0.5, 0.41, 0.31, 120],
      [0.31, 0.5, lung, 0.22 + 0.04 * wave, 18, 0.15],
      [0.69, 0.5, lung, 0.22 + 0.04 * wave, 18, -0.15],
      [0.54, 0.48, 0.06 + 0.06 * wave, 0.09 + 0.06 * wave, 150],
      [0.5, 0.72, 0.06, 0.06, 215],
      [0.57, 0.68, 0.025, 0.025, 165],
      [0.34 + 0.1 * chance(), 0.4 + 0.1 * chance(), 0.018 * wave, 0.016 * wave, 170],
      ...Array.from({ length: 14 }, (_, index): Blob => {
        const side = index % 2 === 0 ? 0.31 : 0.69;
        return [side + (chance() - 0.5) * 0.15, 0.5 + (chance() - 0.5) * 0.3, 0.004 + 0.004 * chance(), 0.004, 110];
      }),
    ];
  }
  if (/brain|head|skull|cereb/i.test(kind)) {
    return [
      [0.5, 0.5, 0.34, 0.41, 200],
      [0.5, 0.5, 0.315, 0.385, 40],
      [0.5, 0.5, 0.305, 0.375, 125],
      [0.5, 0.5, 0.27, 0.33, 148],
      [0.455, 0.47, 0.03 + 0.02 * wave, 0.1 * wave, 45, 0.25],
      [0.545, 0.47, 0.03 + 0.02 * wave, 0.1 * wave, 45, -0.25],
      [0.5, 0.5, 0.004, 0.36, 80],
      [0.6 + 0.05 * chance(), 0.62, 0.04 * wave, 0.035 * wave, 185],
    ];
  }
  if (/breast|mammo/i.test(kind)) {
    return [
      [0.2, 0.5, 0.5, 0.36, 90],
      [0.26, 0.5, 0.34, 0.26, 125],
      ...Array.from(
        { length: 22 },
        (): Blob => [
          0.2 + 0.3 * chance(),
          0.32 + 0.36 * chance(),
          0.02 + 0.05 * chance(),
          0.01 + 0.02 * chance(),
          150,
          chance(),
        ],
      ),
      [0.38, 0.44, 0.03, 0.026, 225],
    ];
  }
  if (/knee|wrist|ankle|hand|foot|femur|bone|shoulder|hip|spine/i.test(kind)) {
    return [
      [0.5, 0.5, 0.24, 0.47, 70],
      [0.48, 0.22, 0.1, 0.24, 185],
      [0.48, 0.4, 0.15, 0.09, 205],
      [0.48, 0.6, 0.15, 0.09, 205],
      [0.48, 0.8, 0.09, 0.22, 185],
      [0.62, 0.8, 0.035, 0.2, 170],
      [0.6 + 0.02 * wave, 0.46, 0.05, 0.06, 195],
    ];
  }
  return [
    [0.5, 0.5, 0.44, 0.33, 95],
    [0.5, 0.5, 0.41, 0.3, 118],
    [0.33, 0.45, 0.16, 0.15 + 0.05 * wave, 160, 0.3],
    [0.68, 0.46, 0.07, 0.08, 150],
    [0.38, 0.62, 0.055, 0.075 * wave, 172, 0.4],
    [0.64, 0.62, 0.055, 0.075 * wave, 172, -0.4],
    [0.5, 0.7, 0.055, 0.055, 215],
    [0.47, 0.58, 0.024, 0.024, 165],
    ...Array.from(
      { length: 9 },
      (): Blob => [0.42 + 0.25 * chance(), 0.36 + 0.14 * chance(), 0.03, 0.02, 60 + 60 * chance(), chance()],
    ),
  ];
}

/**
 * Draws one image of a series.
 * @param kind what is shown, in words of study and series
 * @param modality DICOM code
 * @param depth where in the series, 0 to 1
 */
export function drawPhantom(
  canvas: HTMLCanvasElement,
  seed: string,
  kind: string,
  modality: string,
  depth: number,
): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  const { width, height } = canvas;
  const chance = chanceOf(seed);
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  context.filter = 'blur(1.6px)';
  for (const [x, y, rx, ry, brightness, turn = 0] of shapesOf(kind, modality, depth, chance)) {
    context.fillStyle = `rgb(${brightness} ${brightness} ${brightness})`;
    context.beginPath();
    context.ellipse(x * width, y * height, Math.max(0, rx) * width, Math.max(0, ry) * height, turn, 0, Math.PI * 2);
    context.fill();
  }
  context.filter = 'none';
  const image = context.getImageData(0, 0, width, height);
  const noise = chanceOf(`${seed} ${depth}`);
  for (let at = 0; at < image.data.length; at += 4) {
    const value = (image.data[at] ?? 0) + (noise() - 0.5) * 26;
    image.data[at] = image.data[at + 1] = image.data[at + 2] = value;
  }
  context.putImageData(image, 0, 0);
}
