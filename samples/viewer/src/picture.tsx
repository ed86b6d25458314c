import { type PointerEvent, useEffect, useRef, useState, type WheelEvent } from 'react';
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
  readonly kind: string;
  readonly images: number;
  readonly shared: readonly Drawn[];
  readonly draft: Line | undefined;
  readonly onDraft: (line: Line) => void;
}

function LineMark({ line, className }: { line: Line; className: string }) {
  return (
    <g className={className}>
      <line {...line} />
      <circle cx={line.x1} cy={line.y1} r={3.5} />
      <circle cx={line.x2} cy={line.y2} r={3.5} />
      <text x={Math.max(line.x1, line.x2) + 8} y={line.x1 > line.x2 ? line.y1 + 4 : line.y2 + 4}>
        {lengthOf(line)} mm
      </text>
    </g>
  );
}

/** One series: the wheel or the slider goes through its images, dragging measures. */
export function Picture({ seed, kind, images, shared, draft, onDraft }: PictureProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const surface = useRef<SVGSVGElement>(null);
  const [image, setImage] = useState(Math.ceil(images / 2));
  const [begun, setBegun] = useState<{ x: number; y: number }>();

  useEffect(() => setImage(Math.ceil(images / 2)), [images]);
  useEffect(() => {
    if (canvas.current) drawPhantom(canvas.current, seed, kind, images > 1 ? (image - 1) / (images - 1) : 0.5);
  }, [seed, kind, image, images]);

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
            <LineMark key={id} line={line} className={selected ? 'line selected' : 'line'} />
          ))}
          {draft && <LineMark line={draft} className="line draft" />}
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
