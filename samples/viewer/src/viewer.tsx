import { useContent, useCurrentContext, useHubEvent, useSyncState } from '@lockstep/client/react';
import { ForeignName } from '@lockstep/console/foreign-text';
import type { Reason } from '@lockstep/console/language';
import { useEffect, useMemo, useState } from 'react';
import kitStyles from '../../kit/app.module.css';
import { Bar, type Connected, Ended, noticeOf, useLaunchPatient } from '../../kit/app.tsx';
import { draftStore } from '../../kit/drafts.ts';
import {
  dayOf,
  observedName,
  observedValue,
  type Resource,
  referenceOf,
  textAt,
  titleOf,
  valuesAt,
} from '../../kit/fhir.ts';
import { type Followed, useFollowing, useUnsaved } from '../../kit/following.ts';
import { Alert } from '../../kit/notice.tsx';
import { type OfPatient, useOfPatient } from '../../kit/of-patient.ts';
import { type Notice, type SampleMessage, t } from '../../kit/words.ts';
import { app } from '../manifest.ts';
import { instancesOf, studyUid } from './instances.ts';
import { type Measured, placeOf, selectedPlace, toObservation, toSelection } from './measure.ts';
import { Picture, type SharedLine, type Wanted } from './picture.tsx';
import styles from './viewer.module.css';

/** What the others are told, who may speak another language. */
const UNSAVED: Reason = 'a measurement is not shared yet';

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
  readonly measured: Measured;
  readonly label: string;
}

function isDraft(value: unknown): value is Draft {
  if (typeof value !== 'object' || value === null) return false;
  const { measured, label } = value as Partial<Draft>;
  const { line, length, study, series, instance } = measured ?? {};
  const numbers = [line?.x1, line?.y1, line?.x2, line?.y2, length];
  const texts = [label, study, series, instance];
  return numbers.every((one) => typeof one === 'number') && texts.every((one) => typeof one === 'string');
}

/** The series with the most images: the others are to plan it by, or made of it. */
function longest(series: readonly Resource[]): Resource | undefined {
  const count = (one: Resource): number => instancesOf(one).length;
  return series.reduce<Resource | undefined>(
    (most, one) => (most && count(most) >= count(one) ? most : one),
    undefined,
  );
}

/** Lines that are shared in the report: those of its ImagingSelections, and of what was derived from them. */
function sharedLines(content: ReadonlyMap<string, Resource>, selected: readonly string[]): readonly SharedLine[] {
  const chosen = new Set(selected.map((reference) => selectedPlace(reference, content)?.instance));
  return [...content].flatMap(([id, resource]) => {
    const { instance, line } = placeOf(resource) ?? {};
    return instance === undefined || line === undefined ? [] : [{ id, instance, line, selected: chosen.has(instance) }];
  });
}

const NO_STUDIES: readonly Resource[] = [];

/** Why no image is shown. That there is nothing is said only once the record has answered (HZ-5). */
function whyNoImages(shown: Shown | undefined, { value, problem }: OfPatient<readonly Resource[]>): SampleMessage {
  if (!shown) return 'viewer.openAPatient';
  if (problem) return 'viewer.studiesNotRead';
  if (!value) return 'viewer.readingStudies';
  const isOther = shown.study !== undefined && !value.some(({ id }) => id === shown.study);
  return isOther ? 'viewer.otherStudy' : 'viewer.nothingToShow';
}

export function Viewer(connected: Connected) {
  const { subscriber, fhir, grant } = connected;
  const [shown, setShown] = useState<Shown>();
  const [draft, setDraft] = useState<Draft>();
  const [notice, setNotice] = useState<Notice>();
  const [selected, setSelected] = useState<readonly string[]>([]);
  const [picked, setPicked] = useState<number>();
  const [wanted, setWanted] = useState<Wanted>();
  const [begin, setBegin] = useState(0);
  const drafts = useMemo(() => draftStore(app.id, grant.user, isDraft), [grant]);
  const unsaved = draft && UNSAVED;
  useUnsaved(draft && t('viewer.unsaved'));
  const { obstacle, again } = useFollowing(connected, {
    staysFor: () => unsaved,
    show(next) {
      setShown(next && shownOf(next));
      // It is kept with its study.
      if (!next) setDraft(undefined);
    },
  });
  const launchProblem = useLaunchPatient(connected);
  const [reads, setReads] = useState(0);
  const read = useOfPatient(
    shown?.patient.id,
    (patient) => fhir.search('ImagingStudy', { patient, _sort: '-started', _count: '50' }),
    reads,
  );
  const studies = read.value ?? NO_STUDIES;
  const context = useCurrentContext(subscriber);
  const content = useContent(subscriber);
  const state = useSyncState(subscriber);

  const study = studies.find(({ id }) => id === shown?.study) ?? (shown?.study === undefined ? studies[0] : undefined);
  const series = valuesAt(study, 'series') as readonly Resource[];
  const one = series[picked ?? -1] ?? longest(series);
  const report = context?.type === 'DiagnosticReport' ? context : undefined;
  const inReport = useMemo<ReadonlyMap<string, Resource>>(
    () => new Map(report && content ? (content as ReadonlyMap<string, Resource>) : []),
    [report, content],
  );
  const measured = [...inReport.values()].filter(({ resourceType }) => resourceType === 'Observation');
  const uid = study && studyUid(study);
  const instances = useMemo(() => instancesOf(one), [one]);

  /** Shows where in the images something is. */
  function lookAt(reference: string): void {
    const place = selectedPlace(reference, inReport);
    const index = series.findIndex((each) => each.uid === place?.series);
    if (!place || index < 0) return;
    setPicked(index);
    if (place.instance !== undefined) setWanted({ instance: place.instance });
  }

  useHubEvent(subscriber, 'DiagnosticReport-select', (event) => {
    setSelected(event.selected);
    const [first] = event.selected;
    if (first !== undefined) lookAt(first);
  });

  const studyId = study?.id;
  useEffect(() => {
    setPicked(undefined);
    setWanted(undefined);
  }, [studyId]);
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
      setNotice(noticeOf(error));
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
      setNotice({ text: t('viewer.noReport') });
      return;
    }
    const about = {
      label: draft.label.trim() || t('viewer.length'),
      patient: `Patient/${shown.patient.id}`,
      study: `ImagingStudy/${studyId}`,
      at: new Date(),
    };
    const place = crypto.randomUUID();
    const changes = [
      { put: toSelection(draft.measured, place, about) },
      { put: toObservation(draft.measured, crypto.randomUUID(), place, about) },
    ];
    if (await tell(() => subscriber.update(changes))) drop();
  }

  const told = notice ?? read.problem ?? launchProblem;
  const apart = state.status === 'out-of-sync' && state.us;
  return (
    <main className={styles.viewer}>
      <Bar
        app={app}
        subscriber={subscriber}
        patient={shown?.patient}
        facts={study ? `${titleOf(study)} · ${dayOf(textAt(study, 'started'))}` : ''}
        brief={apart}
      />
      <Ended app={app} {...connected} />
      {apart && (
        <div className={kitStyles.apart} role="alert">
          {obstacle === undefined ? (
            <span>{t('viewer.elsewhere')}</span>
          ) : (
            <>
              <span>{t('kit.notFollowed', { reason: obstacle })}</span>
              <button type="button" onClick={again}>
                {t('kit.tryAgain')}
              </button>
            </>
          )}
        </div>
      )}
      {told !== undefined && <Alert {...told} />}
      <div className={styles.body}>
        <nav className={styles.series} aria-label={t('viewer.studiesAndSeries')}>
          {studies.map((each) => (
            <section key={each.id}>
              <button
                type="button"
                className={styles.study}
                aria-current={each === study || undefined}
                onClick={() => {
                  if (each !== study && shown) void tell(() => subscriber.openStudy(each, { patient: shown.patient }));
                }}
              >
                <ForeignName text={titleOf(each)} />
                <small>{dayOf(textAt(each, 'started'))}</small>
              </button>
              {each === study && (
                <ul>
                  {series.map((item, index) => (
                    <li key={String(item.uid)}>
                      <button type="button" aria-current={item === one || undefined} onClick={() => setPicked(index)}>
                        <ForeignName text={textAt(item, 'description') ?? t('viewer.series', { number: index + 1 })} />
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
          {shown && read.value?.length === 0 && <p className={kitStyles.nothing}>{t('viewer.noStudies')}</p>}
        </nav>
        {one && uid !== undefined && instances.length > 0 ? (
          <Picture
            fhir={fhir}
            study={uid}
            series={String(one.uid)}
            instances={instances}
            wanted={wanted}
            shared={sharedLines(inReport, selected)}
            draft={draft?.measured}
            onDraft={(measured) => setDraft((now) => ({ label: now?.label ?? '', measured }))}
            begin={begin}
          />
        ) : (
          <div className={kitStyles.nothing}>
            <p>{t(whyNoImages(shown, read))}</p>
            {read.problem && (
              <button type="button" onClick={() => setReads((count) => count + 1)}>
                {t('kit.tryAgain')}
              </button>
            )}
          </div>
        )}
        <aside className={styles.measures} aria-label={t('viewer.measurements')}>
          {draft ? (
            <form
              onSubmit={(event) => {
                event.preventDefault();
                void share();
              }}
            >
              <strong>{t('viewer.mm', { length: draft.measured.length })}</strong>
              <label>
                {t('viewer.whatItIs')}
                <input
                  value={draft.label}
                  placeholder={t('viewer.nodule')}
                  onChange={(event) => setDraft({ ...draft, label: event.currentTarget.value })}
                />
              </label>
              <button type="submit" className="main">
                {t('viewer.share')}
              </button>
              <button type="button" onClick={drop}>
                {t('viewer.discard')}
              </button>
            </form>
          ) : (
            <button type="button" disabled={!one} onClick={() => setBegin((count) => count + 1)}>
              {t('viewer.measure')}
            </button>
          )}
          <h2>{t('viewer.sharedInTheReport')}</h2>
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
                    <ForeignName text={observedName(each)} />{' '}
                    <b>
                      <ForeignName text={observedValue(each)} />
                    </b>
                  </button>
                </li>
              );
            })}
          </ul>
          {measured.length === 0 && (
            <p className={styles.hint}>{report ? t('viewer.nothingYet') : t('viewer.noReportIsOpen')}</p>
          )}
        </aside>
      </div>
    </main>
  );
}
