import { number } from '@lockstep/console/language';
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState, type WheelEvent } from 'react';
import { noticeOf } from '../../kit/app.tsx';
import { type Fhir, FhirError } from '../../kit/fhir.ts';
import { NoticeText } from '../../kit/notice.tsx';
import { type Notice, noticeIn, type SampleMessage, t } from '../../kit/words.ts';
import type { DicomImage, ImageWindow } from './dicom-image.ts';
import type { ImageStack } from './image-stack.ts';
import { addressOf } from './instances.ts';
import { type ImageLine, type ImagePoint, lengthOf, type Measured } from './measure.ts';
import { MOVE_STEP, WHOLE, wheelFactor, ZOOM_STEP } from './view.ts';
import styles from './viewer.module.css';
import { CT_WINDOWS, dragged, type WindowName, windowName } from './windows.ts';

/** A line that others see too. */
export interface SharedLine {
  readonly id: string;
  /** UID of the image that it is in. */
  readonly instance: string;
  readonly line: ImageLine;
  readonly selected: boolean;
}

/** An image of the series that is to be shown now. */
export interface Wanted {
  /** UID. */
  readonly instance: string;
}

interface PictureProps {
  readonly fhir: Fhir;
  /** UIDs. */
  readonly study: string;
  readonly series: string;
  readonly instances: readonly string[];
  /** Each new one is shown once. */
  readonly wanted: Wanted | undefined;
  readonly shared: readonly SharedLine[];
  readonly draft: Measured | undefined;
  readonly onDraft: (measured: Measured) => void;
  /** Counts how often a first line was asked for by its button. */
  readonly begin: number;
}

/** Keys zoom and move the image. An SVG element's attribute has to be written as SVG writes it: Preact leaves its name as it is. */
const FOCUSABLE = { tabindex: 0 };

/** Shorter ones are clicks, px of the page. */
const SHORTEST = 4;

type LineState = 'shared' | 'selected' | 'draft';

function LineMark({ line, length, state }: { line: ImageLine; length: number; state: LineState }) {
  const { x1, y1, x2, y2 } = line;
  return (
    <g className={styles.line} data-state={state}>
      <line {...line} />
      <circle cx={x1} cy={y1} r={3} />
      <circle cx={x2} cy={y2} r={3} />
      <text x={Math.max(x1, x2) + 7} y={(x1 > x2 ? y1 : y2) + 4}>
        {t('viewer.mm', { length })}
      </text>
    </g>
  );
}

/** Where the edges of the image lie in the patient. */
function Edges({ image }: { image: DicomImage }) {
  const opposite: Readonly<Record<string, string>> = { L: 'R', R: 'L', A: 'P', P: 'A', H: 'F', F: 'H' };
  const [row, column] = image.leads;
  return (
    <>
      <span className={styles.left}>{opposite[row]}</span>
      <span className={styles.right}>{row}</span>
      <span className={styles.top}>{opposite[column]}</span>
    </>
  );
}

type Mode = 'measure' | 'window' | 'move';

/** What dragging does, by what it is called, and what is said of the image then. */
const MODES = {
  measure: ['viewer.dragMeasure', 'viewer.image'],
  window: ['viewer.dragWindow', 'viewer.imageToWindow'],
  move: ['viewer.dragMove', 'viewer.imageToMove'],
} as const satisfies Readonly<Record<Mode, readonly [SampleMessage, SampleMessage]>>;

/** What buttons of a mouse other than the first do, whatever the mode. */
const BUTTONS: Readonly<Record<number, Mode>> = { 1: 'move', 2: 'window' };

/** What keys and gestures do, as the help lists them. */
const HELP = [
  ['viewer.keys.plusMinus', 'viewer.help.zoom'],
  ['viewer.keys.zero', 'viewer.help.fit'],
  ['viewer.keys.arrows', 'viewer.help.move'],
  ['viewer.keys.pages', 'viewer.help.image'],
  ['viewer.keys.ends', 'viewer.help.ends'],
  ['viewer.keys.wheel', 'viewer.help.image'],
  ['viewer.keys.controlWheel', 'viewer.help.zoom'],
  ['viewer.keys.middle', 'viewer.help.move'],
  ['viewer.keys.right', 'viewer.help.window'],
] as const satisfies readonly (readonly [SampleMessage, SampleMessage])[];

/** Keys and gestures, once they are asked for. */
function Help() {
  return (
    <details className={styles.help}>
      <summary aria-label={t('viewer.help')} title={t('viewer.help')}>
        ?
      </summary>
      <dl>
        {HELP.map(([keys, what]) => (
          <div key={keys}>
            <dt>{t(keys)}</dt>
            <dd>{t(what)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

function middleOf([one, other]: readonly [ImagePoint, ImagePoint]): ImagePoint {
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
}

function distanceOf([one, other]: readonly [ImagePoint, ImagePoint]): number {
  return Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
}

/** A drag that goes on. */
interface Drag {
  readonly mode: Mode;
  readonly from: ImagePoint;
  readonly window: ImageWindow | undefined;
}

function imageFailed(thrown: unknown): Notice {
  return noticeIn(noticeOf(thrown), (error) => t('viewer.imageFailed', { error }));
}

/** One series: the wheel or the slider goes through its images; dragging measures, changes the window or moves. */
export function Picture(props: PictureProps) {
  const { fhir, study, series, instances, wanted, shared, draft, onDraft, begin } = props;
  const element = useRef<HTMLDivElement>(null);
  const surface = useRef<SVGSVGElement>(null);
  const [stack, setStack] = useState<ImageStack>();
  const [at, setAt] = useState(0);
  const [image, setImage] = useState<{ readonly of: string; readonly image: DicomImage }>();
  const [problem, setProblem] = useState<Notice>();
  const [mode, setMode] = useState<Mode>('measure');
  const [window, setWindow] = useState<ImageWindow>();
  const [, redraw] = useState(0);
  const drag = useRef<Drag>(undefined);
  /** Where fingers and the mouse are on the image, by their ids. */
  const pointers = useRef(new Map<number, ImagePoint>());

  useEffect(() => {
    let opened: ImageStack | undefined;
    let ended = false;
    const open = async (): Promise<void> => {
      const { ImageStack } = await import('./image-stack.ts');
      if (ended || !element.current) return;
      opened = await ImageStack.open(element.current, (address) => fhir.image(address));
      if (ended) return opened.close();
      opened.onDrawn = () => redraw((count) => count + 1);
      setStack(opened);
    };
    open().catch((error: unknown) => setProblem(imageFailed(error)));
    return () => {
      ended = true;
      opened?.close();
    };
  }, [fhir]);

  // Another series begins in its middle, or with the image that was selected in it.
  useEffect(() => {
    const found = wanted ? instances.indexOf(wanted.instance) : -1;
    setAt(found >= 0 ? found : Math.ceil(instances.length / 2) - 1);
  }, [instances, wanted]);

  const instance = instances[at];
  useEffect(() => {
    if (!stack || instance === undefined) return undefined;
    let current = true;
    const addresses = instances.map((one) => addressOf({ study, series, instance: one }));
    stack.show(addresses, instances.indexOf(instance)).then(
      () => {
        if (!current) return;
        setProblem(undefined);
        setWindow(stack.window);
        if (stack.image) setImage({ of: instance, image: stack.image });
      },
      (error: unknown) => {
        if (!current) return;
        const none = error instanceof FhirError && error.status === 404;
        setImage(undefined);
        setProblem(none ? { text: t('viewer.noImages') } : imageFailed(error));
      },
    );
    return () => {
      current = false;
    };
  }, [stack, study, series, instances, instance]);

  const shown = image?.of === instance ? image?.image : undefined;
  const isReady = stack !== undefined && shown !== undefined;

  function propose(line: ImageLine): void {
    if (!shown || instance === undefined) return;
    onDraft({ line, length: lengthOf(line, shown.spacing), study, series, instance });
  }

  const begun = useRef(begin);
  useEffect(() => {
    if (begun.current === begin || !shown) return;
    begun.current = begin;
    const { columns, rows } = shown;
    propose({ x1: columns * 0.44, y1: rows * 0.48, x2: columns * 0.54, y2: rows * 0.51 });
  });

  function pointOf({ clientX, clientY }: PointerEvent | WheelEvent): ImagePoint {
    const { left, top } = surface.current?.getBoundingClientRect() ?? { left: 0, top: 0 };
    return { x: clientX - left, y: clientY - top };
  }

  function look(next: ImageWindow): void {
    stack?.setWindow(next);
    setWindow(next);
  }

  function press(event: PointerEvent): void {
    event.currentTarget.setPointerCapture(event.pointerId);
    pointers.current.set(event.pointerId, pointOf(event));
    // A second finger makes a pinch of it.
    drag.current =
      pointers.current.size === 1 ? { mode: BUTTONS[event.button] ?? mode, from: pointOf(event), window } : undefined;
  }

  function release({ pointerId }: PointerEvent): void {
    pointers.current.delete(pointerId);
    drag.current = undefined;
  }

  /** Two fingers zoom by their distance, and move by their middle. */
  function pinch(before: readonly [ImagePoint, ImagePoint], after: readonly [ImagePoint, ImagePoint]): void {
    const [from, to] = [middleOf(before), middleOf(after)];
    stack?.move({ x: to.x - from.x, y: to.y - from.y });
    stack?.zoom(distanceOf(after) / distanceOf(before), to);
  }

  function move(event: PointerEvent): void {
    const last = pointers.current.get(event.pointerId);
    if (!last || !stack) return;
    const to = pointOf(event);
    const [other] = [...pointers.current].flatMap(([id, point]) => (id === event.pointerId ? [] : [point]));
    pointers.current.set(event.pointerId, to);
    if (other) pinch([last, other], [to, other]);
    else if (drag.current) dragTo(stack, drag.current, last, to);
  }

  function dragTo(stack: ImageStack, { mode, from, window: before }: Drag, last: ImagePoint, to: ImagePoint): void {
    if (mode === 'move') {
      stack.move({ x: to.x - last.x, y: to.y - last.y });
      return;
    }
    if (mode === 'window') {
      if (before) look(dragged(before, to.x - from.x, to.y - from.y));
      return;
    }
    const [one, other] = [stack.toImage(from), stack.toImage(to)];
    if (!one || !other || Math.hypot(to.x - from.x, to.y - from.y) <= SHORTEST) return;
    propose({ x1: one.x, y1: one.y, x2: other.x, y2: other.y });
  }

  function go(step: number): void {
    setAt((now) => Math.min(instances.length - 1, Math.max(0, now + step)));
  }

  /** Zooms around the middle. */
  function zoom(factor: number): void {
    const { width = 0, height = 0 } = surface.current?.getBoundingClientRect() ?? {};
    stack?.zoom(factor, { x: width / 2, y: height / 2 });
  }

  function fit(): void {
    if (stack) stack.view = WHOLE;
  }

  const KEYS: Readonly<Record<string, () => void>> = {
    '+': () => zoom(ZOOM_STEP),
    '=': () => zoom(ZOOM_STEP),
    '-': () => zoom(1 / ZOOM_STEP),
    '0': fit,
    ArrowLeft: () => stack?.move({ x: MOVE_STEP, y: 0 }),
    ArrowRight: () => stack?.move({ x: -MOVE_STEP, y: 0 }),
    ArrowUp: () => stack?.move({ x: 0, y: MOVE_STEP }),
    ArrowDown: () => stack?.move({ x: 0, y: -MOVE_STEP }),
    PageUp: () => go(-1),
    PageDown: () => go(1),
    Home: () => go(-instances.length),
    End: () => go(instances.length),
  };

  function pressKey(event: KeyboardEvent): void {
    if (!isReady || event.ctrlKey || event.metaKey || event.altKey) return;
    const what = KEYS[event.key];
    if (!what) return;
    event.preventDefault();
    what();
  }

  function turn(event: WheelEvent): void {
    event.preventDefault();
    if (!(event.ctrlKey || event.metaKey)) go(Math.sign(event.deltaY));
    else if (isReady) stack.zoom(wheelFactor(event.deltaY), pointOf(event));
  }

  const place = { image: at + 1, images: instances.length };
  const marks = [
    ...shared.map((one) => ({ ...one, state: one.selected ? ('selected' as const) : ('shared' as const) })),
    ...(draft ? [{ id: 'draft', instance: draft.instance, line: draft.line, state: 'draft' as const }] : []),
  ].filter((one) => one.instance === instance);
  const named = window && windowName(window);
  const asTaken = window && shown && window.center === shown.window.center && window.width === shown.window.width;

  return (
    <div className={styles.picture}>
      <fieldset className={styles.tools} disabled={!isReady}>
        <fieldset className={styles.modes} aria-label={t('viewer.drag')}>
          {(Object.keys(MODES) as Mode[]).map((one) => (
            <button key={one} type="button" aria-pressed={mode === one} onClick={() => setMode(one)}>
              {t(MODES[one][0])}
            </button>
          ))}
        </fieldset>
        <select
          aria-label={t('viewer.window')}
          value={asTaken ? 'file' : (named ?? 'own')}
          onChange={({ currentTarget: { value } }) => {
            const next = value === 'file' ? shown?.window : CT_WINDOWS[value as WindowName];
            if (next) look(next);
          }}
        >
          <option value="file">{t('viewer.window.file')}</option>
          {/* Hounsfield units are of slices: a topogram has none. */}
          {shown?.modality === 'CT' &&
            shown.orientation &&
            (Object.keys(CT_WINDOWS) as WindowName[]).map((name) => (
              <option key={name} value={name}>
                {t(`viewer.window.${name}`)}
              </option>
            ))}
          {!asTaken && !named && <option value="own">{t('viewer.window.own')}</option>}
        </select>
        <fieldset className={styles.modes} aria-label={t('viewer.help.zoom')}>
          <button type="button" aria-label={t('viewer.zoomOut')} onClick={() => zoom(1 / ZOOM_STEP)}>
            −
          </button>
          <button type="button" onClick={fit}>
            {t('viewer.fit')}
          </button>
          <button type="button" aria-label={t('viewer.zoomIn')} onClick={() => zoom(ZOOM_STEP)}>
            +
          </button>
        </fieldset>
        <Help />
      </fieldset>
      <div className={styles.surface}>
        <div ref={element} className={styles.image} data-ready={isReady || undefined} />
        <svg
          ref={surface}
          role="img"
          aria-label={t(MODES[mode][1], place)}
          data-mode={mode}
          {...FOCUSABLE}
          onKeyDown={pressKey}
          onWheel={turn}
          onPointerDown={press}
          onPointerMove={move}
          onPointerUp={release}
          onPointerCancel={release}
          onContextMenu={(event) => event.preventDefault()}
        >
          {shown &&
            marks.map(({ id, line, state }) => {
              const drawn = stack?.toElement(line);
              return drawn && <LineMark key={id} line={drawn} length={lengthOf(line, shown.spacing)} state={state} />;
            })}
        </svg>
        {shown && <Edges image={shown} />}
        <span className={styles.place}>
          {number(place.image)}/{number(place.images)}
        </span>
        {window && shown && (
          <span className={styles.values}>
            {t('viewer.windowValues', { width: Math.round(window.width), center: Math.round(window.center) })} ·{' '}
            {number(stack?.view.zoom ?? 1, { style: 'percent' })}
          </span>
        )}
        {problem !== undefined && (
          <div className={styles.problem} role="alert">
            <NoticeText {...problem} />
          </div>
        )}
        {problem === undefined && !isReady && <p className={styles.problem}>{t('viewer.loading')}</p>}
      </div>
      {instances.length > 1 && (
        <input
          type="range"
          aria-label={t('viewer.imageOfTheSeries')}
          min={1}
          max={instances.length}
          value={at + 1}
          onChange={(event) => setAt(Number(event.currentTarget.value) - 1)}
        />
      )}
    </div>
  );
}
