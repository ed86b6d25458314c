import type { Content } from '@lockstep/client';
import { useContent, useCurrentContext, useHubEvent, useSyncState } from '@lockstep/client/react';
import { ForeignName, ForeignText } from '@lockstep/console/foreign-text';
import { codeWords, type Reason } from '@lockstep/console/language';
import { useEffect, useMemo, useRef, useState } from 'react';
import kitStyles from '../../kit/app.module.css';
import { Bar, type Connected, Ended, noticeOf, useLaunchPatient } from '../../kit/app.tsx';
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
} from '../../kit/fhir.ts';
import { type Followed, useFollowing, useUnsaved } from '../../kit/following.ts';
import { Alert } from '../../kit/notice.tsx';
import { type OfPatient, useOfPatient } from '../../kit/of-patient.ts';
import { type Notice, type SampleMessage, t } from '../../kit/words.ts';
import { app } from '../manifest.ts';
import { isUnfinished, newReport, signed } from './filing.ts';
import styles from './writer.module.css';

/** What is shown of the session's context. */
interface Shown {
  readonly patient: Resource;
  /** `ImagingStudy/1`, where the context names one. */
  readonly study?: string;
  /** The report that is open in the session. */
  readonly report?: Resource;
}

function shownOf({ context, patient }: Followed): Shown {
  const { report } = context.resources;
  const study = context.type === 'ImagingStudy' ? context.id : context.resources.study?.id;
  const reference = study === undefined ? referenceOf(report, 'imagingStudy') : `ImagingStudy/${study}`;
  return {
    patient,
    ...(reference !== undefined && { study: reference }),
    ...(context.type === 'DiagnosticReport' && report && { report }),
  };
}

/** What the others are told, who may speak another language. */
const UNSAVED: Reason = 'a report is not signed or saved';

const isText = (value: unknown): value is string => typeof value === 'string';

interface Work {
  readonly studies: readonly Resource[];
  readonly reports: readonly Resource[];
}

const NO_WORK: Work = { studies: [], reports: [] };

/** Why no study is listed. That there is none is said only once the record has answered (HZ-5). */
function whyNoStudies({ value, problem }: OfPatient<Work>): SampleMessage {
  if (problem) return 'writer.studiesNotRead';
  return value ? 'writer.noStudies' : 'writer.readingStudies';
}

async function readWork(fhir: Fhir, patient: string): Promise<Work> {
  const params = { patient, _count: '50' };
  const [studies, reports] = await Promise.all([
    fhir.search('ImagingStudy', { ...params, _sort: '-started' }),
    fhir.search('DiagnosticReport', { ...params, _sort: '-date' }),
  ]);
  return { studies, reports };
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
  const { subscriber, fhir, grant } = connected;
  const [shown, setShown] = useState<Shown>();
  const [text, setText] = useState('');
  const [saved, setSaved] = useState('');
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const [selected, setSelected] = useState<readonly string[]>([]);
  const [notice, setNotice] = useState<Notice>();
  const [filed, setFiled] = useState(0);
  const [busy, setBusy] = useState(false);
  const context = useCurrentContext(subscriber);
  const content = useContent(subscriber);
  const state = useSyncState(subscriber);
  const read = useOfPatient(shown?.patient.id, (patient) => readWork(fhir, patient), filed);
  const { studies, reports } = read.value ?? NO_WORK;

  const drafts = useMemo(() => draftStore(app.id, grant.user, isText), [grant]);
  const unsaved = useRef(false);
  unsaved.current = shown?.report !== undefined && text !== saved;
  const open = useRef<string>(undefined);
  open.current = shown?.report?.id;

  function show(next: Shown | undefined): void {
    const { report } = next ?? {};
    if (report?.id !== open.current) {
      const begun = textAt(report, 'conclusion') ?? '';
      // What was typed before the window was closed is there again, and still not saved.
      setText(drafts.get(report?.id ?? '') ?? begun);
      setSaved(begun);
      setLeft(new Set());
      setSelected([]);
    }
    setShown(next);
  }

  function write(next: string): void {
    setText(next);
    if (open.current !== undefined) drafts.set(open.current, next);
  }

  useUnsaved(unsaved.current ? t('writer.unsaved') : undefined);
  const { obstacle, again } = useFollowing(connected, {
    staysFor: (next) => (unsaved.current && next?.resources.report?.id !== open.current ? UNSAVED : undefined),
    show: (next) => show(next && shownOf(next)),
  });
  const launchProblem = useLaunchPatient(connected);
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
      setNotice(noticeOf(error));
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
    drafts.clear(report.id ?? '');
    setSaved(text);
    unsaved.current = false;
    const wasCurrent = here;
    await attempt(async () => {
      await subscriber.close({
        type: 'DiagnosticReport',
        elements: [
          { key: 'report', resource: report },
          { key: 'patient', resource: patient },
        ],
      });
      // After a close nothing is open: the work goes on with the patient.
      if (wasCurrent) await subscriber.openPatient(patient);
    });
    again();
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
    drafts.clear(report.id ?? '');
    setSaved(text);
    unsaved.current = false;
    again();
  }

  function toggle(id: string): void {
    setLeft((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }

  const report = shown?.report;
  const told = notice ?? read.problem ?? launchProblem;
  const apart = state.status === 'out-of-sync' && state.us;
  return (
    <main className={styles.writer}>
      <Bar
        app={app}
        subscriber={subscriber}
        patient={shown?.patient}
        facts={report ? titleOf(report) : ''}
        brief={apart}
      />
      <Ended app={app} {...connected} />
      {apart && (
        <div className={kitStyles.apart} role="alert">
          {obstacle === undefined ? (
            <span>{t('writer.elsewhere')}</span>
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
      {report ? (
        <div className={styles.body}>
          <section className={styles.text} aria-label={t('writer.report')}>
            <label htmlFor="impression">{t('writer.impression')}</label>
            <textarea
              id="impression"
              value={text}
              placeholder={t('writer.whatTheImagesShow')}
              onChange={(event) => write(event.currentTarget.value)}
            />
            <div className={styles.actions}>
              <span className={styles.draft}>{text !== saved ? t('writer.notSaved') : ''}</span>
              <button type="button" disabled={busy} onClick={() => void close()}>
                {text !== saved ? t('writer.discard') : t('writer.close')}
              </button>
              <button type="button" disabled={busy || text === saved} onClick={() => void save()}>
                {t('writer.saveDraft')}
              </button>
              <button type="button" className="main" disabled={busy || text.trim() === ''} onClick={() => void sign()}>
                {t('writer.sign')}
              </button>
            </div>
          </section>
          <aside className={styles.collected} aria-label={t('writer.sharedObservations')}>
            <h2>{t('writer.sharedInThisReport')}</h2>
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
                        <ForeignName text={name} />{' '}
                        <b>
                          <ForeignName text={value} />
                        </b>
                      </span>
                    </label>
                    <span className={styles.choices}>
                      <button
                        type="button"
                        aria-pressed={selected.includes(reference)}
                        aria-label={t('writer.showInTheImages', { name })}
                        disabled={!here}
                        onClick={() => void attempt(() => subscriber.select([reference]))}
                      >
                        {t('writer.show')}
                      </button>
                      <button
                        type="button"
                        aria-label={t('writer.citeInTheText', { name })}
                        onClick={() =>
                          write(`${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${name}: ${value}.`)
                        }
                      >
                        {t('writer.cite')}
                      </button>
                    </span>
                  </li>
                );
              })}
            </ul>
            {observed.length === 0 && <p className={styles.hint}>{t('writer.nothingIsShared')}</p>}
          </aside>
        </div>
      ) : (
        <section className={styles.worklist} aria-label={t('writer.studiesToReport')}>
          {shown === undefined && <p className={kitStyles.nothing}>{t('writer.openAPatient')}</p>}
          {shown !== undefined && (
            <ul>
              {studies.map((study) => {
                const own = reports.filter((one) => referenceOf(one, 'imagingStudy') === `ImagingStudy/${study.id}`);
                const going = own.some(isUnfinished);
                const action = going ? t('writer.goOn') : own.length > 0 ? t('writer.newReport') : t('writer.reportIt');
                const current = shown.study === `ImagingStudy/${study.id}`;
                return (
                  <li key={study.id} data-current={current || undefined}>
                    <span className={styles.day}>{dayOf(textAt(study, 'started'))}</span>
                    <span>
                      <ForeignText text={titleOf(study)} />
                    </span>
                    <span className={styles.status}>
                      {own.map(({ status }) => codeWords('writer.state', String(status))).join(', ') ||
                        t('writer.noReport')}
                    </span>
                    <button
                      type="button"
                      className={current || going ? 'main' : ''}
                      disabled={busy}
                      aria-label={t('writer.action', {
                        action,
                        title: titleOf(study),
                        day: dayOf(textAt(study, 'started')),
                      })}
                      onClick={() => begin(study)}
                    >
                      {action}
                    </button>
                  </li>
                );
              })}
            </ul>
          )}
          {shown !== undefined && studies.length === 0 && (
            <div className={kitStyles.nothing}>
              <p>{t(whyNoStudies(read))}</p>
              {read.problem && (
                <button type="button" onClick={() => setFiled((count) => count + 1)}>
                  {t('kit.tryAgain')}
                </button>
              )}
            </div>
          )}
        </section>
      )}
    </main>
  );
}
