import { type PointerEvent, type RefObject, useEffect, useRef, useState, type WheelEvent } from 'react';
import { type Line, lengthOf } from './measure.ts';
import { drawPhantom } from './phantom.ts';

const SIZE = 512;

export interface Drawn {
  readonly id: string;
  readonly line: Line;
  readonly selected: boolean;
}

interface PictureProps {
  readonly seed: string;
  /** What is shown, in words of study and series. */
  readonly kind: string;
  /** DICOM code. */
  readonly modality: string;
  readonly images: number;
  readonly shared: readonly Drawn[];
  readonly draft: Line | undefined;
  readonly onDraft: (line: Line) => void;
}

/** Pixels of the picture to a pixel of the screen: marks are as large in a small frame as in a window. */
function useScale(surface: RefObject<Element | null>): number {
  const [scale, setScale] = useState(1);
  useEffect(() => {
    const { current } = surface;
    if (!current) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      const { width = SIZE, height = SIZE } = entry?.contentRect ?? {};
      setScale(SIZE / Math.max(1, Math.min(width, height)));
    });
    observer.observe(current);
    return () => observer.disconnect();
  }, [surface]);
  return scale;
}

function LineMark({ line, scale, className }: { line: Line; scale: number; className: string }) {
  const { x1, y1, x2, y2 } = line;
  return (
    <g className={className}>
      <line {...line} />
      <circle cx={x1} cy={y1} r={3 * scale} />
      <circle cx={x2} cy={y2} r={3 * scale} />
      <text x={Math.max(x1, x2) + 7 * scale} y={(x1 > x2 ? y1 : y2) + 4 * scale} fontSize={13 * scale}>
        {lengthOf(line)} mm
      </text>
    </g>
  );
}

/** One series: the wheel or the slider goes through its images, dragging measures. */
export function Picture({ seed, kind, modality, images, shared, draft, onDraft }: PictureProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const surface = useRef<SVGSVGElement>(null);
  const [image, setImage] = useState(Math.ceil(images / 2));
  const scale = useScale(surface);
  const [begun, setBegun] = useState<{ x: number; y: number }>();

  useEffect(() => setImage(Math.ceil(images / 2)), [images]);
  useEffect(() => {
    if (canvas.current)
      drawPhantom(canvas.current, seed, kind, modality, images > 1 ? (image - 1) / (images - 1) : 0.5);
  }, [seed, kind, modality, image, images]);

  function pointOf({ clientX, clientY }: PointerEvent): { x: number; y: number } {
    const matrix = surface.current?.getScreenCTM()?.inverse();
    const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(matrix);
    return { x: Math.round(x), y: Math.round(y) };
  }

  function drag(event: PointerEvent): void {
    if (!begun) return;
    const { x, y } = pointOf(event);
    if (Math.hypot(x - begun.x, y - begun.y) > 4) onDraft({ x1: begun.x, y1: begun.y, x2: x, y2: y });
  }

  function scroll({ deltaY }: WheelEvent): void {
    setImage((now) => Math.min(images, Math.max(1, now + Math.sign(deltaY))));
  }

  return (
    <div className="picture">
      <div className="picture-surface">
        <canvas ref={canvas} width={SIZE} height={SIZE} />
        <svg
          ref={surface}
          viewBox={`0 0 ${SIZE} ${SIZE}`}
          role="img"
          aria-label={`Image ${image} of ${images}. Drag to measure.`}
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            setBegun(pointOf(event));
          }}
          onPointerMove={drag}
          onPointerUp={() => setBegun(undefined)}
          onWheel={scroll}
        >
          {shared.map(({ id, line, selected }) => (
            <LineMark key={id} line={line} scale={scale} className={selected ? 'line selected' : 'line'} />
          ))}
          {draft && <LineMark line={draft} scale={scale} className="line draft" />}
        </svg>
        <span className="picture-place">
          {image}/{images}
        </span>
      </div>
      {images > 1 && (
        <input
          type="range"
          aria-label="Image of the series"
          min={1}
          max={images}
          value={image}
          onChange={(event) => setImage(Number(event.currentTarget.value))}
        />
      )}
    </div>
  );
}
