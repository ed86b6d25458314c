/** Which part of an image is seen, and how large. */
import type { ImagePoint } from './measure.ts';

export interface View {
  /** 1 where the whole image just fits. */
  readonly zoom: number;
  /** What of the image is in the middle, as a part of its width and height. */
  readonly center: ImagePoint;
}

/** The whole image. */
export const WHOLE: View = { zoom: 1, center: { x: 0.5, y: 0.5 } };

const LEAST = 0.5;
const MOST = 20;

/** What one press of a key or button changes, and what one press of an arrow moves, px of the page. */
export const ZOOM_STEP = 1.25;
export const MOVE_STEP = 40;

function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

/** The view zoomed by a factor, within what makes sense to look at. */
export function zoomed(view: View, factor: number): View {
  return { ...view, zoom: within(view.zoom * factor, LEAST, MOST) };
}

/** The view with its middle moved; the image cannot be moved out of sight. @param by parts of the image's width and height */
export function moved(view: View, by: ImagePoint): View {
  const { x, y } = view.center;
  return { ...view, center: { x: within(x + by.x, 0, 1), y: within(y + by.y, 0, 1) } };
}

/** By how much a turn of the wheel zooms, also that of two fingers on a touchpad, which browsers tell as a wheel. */
export function wheelFactor(deltaY: number): number {
  return 2 ** (-within(deltaY, -100, 100) / 150);
}
