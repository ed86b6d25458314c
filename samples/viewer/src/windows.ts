/** How gray values become brightness: windows that radiologists know by name, and one by hand. */
import type { ImageWindow } from './dicom-image.ts';

/** By the names of their messages; in Hounsfield units. */
export const CT_WINDOWS = {
  soft: { center: 40, width: 400 },
  lung: { center: -600, width: 1500 },
  bone: { center: 300, width: 1500 },
  brain: { center: 40, width: 80 },
} as const satisfies Readonly<Record<string, ImageWindow>>;

export type WindowName = keyof typeof CT_WINDOWS;

/** What part of the window a pixel of dragging changes. */
const STEP = 1 / 300;

/**
 * Dragging to the right widens the window, dragging down makes the image darker.
 * @param right, down pixels of the page
 */
export function dragged({ center, width }: ImageWindow, right: number, down: number): ImageWindow {
  const unit = Math.max(1, width) * STEP;
  return { center: Math.round(center + down * unit), width: Math.max(1, Math.round(width + right * unit)) };
}

/** The name of a window; undefined for one that has none. */
export function windowName({ center, width }: ImageWindow): WindowName | undefined {
  const names = Object.keys(CT_WINDOWS) as WindowName[];
  return names.find((name) => CT_WINDOWS[name].center === center && CT_WINDOWS[name].width === width);
}
