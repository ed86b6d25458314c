/**
 * A series on the screen, drawn by Cornerstone3D: with WebGL where the graphics hardware has it, else without. Loaded once
 * there is an image to show: it is the larger part of the viewer.
 */
import {
  cache,
  Enums,
  eventTarget,
  imageLoader,
  init,
  metaData,
  RenderingEngine,
  registerImageLoader,
  setUseCPURendering,
  type Types,
  utilities,
} from '@cornerstonejs/core';
import { type DicomImage, type ImageWindow, rangeOf, readDicomImage } from './dicom-image.ts';
import type { ImageLine, ImagePoint } from './measure.ts';
import { moved, type View, WHOLE, zoomed } from './view.ts';

/** Fetches a DICOM file. @param address of the image, as a stack names it */
export type FetchImage = (address: string) => Promise<ArrayBuffer>;

const SCHEME = 'lockstep';
const VIEWPORT = 'images';

/** Images that are in memory, by Cornerstone's ids. */
const images = new Map<string, DicomImage>();
/** Bytes of them at most: some hundred slices. */
const MEMORY = 256 * 1024 * 1024;

const idOf = (address: string): string => `${SCHEME}:${address}`;

/** Names of what computes WebGL by the processor: without it the images are drawn sooner. */
const SOFTWARE = /swiftshader|llvmpipe|software|basic render/i;

/** Whether there is WebGL that graphics hardware does. */
function hasGraphics(): boolean {
  const context = document.createElement('canvas').getContext('webgl2', { failIfMajorPerformanceCaveat: true });
  if (!context) return false;
  const named = context.getExtension('WEBGL_debug_renderer_info');
  const renderer = String(context.getParameter(named ? named.UNMASKED_RENDERER_WEBGL : context.RENDERER));
  context.getExtension('WEBGL_lose_context')?.loseContext();
  return !SOFTWARE.test(renderer);
}

let started: Promise<unknown> | undefined;

async function start(): Promise<void> {
  setUseCPURendering(!hasGraphics());
  init();
  cache.setMaxCacheSize(MEMORY);
  metaData.addProvider(describe, 10_000);
  // What Cornerstone forgets need not be described any more.
  eventTarget.addEventListener(Enums.Events.IMAGE_CACHE_IMAGE_REMOVED, (event: Event) => {
    images.delete((event as CustomEvent<{ readonly imageId: string }>).detail.imageId);
  });
}

/** What Cornerstone asks about an image. */
function describe(kind: string, id: unknown): unknown {
  const image = typeof id === 'string' ? images.get(id) : undefined;
  if (!image) return undefined;
  const { rows, columns, spacing, orientation = [1, 0, 0, 0, 1, 0], position = [0, 0, 0] } = image;
  switch (kind) {
    case 'imagePixelModule':
      return {
        bitsAllocated: 16,
        bitsStored: 16,
        highBit: 15,
        pixelRepresentation: image.pixels instanceof Int16Array ? 1 : 0,
        samplesPerPixel: 1,
        photometricInterpretation: image.inverted ? 'MONOCHROME1' : 'MONOCHROME2',
        rows,
        columns,
      };
    case 'imagePlaneModule':
      return {
        frameOfReferenceUID: VIEWPORT,
        rows,
        columns,
        imageOrientationPatient: orientation,
        rowCosines: orientation.slice(0, 3),
        columnCosines: orientation.slice(3),
        imagePositionPatient: position,
        pixelSpacing: spacing,
        rowPixelSpacing: spacing[0],
        columnPixelSpacing: spacing[1],
      };
    case 'generalSeriesModule':
      return { modality: image.modality };
    case 'voiLutModule':
      return { windowCenter: [image.window.center], windowWidth: [image.window.width] };
    case 'modalityLutModule':
      return { rescaleSlope: image.slope, rescaleIntercept: image.intercept };
    default:
      return undefined;
  }
}

function asCornerstone(imageId: string, image: DicomImage): Types.IImage {
  const { rows, columns, pixels, spacing, slope, intercept, window, inverted } = image;
  const [least, most] = rangeOf(pixels);
  return {
    imageId,
    minPixelValue: least,
    maxPixelValue: most,
    slope,
    intercept,
    windowCenter: [window.center],
    windowWidth: [window.width],
    voiLUTFunction: Enums.VOILUTFunctionType.LINEAR,
    getPixelData: () => pixels,
    getCanvas: () => document.createElement('canvas'),
    rows,
    columns,
    height: rows,
    width: columns,
    color: false,
    rgba: false,
    numberOfComponents: 1,
    rowPixelSpacing: spacing[0],
    columnPixelSpacing: spacing[1],
    invert: inverted,
    photometricInterpretation: inverted ? 'MONOCHROME1' : 'MONOCHROME2',
    sizeInBytes: pixels.byteLength,
    dataType: pixels instanceof Int16Array ? 'Int16Array' : 'Uint16Array',
  } as Types.IImage;
}

let engines = 0;

export class ImageStack {
  readonly #engine: RenderingEngine;
  readonly #viewport: Types.IStackViewport;
  readonly #resized: ResizeObserver;
  /** Called after each drawing: what lies over the image is to be drawn as well. */
  onDrawn: () => void = () => undefined;
  #addresses: readonly string[] = [];
  #window: ImageWindow | undefined;
  #view = WHOLE;
  /** Counts what was asked for. */
  #asked = 0;

  private constructor(engine: RenderingEngine, element: HTMLDivElement) {
    this.#engine = engine;
    this.#viewport = engine.getViewport(VIEWPORT) as Types.IStackViewport;
    const drawn = (): void => this.onDrawn();
    element.addEventListener(Enums.Events.IMAGE_RENDERED, drawn);
    this.#resized = new ResizeObserver(() => {
      engine.resize(true, false);
      this.#look();
    });
    this.#resized.observe(element);
  }

  static async open(element: HTMLDivElement, fetchImage: FetchImage): Promise<ImageStack> {
    started ??= start();
    await started;
    registerImageLoader(SCHEME, (id: string) => ({
      promise: fetchImage(id.slice(SCHEME.length + 1)).then((file) => {
        const image = readDicomImage(file);
        images.set(id, image);
        return asCornerstone(id, image);
      }),
    }));
    const engine = new RenderingEngine(`engine ${++engines}`);
    engine.enableElement({ viewportId: VIEWPORT, type: Enums.ViewportType.STACK, element });
    return new ImageStack(engine, element);
  }

  /** The image that is shown. */
  get image(): DicomImage | undefined {
    return images.get(this.#viewport.getCurrentImageId());
  }

  /**
   * Shows an image of a series. The same series keeps its window and view; another begins with those of its image.
   * @param at index of the address
   * @throws Error when the image cannot be had
   */
  async show(addresses: readonly string[], at: number): Promise<void> {
    const asked = ++this.#asked;
    const same = addresses.length === this.#addresses.length && addresses[0] === this.#addresses[0];
    // The images of one series at most are in memory.
    if (!same) cache.purgeCache();
    // Before the viewport asks for it, which does not say when it cannot be had.
    await imageLoader.loadAndCacheImage(idOf(addresses[at] ?? ''));
    // Meanwhile another may have been asked for.
    if (asked !== this.#asked) return;
    if (same) await this.#viewport.setImageIdIndex(at);
    else {
      this.#addresses = addresses;
      this.#window = undefined;
      this.#view = WHOLE;
      await this.#viewport.setStack(addresses.map(idOf), at);
    }
    if (asked !== this.#asked) return;
    this.#look();
    this.setWindow(this.window);
  }

  get view(): View {
    return this.#view;
  }

  set view(view: View) {
    this.#view = view;
    this.#look();
    this.#viewport.render();
  }

  /** Zooms so that what is at a point stays there. @param point in the element, pixels of the page */
  zoom(factor: number, point: ImagePoint): void {
    const before = this.toImage(point);
    this.view = zoomed(this.#view, factor);
    const after = this.toImage(point);
    if (before && after) this.#moveBy({ x: before.x - after.x, y: before.y - after.y });
  }

  /** Moves the image. @param by pixels of the page */
  move(by: ImagePoint): void {
    const [from, to] = [this.toImage({ x: 0, y: 0 }), this.toImage(by)];
    if (from && to) this.#moveBy({ x: from.x - to.x, y: from.y - to.y });
  }

  /** @param by pixels of the image, of its part that is in the middle */
  #moveBy(by: ImagePoint): void {
    const { columns, rows } = this.image ?? { columns: 1, rows: 1 };
    this.view = moved(this.#view, { x: by.x / columns, y: by.y / rows });
  }

  /** Points the camera at what is to be seen. Cornerstone's own pan and zoom mean other things where it draws without WebGL. */
  #look(): void {
    const { image } = this;
    if (!image) return;
    this.#viewport.resetCamera();
    const { zoom, center } = this.#view;
    const { focalPoint, position, parallelScale } = this.#viewport.getCamera();
    const id = this.#viewport.getCurrentImageId();
    const target = utilities.imageToWorldCoords(id, [center.x * image.columns, center.y * image.rows]);
    if (this.#view === WHOLE || !focalPoint || !position || parallelScale === undefined || !target) return;
    const ahead = position.map((value, axis) => value - (focalPoint[axis] ?? 0) + (target[axis] ?? 0));
    this.#viewport.setCamera({
      focalPoint: target,
      position: ahead as Types.Point3,
      parallelScale: parallelScale / zoom,
    });
  }

  get window(): ImageWindow | undefined {
    return this.#window ?? this.image?.window;
  }

  setWindow(window: ImageWindow | undefined): void {
    if (!window) return;
    this.#window = window;
    const { lower, upper } = utilities.windowLevel.toLowHighRange(Math.max(1, window.width), window.center);
    this.#viewport.setProperties({ voiRange: { lower, upper } });
    this.#viewport.render();
  }

  /** @param point in the element, pixels of the page */
  toImage(point: ImagePoint): ImagePoint | undefined {
    const id = this.#viewport.getCurrentImageId();
    if (!images.has(id)) return undefined;
    const [x, y] = utilities.worldToImageCoords(id, this.#viewport.canvasToWorld([point.x, point.y])) ?? [];
    return x === undefined || y === undefined ? undefined : { x, y };
  }

  /** @returns the line in the element, pixels of the page */
  toElement({ x1, y1, x2, y2 }: ImageLine): ImageLine | undefined {
    const id = this.#viewport.getCurrentImageId();
    if (!images.has(id)) return undefined;
    const [from, to] = (
      [
        [x1, y1],
        [x2, y2],
      ] as const
    ).map(([x, y]) => this.#viewport.worldToCanvas(utilities.imageToWorldCoords(id, [x, y]) ?? [0, 0, 0]));
    return from && to && { x1: from[0], y1: from[1], x2: to[0], y2: to[1] };
  }

  close(): void {
    this.#asked++;
    this.#resized.disconnect();
    this.onDrawn = () => undefined;
    this.#engine.destroy();
  }
}
