import { useContent, useCurrentContext, useHubEvent, useSyncState } from '@lockstep/client/react';
import { useEffect, useMemo, useState } from 'react';
import { Bar, type Connected, Ended, useLaunchPatient, wordsOf } from '../../kit/app.tsx';
import { draftStore } from '../../kit/drafts.ts';
import {
  dayOf,
  type Fhir,
  observedName,
  observedValue,
  type Resource,
  referenceOf,
  textAt,
  titleOf,
  valuesAt,
} from '../../kit/fhir.ts';
import { type Followed, useFollowing, useUnsaved } from '../../kit/following.ts';
import { app } from '../manifest.ts';
import { type Line, lengthOf, toObservation } from './measure.ts';
import { Picture } from './picture.tsx';

/** What of the session's context this viewer can show. */
interface Shown {
  readonly patient: Resource;
  /** The study that the context names; without one the patient's latest is shown. */
  readonly study?: string;
}

function shownOf({ context, patient }: Followed): Shown {
  const { study, report } = context.resources;
  const named = context.type === 'ImagingStudy' ? context.id : study?.id;
  const id = named ?? referenceOf(report, 'imagingStudy')?.split('/')[1];
  return { patient, ...(id !== undefined && { study: id }) };
}

/** A measurement that is not shared. */
interface Draft {
  readonly line: Line;
  readonly label: string;
}

function isDraft(value: unknown): value is Draft {
  if (typeof value !== 'object' || value === null) return false;
  const { line, label } = value as Partial<Draft>;
  const numbers = [line?.x1, line?.y1, line?.x2, line?.y2];
  return typeof label === 'string' && numbers.every((one) => typeof one === 'number');
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
  const { subscriber, fhir, grant } = connected;
  const [shown, setShown] = useState<Shown>();
  const [draft, setDraft] = useState<Draft>();
  const [notice, setNotice] = useState<string>();
  const [lines, setLines] = useState<ReadonlyMap<string, Line>>(new Map());
  const [selected, setSelected] = useState<readonly string[]>([]);
  const [picked, setPicked] = useState<number>();
  const drafts = useMemo(() => draftStore(app.id, grant.user, isDraft), [grant]);
  const unsaved = draft && 'a measurement is not shared yet';
  useUnsaved(unsaved);
  const { obstacle, again } = useFollowing(connected, {
    staysFor: () => unsaved,
    show: (next) => setShown(next && shownOf(next)),
  });
  const launchProblem = useLaunchPatient(connected);
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

  const studyId = study?.id;
  useEffect(() => setPicked(undefined), [studyId]);
  // What was measured before the window was closed is there again when the study is.
  useEffect(() => {
    if (studyId !== undefined) setDraft((now) => now ?? drafts.get(studyId));
  }, [drafts, studyId]);
  useEffect(() => {
    if (studyId !== undefined && draft) drafts.set(studyId, draft);
  }, [drafts, studyId, draft]);

  async function tell(what: () => Promise<unknown>): Promise<boolean> {
    try {
      await what();
      setNotice(undefined);
      return true;
    } catch (error) {
      setNotice(wordsOf(error));
      return false;
    }
  }

  function drop(): void {
    if (studyId !== undefined) drafts.clear(studyId);
    setDraft(undefined);
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
    const observation = toObservation(draft.line, {
      id,
      label: draft.label.trim() || 'Length',
      patient: `Patient/${shown.patient.id}`,
      ...(study && { study: `ImagingStudy/${study.id}` }),
      at: new Date(),
    });
    if (!(await tell(() => subscriber.update([{ put: observation }])))) return;
    setLines((all) => new Map(all).set(`Observation/${id}`, draft.line));
    drop();
  }

  const said = notice ?? problem ?? launchProblem;
  const apart = state.status === 'out-of-sync' && state.us;
  return (
    <main className="viewer">
      <Bar
        app={app}
        subscriber={subscriber}
        patient={shown?.patient}
        facts={study ? `${titleOf(study)} · ${dayOf(textAt(study, 'started'))}` : ''}
        brief={apart}
      />
      <Ended app={app} {...connected} />
      {apart && (
        <div className="apart" role="alert">
          {obstacle === undefined ? (
            <span>The session is elsewhere. Share or discard the measurement to follow.</span>
          ) : (
            <>
              <span>Not followed: {obstacle}.</span>
              <button type="button" onClick={again}>
                Try again
              </button>
            </>
          )}
        </div>
      )}
      {said !== undefined && (
        <div className="apart" role="alert">
          <span>{said}</span>
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
            kind={[titleOf(study), textAt(one, 'bodySite.display'), textAt(one, 'description')]
              .filter(Boolean)
              .join(' ')}
            modality={textAt(one, 'modality.code') ?? ''}
            images={Math.max(1, Number(one.numberOfInstances) || 1)}
            shared={measured.flatMap(({ id }) => {
              const line = lines.get(`Observation/${id}`);
              return line ? [{ id: id ?? '', line, selected: selected.includes(`Observation/${id}`) }] : [];
            })}
            draft={draft?.line}
            onDraft={(line) => setDraft((now) => ({ label: now?.label ?? '', line }))}
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
              <strong>{lengthOf(draft.line)} mm</strong>
              <label>
                What it is
                <input
                  value={draft.label}
                  placeholder="Nodule"
                  onChange={(event) => setDraft({ ...draft, label: event.currentTarget.value })}
                />
              </label>
              <button type="submit" className="main">
                Share
              </button>
              <button type="button" onClick={drop}>
                Discard
              </button>
            </form>
          ) : (
            <button
              type="button"
              disabled={!one}
              onClick={() => setDraft({ label: '', line: { x1: 216, y1: 236, x2: 262, y2: 250 } })}
            >
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
