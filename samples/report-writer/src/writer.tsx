import { type Content, type Context, HubError, refuse } from '@lockstep/client';
import { useContent, useCurrentContext, useHubEvent, useSyncState } from '@lockstep/client/react';
import { useEffect, useRef, useState } from 'react';
import { type Connected, Ended, painted, Status, useLaunchPatient } from '../../kit/app.tsx';
import {
  dayOf,
  type Fhir,
  nameOf,
  observedName,
  observedValue,
  type Resource,
  referenceOf,
  textAt,
  titleOf,
} from '../../kit/fhir.ts';
import { app } from '../manifest.ts';
import { isUnfinished, newReport, signed } from './filing.ts';

/** What is shown of the session's context. */
interface Shown {
  readonly patient: Resource;
  /** `ImagingStudy/1`, where the context names one. */
  readonly study?: string;
  /** The report that is open in the session. */
  readonly report?: Resource;
}

function shownOf(context: Context | undefined): Shown | undefined {
  const patient = context?.type === 'Patient' ? Object.values(context.resources)[0] : context?.resources.patient;
  if (!context || !patient?.id) return undefined;
  const { report } = context.resources;
  const study = context.resources.study?.id;
  const reference = study === undefined ? referenceOf(report, 'imagingStudy') : `ImagingStudy/${study}`;
  return {
    patient,
    ...(reference !== undefined && { study: reference }),
    ...(context.type === 'DiagnosticReport' && report && { report }),
  };
}

interface Work {
  readonly studies: readonly Resource[];
  readonly reports: readonly Resource[];
}

function useWork(fhir: Fhir, patient: string | undefined, filed: number) {
  const [work, setWork] = useState<Work>({ studies: [], reports: [] });
  useEffect(() => {
    let current = true;
    if (patient === undefined) return undefined;
    const params = { patient, _count: '50' };
    Promise.all([
      fhir.search('ImagingStudy', { ...params, _sort: '-started' }),
      fhir.search('DiagnosticReport', { ...params, _sort: '-date' }),
    ]).then(
      ([studies, reports]) => current && setWork({ studies, reports }),
      () => current && setWork({ studies: [], reports: [] }),
    );
    return () => {
      current = false;
    };
  }, [fhir, patient, filed]);
  return work;
}

/** What was shared in a report: it stays with the report when the session goes elsewhere before it is signed. */
function useCollected(report: string | undefined, content: Content | undefined): readonly Resource[] {
  const [collected, setCollected] = useState<{ report: string | undefined; content: Content }>();
  useEffect(() => {
    if (content) setCollected({ report, content });
  }, [report, content]);
  const known = content ?? (collected?.report === report ? collected?.content : undefined);
  return [...(known?.values() ?? [])].filter(({ resourceType }) => resourceType === 'Observation');
}

export function Writer(connected: Connected) {
  const { subscriber, fhir } = connected;
  const [shown, setShown] = useState<Shown>();
  const [text, setText] = useState('');
  const [saved, setSaved] = useState('');
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const [selected, setSelected] = useState<readonly string[]>([]);
  const [notice, setNotice] = useState<string>();
  const [asked, setAsked] = useState(0);
  const [filed, setFiled] = useState(0);
  const [busy, setBusy] = useState(false);
  const context = useCurrentContext(subscriber);
  const content = useContent(subscriber);
  const state = useSyncState(subscriber);
  const { studies, reports } = useWork(fhir, shown?.patient.id, filed);

  const unsaved = useRef(false);
  unsaved.current = shown?.report !== undefined && text !== saved;
  const open = useRef<string>(undefined);
  open.current = shown?.report?.id;

  function show(next: Shown | undefined): void {
    if (next?.report?.id !== open.current) {
      const begun = textAt(next?.report, 'conclusion') ?? '';
      setText(begun);
      setSaved(begun);
      setLeft(new Set());
      setSelected([]);
    }
    setShown(next);
  }

  useEffect(
    () =>
      subscriber.follow(async (now) => {
        const next = shownOf(now);
        if (unsaved.current && next?.report?.id !== open.current) return refuse('a report is not signed or saved');
        if (now === undefined) setShown((before) => before && { patient: before.patient });
        else show(next);
        await painted();
        return true;
      }),
    [subscriber, asked],
  );
  useLaunchPatient(connected, (patient) => setShown((now) => now ?? { patient }));
  useHubEvent(subscriber, 'Patient-close', ({ resources }) => {
    if (!unsaved.current) setShown((now) => (now?.patient.id === resources.patient?.id ? undefined : now));
  });
  useHubEvent(subscriber, 'DiagnosticReport-select', (event) => setSelected(event.selected));

  const here = context?.type === 'DiagnosticReport' && context.id === shown?.report?.id;
  const observed = useCollected(shown?.report?.id, here ? content : undefined);

  async function attempt(what: () => Promise<unknown>): Promise<boolean> {
    setBusy(true);
    try {
      await what();
      setNotice(undefined);
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      setNotice(error instanceof HubError && error.status === 0 ? 'The Hub cannot be reached.' : why);
      return false;
    } finally {
      setBusy(false);
    }
  }

  function begin(study: Resource): void {
    if (!shown) return;
    const { patient } = shown;
    const going = reports.find(
      (one) => isUnfinished(one) && referenceOf(one, 'imagingStudy') === `ImagingStudy/${study.id}`,
    );
    const report = going ?? newReport(crypto.randomUUID(), patient, study);
    void attempt(() => subscriber.openReport(report, { patient, study }));
  }

  async function close(): Promise<void> {
    const { report, patient } = shown ?? {};
    if (!report || !patient) return;
    setSaved(text);
    unsaved.current = false;
    await attempt(() =>
      subscriber.close({
        type: 'DiagnosticReport',
        elements: [
          { key: 'report', resource: report },
          { key: 'patient', resource: patient },
        ],
      }),
    );
    setAsked((count) => count + 1);
  }

  async function sign(): Promise<void> {
    const { report } = shown ?? {};
    if (!report) return;
    const observations = observed.filter(({ id }) => !left.has(id ?? ''));
    const done = signed(report, { text: text.trim(), observations, at: new Date() });
    const written = await attempt(async () => {
      for (const one of done.observations) await fhir.put(one);
      await fhir.put(done.report);
    });
    if (!written) return;
    setFiled((count) => count + 1);
    await close();
  }

  async function save(): Promise<void> {
    const { report } = shown ?? {};
    if (!report) return;
    if (!(await attempt(() => fhir.put({ ...report, status: 'preliminary', conclusion: text.trim() })))) return;
    setSaved(text);
    unsaved.current = false;
    setAsked((count) => count + 1);
  }

  function toggle(id: string): void {
    setLeft((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }

  const report = shown?.report;
  const apart = state.status === 'out-of-sync' && state.us;
  return (
    <main className="writer">
      <header className="bar">
        <h1>{shown ? nameOf(shown.patient) : 'No patient is open'}</h1>
        <span className="facts">{report ? titleOf(report) : ''}</span>
        <Status subscriber={subscriber} brief={apart} />
      </header>
      <Ended app={app} {...connected} />
      {apart && (
        <div className="apart" role="alert">
          <span>The session is elsewhere. Sign, save or discard this report to follow.</span>
        </div>
      )}
      {notice !== undefined && (
        <div className="apart" role="alert">
          <span>{notice}</span>
        </div>
      )}
      {report ? (
        <div className="writer-body">
          <section className="text" aria-label="Report">
            <label htmlFor="impression">Impression</label>
            <textarea
              id="impression"
              value={text}
              placeholder="What the images show. Measurements that are shared arrive on the right."
              onChange={(event) => setText(event.currentTarget.value)}
            />
            <div className="actions">
              <span className="draft">{text !== saved ? 'not saved' : ''}</span>
              <button type="button" disabled={busy} onClick={() => void close()}>
                {text !== saved ? 'Discard' : 'Close'}
              </button>
              <button type="button" disabled={busy || text === saved} onClick={() => void save()}>
                Save draft
              </button>
              <button type="button" className="main" disabled={busy || text.trim() === ''} onClick={() => void sign()}>
                Sign
              </button>
            </div>
          </section>
          <aside className="collected" aria-label="Shared observations">
            <h2>Shared in this report</h2>
            <ul>
              {observed.map((one) => {
                const reference = `Observation/${one.id}`;
                const value = observedValue(one);
                const name = observedName(one);
                return (
                  <li key={reference} data-selected={selected.includes(reference) || undefined}>
                    <label>
                      <input type="checkbox" checked={!left.has(one.id ?? '')} onChange={() => toggle(one.id ?? '')} />
                      <span>
                        {name} <b>{value}</b>
                      </span>
                    </label>
                    <span className="choices">
                      <button
                        type="button"
                        aria-pressed={selected.includes(reference)}
                        aria-label={`Show ${name} in the images`}
                        disabled={!here}
                        onClick={() => void attempt(() => subscriber.select([reference]))}
                      >
                        Show
                      </button>
                      <button
                        type="button"
                        aria-label={`Cite ${name} in the text`}
                        onClick={() =>
                          setText((now) => `${now}${now === '' || now.endsWith('\n') ? '' : '\n'}${name}: ${value}.`)
                        }
                      >
                        Cite
                      </button>
                    </span>
                  </li>
                );
              })}
            </ul>
            {observed.length === 0 && <p className="hint">Nothing is shared yet. Measure in the image viewer.</p>}
          </aside>
        </div>
      ) : (
        <section className="worklist" aria-label="Studies to report">
          {shown === undefined && <p className="nothing">Open a patient in any application.</p>}
          {shown !== undefined && (
            <ul>
              {studies.map((study) => {
                const own = reports.filter((one) => referenceOf(one, 'imagingStudy') === `ImagingStudy/${study.id}`);
                const going = own.some(isUnfinished);
                const action = going ? 'Go on' : own.length > 0 ? 'New report' : 'Report';
                const current = shown.study === `ImagingStudy/${study.id}`;
                return (
                  <li key={study.id} data-current={current || undefined}>
                    <span className="day">{dayOf(textAt(study, 'started'))}</span>
                    <span className="title">{titleOf(study)}</span>
                    <span className="status">{own.map(({ status }) => String(status)).join(', ') || 'no report'}</span>
                    <button
                      type="button"
                      className={current || going ? 'main' : ''}
                      disabled={busy}
                      aria-label={`${action}: ${titleOf(study)}, ${dayOf(textAt(study, 'started'))}`}
                      onClick={() => begin(study)}
                    >
                      {action}
                    </button>
                  </li>
                );
              })}
            </ul>
          )}
          {shown !== undefined && studies.length === 0 && <p className="nothing">No studies in the record.</p>}
        </section>
      )}
    </main>
  );
}
