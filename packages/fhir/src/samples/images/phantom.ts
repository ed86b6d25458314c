/**
 * Invented bodies as volumes of tissue. Coordinates are those of DICOM (PS3.3 C.7.6.2.1.1), mm from the middle: x to the
 * patient's left, y to the back, z to the head.
 */
import { TISSUES, type Tissue } from './tissues.ts';

export type Point = readonly [x: number, y: number, z: number];

/** A box of equal voxels, each of one tissue. */
export class Phantom {
  /** Edge of a voxel, mm. */
  readonly voxel: number;
  /** Voxels along x, y and z. */
  readonly size: Point;
  readonly tissue: Uint8Array;

  /** @param extent mm along x, y and z */
  constructor(extent: Point, voxel: number) {
    this.voxel = voxel;
    this.size = [Math.ceil(extent[0] / voxel), Math.ceil(extent[1] / voxel), Math.ceil(extent[2] / voxel)];
    this.tissue = new Uint8Array(this.size[0] * this.size[1] * this.size[2]);
  }

  /** The first and last coordinate along an axis, mm. */
  range(axis: 0 | 1 | 2): readonly [number, number] {
    const half = ((this.size[axis] - 1) * this.voxel) / 2;
    return [-half, half];
  }

  /** An ellipsoid along the axes, over what was there. */
  fill(tissue: Tissue, [cx, cy, cz]: Point, [rx, ry, rz]: Point): void {
    const { voxel, size } = this;
    const code = TISSUES.indexOf(tissue);
    const middle = size.map((count) => (count - 1) / 2);
    const [mx = 0, my = 0, mz = 0] = middle;
    const first = (center: number, radius: number, at: number) =>
      Math.max(0, Math.ceil((center - radius) / voxel + at));
    const last = (center: number, radius: number, at: number, count: number) =>
      Math.min(count - 1, Math.floor((center + radius) / voxel + at));
    for (let k = first(cz, rz, mz); k <= last(cz, rz, mz, size[2]); k++) {
      const dz = ((k - mz) * voxel - cz) / rz;
      for (let j = first(cy, ry, my); j <= last(cy, ry, my, size[1]); j++) {
        const dy = ((j - my) * voxel - cy) / ry;
        const left = 1 - dz * dz - dy * dy;
        if (left < 0) continue;
        const half = rx * Math.sqrt(left);
        const row = (k * size[1] + j) * size[0];
        this.tissue.fill(code, row + first(cx, half, mx), row + last(cx, half, mx, size[0]) + 1);
      }
    }
  }

  /** Ellipsoids on both sides of the body. */
  both(tissue: Tissue, [x, y, z]: Point, radius: Point): void {
    this.fill(tissue, [x, y, z], radius);
    this.fill(tissue, [-x, y, z], radius);
  }
}

/** Bones of the trunk: the spine, and ribs that run from it around the chest, down to the front. */
function skeleton(body: Phantom): void {
  for (let z = 270; z > -260; z -= 26) {
    body.fill('bone', [0, 62, z], [19, 16, 11]);
    body.fill('marrow', [0, 62, z], [16, 13, 8]);
    body.fill('bone', [0, 92, z], [5, 14, 6]);
  }
  for (let rib = 0; rib < 10; rib++) {
    const top = 235 - rib * 24;
    const width = Math.min(138, 84 + rib * 14);
    for (let turn = 0.1; turn < 0.9; turn += 0.012) {
      const angle = Math.PI * turn;
      const at: Point = [width * Math.sin(angle), 8 + 82 * Math.cos(angle), top - 62 * turn];
      body.both('bone', at, [4, 4, 5]);
    }
  }
  body.fill('bone', [0, -80, 150], [16, 6, 78]);
  body.fill('marrow', [0, -80, 150], [12, 3, 72]);
  for (let along = 0; along < 1; along += 0.05)
    body.both('bone', [20 + 120 * along, -66 + 30 * along, 246 + 14 * along], [6, 6, 5]);
  body.both('bone', [88, 40, -215], [46, 40, 42]);
  body.both('marrow', [88, 40, -215], [40, 34, 36]);
}

/** From the neck to the hips. */
function trunk(): Phantom {
  const body = new Phantom([380, 260, 600], 3);
  body.fill('fat', [0, 0, -40], [176, 118, 330]);
  body.fill('fat', [0, 10, 280], [70, 70, 90]);
  body.fill('muscle', [0, 2, -40], [158, 104, 322]);
  body.fill('muscle', [0, 12, 280], [58, 58, 90]);
  body.fill('fat', [0, -18, -130], [122, 72, 130]);
  body.both('muscle', [36, 66, -110], [30, 24, 190]);
  // Right of the patient is where x is negative: the right lung is the larger one.
  body.fill('lung', [-76, 2, 110], [60, 84, 138]);
  body.fill('lung', [76, 2, 116], [56, 84, 130]);
  // Vessels in the lungs, thinner the farther out.
  for (let branch = 0; branch < 26; branch++) {
    const angle = branch * 2.4;
    for (let along = 0; along < 1; along += 0.05) {
      const reach = 12 + 50 * along;
      const at: Point = [26 + reach * 0.9, reach * Math.sin(angle) * 0.9, 110 + reach * 1.5 * Math.cos(angle)];
      body.both('blood', at, [4.6 - 3 * along, 4.6 - 3 * along, 4.6 - 3 * along]);
    }
  }
  body.fill('lesion', [-84, -14, 186], [6, 6, 6]);
  body.fill('muscle', [0, -12, 120], [30, 62, 120]);
  body.fill('air', [0, 24, 230], [9, 9, 70]);
  body.fill('muscle', [28, -26, 66], [62, 54, 62]);
  body.fill('blood', [30, -28, 70], [50, 42, 50]);
  body.fill('blood', [6, -10, 150], [16, 18, 34]);
  body.fill('blood', [14, 40, -10], [12, 12, 190]);
  // Under the diaphragm, whose right half stands higher.
  body.fill('liver', [-64, -8, -52], [84, 84, 76]);
  body.fill('spleen', [98, 34, -48], [34, 34, 48]);
  body.fill('air', [74, -44, -34], [30, 28, 22]);
  body.fill('water', [66, -32, -72], [42, 34, 34]);
  body.both('kidney', [62, 52, -120], [28, 26, 54]);
  body.both('fat', [52, 48, -120], [12, 10, 26]);
  body.fill('water', [-50, -54, -94], [16, 20, 26]);
  body.fill('lesion', [-92, -6, -64], [11, 11, 11]);
  for (let turn = 0; turn < 18; turn++) {
    const angle = turn * 1.05;
    body.fill(
      'muscle',
      [62 * Math.cos(angle), -42 + 16 * Math.sin(turn), -150 - 3 * turn + 20 * Math.sin(angle)],
      [17, 15, 15],
    );
    body.fill(
      turn % 3 === 0 ? 'air' : 'water',
      [62 * Math.cos(angle), -44 + 16 * Math.sin(turn), -150 - 3 * turn + 20 * Math.sin(angle)],
      [11, 9, 9],
    );
  }
  body.fill('water', [0, -24, -232], [38, 36, 32]);
  body.fill('gland', [0, 4, -268], [24, 18, 20]);
  body.fill('lesion', [-11, 10, -268], [5, 5, 6]);
  skeleton(body);
  return body;
}

function head(): Phantom {
  const body = new Phantom([180, 220, 240], 2);
  body.fill('fat', [0, 0, 10], [80, 100, 104]);
  body.fill('muscle', [0, 26, -80], [50, 60, 60]);
  body.fill('bone', [0, 2, 14], [76, 95, 98]);
  body.fill('water', [0, 2, 14], [69, 88, 91]);
  body.fill('grey', [0, 2, 16], [67, 86, 88]);
  // Folds: fluid that reaches into the rind from outside.
  for (let fold = 0; fold < 90; fold++) {
    const around = fold * 2.39996;
    const up = 1 - (2 * (fold + 0.5)) / 90;
    const flat = Math.sqrt(1 - up * up);
    body.fill('water', [65 * flat * Math.cos(around), 2 + 84 * flat * Math.sin(around), 16 + 86 * up], [4, 4, 7]);
  }
  body.both('white', [30, 2, 18], [26, 68, 62]);
  body.fill('white', [0, 2, 24], [16, 40, 10]);
  body.fill('water', [0, 0, 78], [1.6, 72, 26]);
  body.both('water', [13, -18, 26], [8, 24, 12]);
  body.both('water', [19, 24, 20], [8, 26, 13]);
  body.both('grey', [18, -8, 8], [11, 18, 13]);
  body.fill('water', [0, 4, 6], [3, 12, 12]);
  body.fill('grey', [0, 56, -44], [46, 30, 26]);
  body.fill('white', [0, 54, -44], [30, 18, 14]);
  body.fill('white', [0, 24, -52], [14, 14, 40]);
  body.both('water', [32, -76, -28], [12, 13, 12]);
  body.both('air', [20, -64, -58], [14, 16, 18]);
  body.fill('lesion', [34, 14, 34], [9, 11, 9]);
  return body;
}

/** The right one, seen with its kneecap in front. */
function knee(): Phantom {
  const body = new Phantom([160, 160, 240], 1.6);
  body.fill('fat', [0, 0, 0], [70, 72, 150]);
  body.fill('muscle', [0, 14, 0], [60, 54, 150]);
  body.fill('fat', [0, 10, 0], [54, 46, 60]);
  body.fill('bone', [0, 0, 90], [20, 20, 80]);
  body.fill('marrow', [0, 0, 90], [14, 14, 78]);
  for (const side of [-1, 1]) {
    body.fill('cartilage', [24 * side, 6, 22], [24, 32, 24]);
    body.fill('bone', [24 * side, 6, 24], [22, 30, 23]);
    body.fill('marrow', [24 * side, 6, 25], [19, 27, 20]);
    body.fill('cartilage', [26 * side, 6, -1], [19, 26, 3.2]);
    body.fill('water', [40 * side, 6, 0], [4, 16, 3]);
  }
  body.fill('bone', [0, 4, -26], [46, 34, 22]);
  body.fill('marrow', [0, 4, -27], [43, 31, 19]);
  body.fill('bone', [0, 2, -100], [21, 21, 78]);
  body.fill('marrow', [0, 2, -100], [15, 15, 76]);
  body.fill('bone', [36, 26, -90], [9, 9, 70]);
  body.fill('bone', [0, -48, 24], [20, 10, 22]);
  body.fill('marrow', [0, -48, 24], [16, 7, 18]);
  body.fill('water', [0, -34, 48], [26, 6, 20]);
  body.fill('lesion', [-30, 12, -18], [9, 9, 7]);
  return body;
}

/** A left hand, fingers up. */
function hand(): Phantom {
  const body = new Phantom([130, 60, 220], 1.2);
  body.fill('muscle', [0, 0, -34], [42, 14, 56]);
  body.fill('muscle', [0, 0, -96], [28, 18, 40]);
  const fingers: readonly (readonly [x: number, lean: number, length: number])[] = [
    [-30, -0.1, 62],
    [-11, -0.03, 76],
    [8, 0.03, 72],
    [26, 0.12, 54],
  ];
  for (const [x, lean, length] of fingers) {
    const point = (up: number): Point => [x + lean * up, 0, up - 12];
    for (let up = 0; up < length + 20; up += 2) body.fill('muscle', point(up), [8, 8, 5]);
    for (let up = -50; up < -4; up += 1.5) body.fill('bone', point(up), [3.6, 3.6, 2]);
    for (const [from, to] of [
      [2, 0.46 * length],
      [0.52 * length, 0.8 * length],
      [0.86 * length, length + 8],
    ] as const) {
      for (let up = from; up < to; up += 1.5) body.fill('bone', point(up), [3.2, 3.2, 2]);
    }
  }
  for (let along = 0; along < 1; along += 0.03) {
    const at: Point = [-30 - 26 * along, -6, -52 + 58 * along];
    body.fill('muscle', at, [10, 9, 8]);
    if (Math.abs(along - 0.42) > 0.03 && Math.abs(along - 0.76) > 0.03) body.fill('bone', at, [3.6, 3.6, 3]);
  }
  for (let wrist = 0; wrist < 8; wrist++) {
    body.fill('bone', [-22 + (wrist % 4) * 14, 0, -72 - Math.floor(wrist / 4) * 12], [6, 6, 5.4]);
  }
  body.fill('bone', [-14, 0, -112], [10, 8, 24]);
  body.fill('bone', [18, 0, -112], [7, 7, 24]);
  return body;
}

/** One breast; the nipple is in front. */
function breast(): Phantom {
  const body = new Phantom([150, 110, 180], 1.4);
  body.fill('fat', [0, 50, 0], [66, 96, 78]);
  for (let lobe = 0; lobe < 40; lobe++) {
    const angle = lobe * 2.39996;
    const reach = 6 + 26 * Math.sqrt(lobe / 40);
    const depth = -20 + 44 * ((lobe * 7) % 40) * 0.025;
    body.fill('gland', [reach * Math.cos(angle), depth, reach * Math.sin(angle)], [5, 12, 5]);
  }
  body.fill('lesion', [20, 12, 18], [7, 6, 7]);
  body.fill('bone', [26, 8, 22], [0.9, 0.9, 0.9]);
  body.fill('bone', [14, 14, 14], [0.9, 0.9, 0.9]);
  return body;
}

const MAKERS = { trunk, head, knee, hand, breast } as const;

export type PhantomName = keyof typeof MAKERS;

const made = new Map<PhantomName, Phantom>();

/** Made when it is first wanted: up to 0.1 s and 3 MB each. */
export function phantomOf(name: PhantomName): Phantom {
  const body = made.get(name) ?? MAKERS[name]();
  made.set(name, body);
  return body;
}
