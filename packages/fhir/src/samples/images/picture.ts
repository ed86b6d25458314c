/** Pictures of a body: slices through it, and projections of it. */
import type { Phantom, Point } from './phantom.ts';
import { ATTENUATION } from './tissues.ts';

type Axis = 0 | 1 | 2;

/** How a picture lies in the patient: along which axis its rows and columns run, and which way. */
export interface Plane {
  readonly row: Axis;
  readonly column: Axis;
  readonly normal: Axis;
  /** 1, or -1 where columns run from the head down. */
  readonly down: 1 | -1;
}

/** As radiologists look at them: from the feet, from the front, and with the face to the left. */
export const PLANES = {
  axial: { row: 0, column: 1, normal: 2, down: 1 },
  coronal: { row: 0, column: 2, normal: 1, down: -1 },
  sagittal: { row: 1, column: 2, normal: 0, down: -1 },
  /** A breast from above: the nipple to the left. */
  craniocaudal: { row: 1, column: 0, normal: 2, down: 1 },
} as const satisfies Readonly<Record<string, Plane>>;

/** Where in the body the picture is, mm along each axis. */
export type Region = readonly [
  x: readonly [number, number],
  y: readonly [number, number],
  z: readonly [number, number],
];

export interface Picture {
  readonly rows: number;
  readonly columns: number;
  /** Between the middles of pixels, mm. */
  readonly spacing: number;
  /** The middle of the first pixel, mm. */
  readonly origin: Point;
  /** By rows. */
  readonly values: Float32Array;
}

/** The middles of the picture's pixels in the body's voxels: one list along rows, one along columns. */
function grid(body: Phantom, plane: Plane, region: Region, longest: number) {
  const { voxel, size } = body;
  const [fromRow, toRow] = region[plane.row];
  const [fromColumn, toColumn] = region[plane.column];
  const spacing = Math.max(toRow - fromRow, toColumn - fromColumn) / longest;
  const columns = Math.max(1, Math.round((toRow - fromRow) / spacing));
  const rows = Math.max(1, Math.round((toColumn - fromColumn) / spacing));
  const along = Array.from({ length: columns }, (_, at) => fromRow + (at + 0.5) * spacing);
  const across = Array.from({ length: rows }, (_, at) =>
    plane.down === 1 ? fromColumn + (at + 0.5) * spacing : toColumn - (at + 0.5) * spacing,
  );
  const inVoxels = (axis: Axis) => (mm: number) => mm / voxel + (size[axis] - 1) / 2;
  return { spacing, along, across, u: along.map(inVoxels(plane.row)), v: across.map(inVoxels(plane.column)) };
}

function strides(body: Phantom): Point {
  return [1, body.size[0], body.size[0] * body.size[1]];
}

/** Values of two neighbouring layers and rows, mixed by their distance. */
function sampled(
  u: readonly number[],
  v: readonly number[],
  width: number,
  height: number,
  at: (i: number, j: number) => number,
) {
  const values = new Float32Array(u.length * v.length);
  let index = 0;
  for (const y of v) {
    const j = Math.min(height - 2, Math.max(0, Math.floor(y)));
    const dy = Math.min(1, Math.max(0, y - j));
    for (const x of u) {
      const i = Math.min(width - 2, Math.max(0, Math.floor(x)));
      const dx = Math.min(1, Math.max(0, x - i));
      values[index++] =
        (at(i, j) * (1 - dx) + at(i + 1, j) * dx) * (1 - dy) + (at(i, j + 1) * (1 - dx) + at(i + 1, j + 1) * dx) * dy;
    }
  }
  return values;
}

/**
 * A slice.
 * @param at where along the plane's normal, mm
 * @param values of each tissue, as the machine sees it
 * @param longest pixels along the longer side
 */
export function slice(
  body: Phantom,
  plane: Plane,
  region: Region,
  at: number,
  values: readonly number[],
  longest: number,
): Picture {
  const { spacing, along, across, u, v } = grid(body, plane, region, longest);
  const stride = strides(body);
  const count = body.size[plane.normal];
  const w = Math.min(count - 1, Math.max(0, at / body.voxel + (count - 1) / 2));
  const k = Math.min(count - 2, Math.floor(w));
  const [near, far] = [k * stride[plane.normal], (k + 1) * stride[plane.normal]];
  const weight = w - k;
  const value = (i: number, j: number): number => {
    const base = i * stride[plane.row] + j * stride[plane.column];
    const [one = 0, other = 0] = [values[body.tissue[base + near] ?? 0], values[body.tissue[base + far] ?? 0]];
    return one * (1 - weight) + other * weight;
  };
  const origin: [number, number, number] = [0, 0, 0];
  origin[plane.row] = along[0] ?? 0;
  origin[plane.column] = across[0] ?? 0;
  origin[plane.normal] = at;
  const [width, height] = [body.size[plane.row], body.size[plane.column]];
  return { rows: v.length, columns: u.length, spacing, origin, values: sampled(u, v, width, height, value) };
}

/** What a compressed body weakens at least, against water, and in how many voxels from its edge it is as thick as elsewhere. */
const THINNEST = 0.86;
const SOFT_EDGE = 8;

/**
 * A radiograph: what X-rays along the plane's normal meet, in mm of water.
 * @param compressed whether the body is pressed to one thickness, as a breast is: then what it is made of counts alone
 */
export function projection(body: Phantom, plane: Plane, region: Region, longest: number, compressed: boolean): Picture {
  const { spacing, along, across, u, v } = grid(body, plane, region, longest);
  const stride = strides(body);
  const [width, height, depth] = [body.size[plane.row], body.size[plane.column], body.size[plane.normal]];
  const sums = new Float32Array(width * height);
  const met = new Uint16Array(width * height);
  const [first, last] = region[plane.normal].map((mm) => mm / body.voxel + (depth - 1) / 2) as [number, number];
  for (let k = Math.max(0, Math.ceil(first)); k <= Math.min(depth - 1, Math.floor(last)); k++) {
    for (let j = 0; j < height; j++) {
      const base = k * stride[plane.normal] + j * stride[plane.column];
      for (let i = 0; i < width; i++) {
        const weakens = ATTENUATION[body.tissue[base + i * stride[plane.row]] ?? 0] ?? 0;
        if (weakens === 0) continue;
        sums[j * width + i] = (sums[j * width + i] ?? 0) + weakens * body.voxel;
        met[j * width + i] = (met[j * width + i] ?? 0) + 1;
      }
    }
  }
  const origin: [number, number, number] = [0, 0, 0];
  origin[plane.row] = along[0] ?? 0;
  origin[plane.column] = across[0] ?? 0;
  const through = (i: number, j: number): number => {
    const [sum = 0, count = 0] = [sums[j * width + i], met[j * width + i]];
    if (!compressed || count === 0) return sum;
    const mean = sum / (count * body.voxel);
    return Math.max(0, mean - THINNEST) * Math.min(1, count / SOFT_EDGE);
  };
  const values = sampled(u, v, width, height, through);
  return { rows: v.length, columns: u.length, spacing, origin, values };
}
