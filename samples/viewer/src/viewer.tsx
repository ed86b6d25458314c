import { type Context, HubError, refuse, type Subscriber } from '@lockstep/client';
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
  valuesAt,
} from '../../kit/fhir.ts';
import { app } from '../manifest.ts';
import { type Line, lengthOf, toObservation } from './measure.ts';
import { Picture } from './picture.tsx';

/** What of the session's context this viewer can show. */
interface Shown {
  readonly patient: Resource;
  /** The study that the context names; without one the patient's latest is shown. */
  readonly study?: string;
}

function shownOf(context: Context | undefined): Shown | undefined {
  const patient = context?.type === 'Patient' ? Object.values(context.resources)[0] : context?.resources.patient;
  if (!context || !patient?.id) return undefined;
  const { study, report } = context.resources;
  const id = study?.id ?? referenceOf(report, 'imagingStudy')?.split('/')[1];
  return { patient, ...(id !== undefined && { study: id }) };
}

/** Follows the session unless there is a reason not to; `again` asks anew once the reason is gone. */
function useFollowing(subscriber: Subscriber, unsaved: string | undefined) {
  const [shown, setShown] = useState<Shown>();
  const [asked, setAsked] = useState(0);
  const reason = useRef(unsaved);
  reason.current = unsaved;
  useEffect(
    () =>
      subscriber.follow(async (context) => {
        const next = shownOf(context);
        if (reason.current !== undefined) return refuse(reason.current);
        setShown((now) => (context === undefined ? now : next));
        await painted();
        return true;
      }),
    [subscriber, asked],
  );
  // A closed patient is not shown any longer.
  useHubEvent(subscriber, 'Patient-close', ({ resources }) => {
    setShown((now) => (now?.patient.id === resources.patient?.id ? undefined : now));
  });
  const show = (patient: Resource): void => setShown((now) => now ?? { patient });
  return { shown, show, again: () => setAsked((count) => count + 1) };
}

function useStudies(fhir: Fhir, patient: string | undefined) {
  const [studies, setStudies] = useState<readonly Resource[]>([]);
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    let current = true;
    setStudies([]);
    setProblem(undefined);
    if (patient === undefined) return undefined;
    fhir.search('ImagingStudy', { patient, _sort: '-started', _count: '50' }).then(
      (found) => current && setStudies(found),
      (error: Error) => current && setProblem(error.message),
    );
    return () => {
      current = false;
    };
  }, [fhir, patient]);
  return { studies, problem };
}

export function Viewer(connected: Connected) {
  const { subscriber, fhir } = connected;
  const [draft, setDraft] = useState<Line>();
  const [label, setLabel] = useState('');
  const [notice, setNotice] = useState<string>();
  const [lines, setLines] = useState<ReadonlyMap<string, Line>>(new Map());
  const [selected, setSelected] = useState<readonly string[]>([]);
  const [picked, setPicked] = useState<number>();
  const { shown, show, again } = useFollowing(subscriber, draft && 'a measurement is not shared yet');
  useLaunchPatient(connected, show);
  const { studies, problem } = useStudies(fhir, shown?.patient.id);
  const context = useCurrentContext(subscriber);
  const content = useContent(subscriber);
  const state = useSyncState(subscriber);

  useHubEvent(subscriber, 'DiagnosticReport-select', (event) => setSelected(event.selected));

  const study = studies.find(({ id }) => id === shown?.study) ?? (shown?.study === undefined ? studies[0] : undefined);
  const series = valuesAt(study, 'series') as readonly Resource[];
  const one = series[picked ?? -1] ?? series.find((each) => Number(each.numberOfInstances) > 1) ?? series[0];
  const report = context?.type === 'DiagnosticReport' ? context : undefined;
  const measured = [...(report ? (content ?? new Map()).values() : [])].filter(
    ({ resourceType }) => resourceType === 'Observation',
  );

  useEffect(() => setPicked(undefined), [study?.id]);

  async function tell(what: () => Promise<unknown>): Promise<boolean> {
    try {
      await what();
      setNotice(undefined);
      return true;
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      setNotice(error.status === 0 ? 'The Hub cannot be reached.' : error.message);
      return false;
    }
  }

  function drop(): void {
    setDraft(undefined);
    setLabel('');
    setNotice(undefined);
    again();
  }

  async function share(): Promise<void> {
    if (!draft || !shown) return;
    if (!report) {
      setNotice('No report is open. Open one in the report writer, and the measurement can be shared in it.');
      return;
    }
    const id = crypto.randomUUID();
    const observation = toObservation(draft, {
      id,
      label: label.trim() || 'Length',
      patient: `Patient/${shown.patient.id}`,
      ...(study && { study: `ImagingStudy/${study.id}` }),
      at: new Date(),
    });
    if (!(await tell(() => subscriber.update([{ put: observation }])))) return;
    setLines((all) => new Map(all).set(`Observation/${id}`, draft));
    drop();
  }

  const apart = state.status === 'out-of-sync' && state.us;
  return (
    <main className="viewer">
      <header className="bar">
        <h1>{shown ? nameOf(shown.patient) : 'No patient is open'}</h1>
        <span className="facts">{study && `${titleOf(study)} · ${dayOf(textAt(study, 'started'))}`}</span>
        <Status subscriber={subscriber} brief={apart} />
      </header>
      <Ended app={app} {...connected} />
      {apart && (
        <div className="apart" role="alert">
          <span>The session is elsewhere. Share or discard the measurement to follow.</span>
        </div>
      )}
      {(notice ?? problem) !== undefined && (
        <div className="apart" role="alert">
          <span>{notice ?? problem}</span>
        </div>
      )}
      <div className="viewer-body">
        <nav className="series" aria-label="Studies and series">
          {studies.map((each) => (
            <section key={each.id}>
              <button
                type="button"
                className="study"
                aria-current={each === study || undefined}
                onClick={() => {
                  if (each !== study && shown) void tell(() => subscriber.openStudy(each, { patient: shown.patient }));
                }}
              >
                {titleOf(each)}
                <small>{dayOf(textAt(each, 'started'))}</small>
              </button>
              {each === study && (
                <ul>
                  {series.map((item, index) => (
                    <li key={String(item.uid)}>
                      <button type="button" aria-current={item === one || undefined} onClick={() => setPicked(index)}>
                        {textAt(item, 'description') ?? `Series ${index + 1}`}
                        <small>
                          {textAt(item, 'modality.code')} · {String(item.numberOfInstances ?? '')}
                        </small>
                      </button>
                    </li>
                  ))}
                </ul>
              )}
            </section>
          ))}
          {shown && studies.length === 0 && <p className="nothing">No studies in the record.</p>}
        </nav>
        {one && study ? (
          <Picture
            seed={String(one.uid)}
            kind={`${titleOf(study)} ${textAt(one, 'bodySite.display') ?? ''}`}
            images={Math.max(1, Number(one.numberOfInstances) || 1)}
            shared={measured.flatMap(({ id }) => {
              const line = lines.get(`Observation/${id}`);
              return line ? [{ id: id ?? '', line, selected: selected.includes(`Observation/${id}`) }] : [];
            })}
            draft={draft}
            onDraft={setDraft}
          />
        ) : (
          <p className="nothing">{shown ? 'Nothing to show.' : 'Open a patient in any application.'}</p>
        )}
        <aside className="measures" aria-label="Measurements">
          {draft ? (
            <form
              onSubmit={(event) => {
                event.preventDefault();
                void share();
              }}
            >
              <strong>{lengthOf(draft)} mm</strong>
              <label>
                What it is
                <input value={label} placeholder="Nodule" onChange={(event) => setLabel(event.currentTarget.value)} />
              </label>
              <button type="submit" className="main">
                Share
              </button>
              <button type="button" onClick={drop}>
                Discard
              </button>
            </form>
          ) : (
            <button type="button" disabled={!one} onClick={() => setDraft({ x1: 216, y1: 236, x2: 262, y2: 250 })}>
              Measure
            </button>
          )}
          <h2>Shared in the report</h2>
          <ul>
            {measured.map((each) => {
              const reference = `Observation/${each.id}`;
              return (
                <li key={reference}>
                  <button
                    type="button"
                    aria-pressed={selected.includes(reference)}
                    onClick={() => void tell(() => subscriber.select([reference]))}
                  >
                    {observedName(each)} <b>{observedValue(each)}</b>
                  </button>
                </li>
              );
            })}
          </ul>
          {measured.length === 0 && (
            <p className="hint">{report ? 'Nothing yet: drag over the image.' : 'No report is open.'}</p>
          )}
        </aside>
      </div>
    </main>
  );
}
