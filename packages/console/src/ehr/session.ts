/** The EHR as an application among others: it follows and publishes through the Hub with a token of its own. */
import { type Context, fromSmart, HubError, type HubEvent, refuse, Subscriber } from '@lockstep/client';
import { anchorKeyOf, type ContextElement, type Resource } from '@lockstep/fhircast';
import { get, type Person, post, type SessionView, type TimelineEntry, type TokenResponse } from '../api.ts';
import { Fhir, forEvent, nameOf, subjectOf, textAt, titleOf, valuesAt } from '../fhir.ts';
import { watchLive } from '../live.ts';
import { Store } from '../store.ts';
import { caughtUp, followEntries, type Roster, readRoster, withReason } from './roster.ts';

/** How long a person may think about unsaved text before the EHR counts as not following, ms. */
const THINK = 120_000;
/** How long the Hub may be silent before it is asked, ms: a closed socket shows at once, so asking is rarely needed. */
const SILENCE = 300_000;

const EVENTS = [
  ...['Patient', 'Encounter', 'ImagingStudy', 'DiagnosticReport'].flatMap((type) => [
    `${type}-open` as const,
    `${type}-close` as const,
  ]),
  'Home-open',
  'UserLogout',
  'SyncError',
] as const;

/** A patient's chart that is open in a tab. */
export interface Chart {
  /** The Patient resource, from the record or as it came with an event. */
  readonly patient: Resource;
  /** What of this patient the session has open besides, by `Type/id`, in order of opening. */
  readonly open: ReadonlyMap<string, Resource>;
}

export interface Charts {
  readonly tabs: readonly Chart[];
  /** The id of the patient whose tab is in front. */
  readonly active?: string;
}

/** Another application wants to go elsewhere while there is unsaved text. */
export interface Question {
  readonly from: string;
  readonly to: string;
  answer(choice: 'save' | 'discard' | 'stay'): void;
}

/** Somebody did not follow: the desktop's warner. */
export interface Warning {
  readonly id: string;
  readonly who: string;
  readonly text: string;
}

export interface EhrSession {
  readonly person: Person;
  readonly subscriber: Subscriber;
  readonly fhir: Fhir;
  readonly topic: string;
  readonly roster: Store<Roster>;
  readonly charts: Store<Charts>;
  readonly drafts: Store<ReadonlyMap<string, string>>;
  readonly question: Store<Question | undefined>;
  readonly warnings: Store<readonly Warning[]>;
  /** What could not be sent, in words. */
  readonly notice: Store<string | undefined>;
  /** Counts what was filed in the record, here or by others, as far as events tell. */
  readonly filed: Store<number>;
  /** Whether the live view of the session is open. */
  readonly live: Store<boolean>;
  openPatient(patient: Resource): Promise<void>;
  /** Opens an encounter, study or report of the patient. */
  open(resource: Resource, patient: Resource, others: Readonly<Record<string, Resource | undefined>>): Promise<void>;
  close(resource: Resource, patient: Resource): Promise<void>;
  closeTab(patientId: string): Promise<void>;
  setDraft(patientId: string, text: string): void;
  saveDraft(patientId: string): Promise<void>;
  /** Publishes the current context again: whoever did not follow may think better of it. */
  askAgain(): Promise<void>;
  signOut(): Promise<void>;
  end(): void;
}

/** Lets the browser paint, so that an answer means that the context is on the screen. Hidden pages never paint. */
export function painted(): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, 100);
    requestAnimationFrame(() => {
      clearTimeout(late);
      setTimeout(resolve);
    });
  });
}

function patientOf(context: Context): Resource | undefined {
  return context.type === 'Patient' ? Object.values(context.resources)[0] : context.resources.patient;
}

/** The context of a close. */
function closing(resource: Resource, patient: Resource): ContextElement[] {
  const anchor = { key: anchorKeyOf(resource.resourceType), resource: forEvent(resource) };
  return resource === patient ? [anchor] : [anchor, { key: 'patient', resource: forEvent(patient) }];
}

const keyOf = (resource: Resource): string => `${resource.resourceType}/${resource.id ?? ''}`;

/** @throws ApiError when no token is given */
export async function startSession(person: Person): Promise<EhrSession> {
  const first = await post<TokenResponse>('/api/console/token');
  let token = first.access_token;
  const refresh = async (): Promise<TokenResponse> => {
    const fresh = await post<TokenResponse>('/api/console/token');
    token = fresh.access_token;
    return fresh;
  };
  const fhir = new Fhir(first.fhir, async (renew) => (renew ? (await refresh()).access_token : token));
  const topic = first['hub.topic'];
  const subscriber = new Subscriber({
    ...fromSmart(first, refresh),
    name: 'EHR',
    events: EVENTS,
    decideWithin: THINK,
    silence: SILENCE,
    maxBackoff: 3000,
  });

  const roster = new Store<Roster>(new Map());
  const charts = new Store<Charts>({ tabs: [] });
  const drafts = new Store<ReadonlyMap<string, string>>(new Map());
  const question = new Store<Question | undefined>(undefined);
  const warnings = new Store<readonly Warning[]>([]);
  const notice = new Store<string | undefined>(undefined);
  const filed = new Store(0);
  const live = new Store(false);

  // ---- Charts ----------------------------------------------------------------------------------------------------------

  /** Brings a patient's tab to the front, with what of theirs is open. */
  function show(patient: Resource, opened?: Resource): void {
    const id = patient.id ?? '';
    charts.update(({ tabs }) => {
      const known = tabs.find((tab) => tab.patient.id === id);
      const chart = known ?? { patient, open: new Map<string, Resource>() };
      const open = new Map(chart.open);
      if (opened) {
        open.delete(keyOf(opened));
        open.set(keyOf(opened), opened);
      }
      const next = { ...chart, open };
      return { active: id, tabs: known ? tabs.map((tab) => (tab === known ? next : tab)) : [...tabs, next] };
    });
  }

  function forget(patientId: string): void {
    charts.update(({ tabs, active }) => {
      const left = tabs.filter(({ patient }) => patient.id !== patientId);
      const next = active === patientId ? left.at(-1)?.patient.id : active;
      return { tabs: left, ...(next !== undefined && { active: next }) };
    });
    setDraft(patientId, '');
  }

  function forgetOpen(key: string): void {
    charts.update(({ tabs, ...rest }) => ({
      ...rest,
      tabs: tabs.map((tab) => {
        if (!tab.open.has(key)) return tab;
        const open = new Map(tab.open);
        open.delete(key);
        return { ...tab, open };
      }),
    }));
  }

  function setDraft(patientId: string, text: string): void {
    drafts.update((all) => {
      const next = new Map(all);
      if (text === '') next.delete(patientId);
      else next.set(patientId, text);
      return next;
    });
  }

  async function saveDraft(patientId: string): Promise<void> {
    const text = drafts.get().get(patientId)?.trim();
    if (!text) return;
    await fhir.create({
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'Clinical note' },
      subject: { reference: `Patient/${patientId}` },
      effectiveDateTime: new Date().toISOString(),
      performer: [{ reference: person.user }],
      valueString: text,
    });
    setDraft(patientId, '');
    filed.update((count) => count + 1);
  }

  // ---- Following -------------------------------------------------------------------------------------------------------

  function ask(from: string, to: string, signal: AbortSignal): Promise<'save' | 'discard' | 'stay'> {
    return new Promise((resolve) => {
      const answer = (choice: 'save' | 'discard' | 'stay'): void => {
        question.set(undefined);
        resolve(choice);
      };
      // A newer context makes the question pointless.
      signal.addEventListener('abort', () => answer('stay'), { once: true });
      question.set({ from, to, answer });
    });
  }

  async function fullPatient(context: Context): Promise<Resource | undefined> {
    const given = patientOf(context);
    if (given?.id && (given.name !== undefined || charts.get().tabs.some(({ patient }) => patient.id === given.id))) {
      return given;
    }
    const reference = given?.id ? keyOf(given) : Object.values(context.resources).map(subjectOf).find(Boolean);
    if (!reference) return given;
    return fhir.read(reference).catch(() => given);
  }

  async function follow(context: Context | undefined, event: HubEvent) {
    warnings.set([]);
    if (!context) return undefined;
    const anchor = Object.values(context.resources).find(
      (one) => one.resourceType === context.type && one.id === context.id,
    );
    const patient = await fullPatient(context);
    if (!patient?.id) return undefined;
    const { active, tabs } = charts.get();
    const unsaved = active === undefined ? undefined : drafts.get().get(active)?.trim();
    if (!event.mine && active !== undefined && active !== patient.id && unsaved) {
      const front = tabs.find((tab) => tab.patient.id === active);
      const choice = await ask(nameOf(front?.patient), nameOf(patient), event.signal);
      if (choice === 'stay') return refuse('a note is not saved');
      if (choice === 'discard') setDraft(active, '');
      else await saveDraft(active);
    }
    show(patient, context.type === 'Patient' ? undefined : anchor);
    await painted();
    return true;
  }

  subscriber.follow(follow);
  for (const name of EVENTS) {
    if (!name.endsWith('-close')) continue;
    subscriber.on(name, (event) => {
      const type = name.slice(0, -'-close'.length);
      const closed = event.elements.find(({ resource }) => resource?.resourceType === type)?.resource;
      if (!closed) return;
      if (type === 'Patient') forget(closed.id ?? '');
      else forgetOpen(keyOf(closed));
      // Whoever closes a report may have filed it before.
      if (type === 'DiagnosticReport') filed.update((count) => count + 1);
    });
  }
  subscriber.on('SyncError', ({ id, elements }) => {
    const outcome = elements[0]?.resource;
    const text = textAt(outcome, 'issue.diagnostics') ?? 'An application did not follow.';
    const codings = valuesAt(outcome, 'issue.details.coding');
    const who = textAt(codings[2], 'code', 'display') ?? '';
    // An application that lost its connection shows that by itself, and comes back by itself.
    if (who !== '') roster.update((one) => withReason(one, who, text));
    warnings.update((all) => [...all.filter((one) => one.who !== who), { id, who, text }]);
  });

  // ---- Publishing ------------------------------------------------------------------------------------------------------

  async function publish(send: () => Promise<unknown>): Promise<boolean> {
    try {
      await send();
      notice.set(undefined);
      return true;
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      const why = error.status === 0 ? 'the Hub cannot be reached' : error.message;
      notice.set(`The other applications were not told: ${why}.`);
      return false;
    }
  }

  async function openPatient(patient: Resource): Promise<void> {
    show(patient);
    await publish(() => subscriber.openPatient(forEvent(patient)));
  }

  async function open(
    resource: Resource,
    patient: Resource,
    others: Readonly<Record<string, Resource | undefined>>,
  ): Promise<void> {
    show(patient, resource);
    const along = Object.entries(others).map(([key, one]) => [key, one && forEvent(one)] as const);
    await publish(() =>
      subscriber.open(forEvent(resource), { ...Object.fromEntries(along), patient: forEvent(patient) }),
    );
  }

  async function close(resource: Resource, patient: Resource): Promise<void> {
    const { resourceType: type } = resource;
    const wasCurrent = subscriber.context?.type === type && subscriber.context.id === resource.id;
    forgetOpen(keyOf(resource));
    await publish(() => subscriber.publish(`${type as 'Encounter'}-close`, closing(resource, patient)));
    // After a close the context is empty: the chart that stays in front says so to the others.
    if (wasCurrent) await publish(() => subscriber.openPatient(forEvent(patient)));
  }

  async function closeTab(patientId: string): Promise<void> {
    const before = charts.get();
    const chart = before.tabs.find(({ patient }) => patient.id === patientId);
    if (!chart) return;
    forget(patientId);
    const { patient } = chart;
    for (const opened of chart.open.values()) {
      await publish(() => subscriber.publish(`${opened.resourceType as 'Encounter'}-close`, closing(opened, patient)));
    }
    await publish(() => subscriber.publish('Patient-close', closing(patient, patient)));
    const { tabs, active } = charts.get();
    const front = tabs.find((tab) => tab.patient.id === active);
    if (front && before.active === patientId) await openPatient(front.patient);
  }

  async function askAgain(): Promise<void> {
    const { context } = subscriber;
    if (context) await publish(() => subscriber.publish(`${context.type}-open`, context.elements));
  }

  // ---- The session's members -------------------------------------------------------------------------------------------

  let reading: Promise<void> | undefined;
  function readSession(): Promise<void> {
    reading ??= get<SessionView>('/api/console/session')
      .then(
        ({ subscriptions }) => roster.update((known) => readRoster(subscriptions, known)),
        () => undefined,
      )
      .finally(() => {
        reading = undefined;
      });
    return reading;
  }
  const stopLive = watchLive(topic, {
    ready: () => live.set(true),
    recent(entries) {
      roster.update((known) => followEntries(known, entries));
      void readSession();
    },
    lost: () => live.set(false),
    entries(entries: readonly TimelineEntry[]) {
      const before = roster.get();
      roster.update((known) => followEntries(known, entries));
      // Who did not follow and now does: opened anew, the context puts everybody's doubts to rest.
      const warned = warnings.get().map(({ who }) => who);
      if (caughtUp(before, roster.get(), warned)) void askAgain();
      if ([...roster.get().values()].some(({ clientId }) => clientId === '')) void readSession();
    },
  });

  void subscriber.connect();
  return {
    person,
    subscriber,
    fhir,
    topic,
    roster,
    charts,
    drafts,
    question,
    warnings,
    notice,
    filed,
    live,
    openPatient,
    open,
    close,
    closeTab,
    setDraft,
    saveDraft,
    askAgain,
    async signOut() {
      await publish(() => subscriber.logout());
      await subscriber.unsubscribe();
    },
    end() {
      stopLive();
      void subscriber.unsubscribe();
    },
  };
}

/** What is open, in a line: `Amara Diallo · CT chest`. */
export function contextTitle(context: Context | undefined): string {
  if (!context) return 'Nothing is open';
  const patient = patientOf(context);
  const anchor = Object.values(context.resources).find(({ resourceType }) => resourceType === context.type);
  const name = patient ? nameOf(patient) : '';
  if (context.type === 'Patient' || !anchor) return name || `${context.type} ${context.id}`;
  return [name, titleOf(anchor)].filter(Boolean).join(' · ');
}
