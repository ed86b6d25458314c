/** The EHR as an application among others: it follows and publishes through the Hub with a token of its own. */
import { fromSmart, Subscriber } from '@lockstep/client';
import type { Resource } from '@lockstep/fhircast';
import { get, onSignedOut, post, type SessionView, type SignedInPerson, type TokenResponse } from '../api.ts';
import { AppList } from '../apps/app-list.ts';
import { AppShelf } from '../apps/shelf.ts';
import { browserStorage, tabStorage } from '../browser-storage.ts';
import { Fhir } from '../fhir.ts';
import { SessionInvitations } from '../guests/invitations.ts';
import { HubRequests } from '../hub-requests.ts';
import { Watchable } from '../store.ts';
import { ChartBook } from './charts.ts';
import { DockedApps } from './docked-apps.ts';
import { EVENTS, OthersFollowing } from './following.ts';
import { KeptDesk } from './kept-desk.ts';
import { KeptNotes } from './kept-notes.ts';
import { Members } from './members.ts';
import { Notes } from './notes.ts';
import { EhrPublishing } from './publishing.ts';
import { takeWindowName } from './window-name.ts';

/** How long the socket may be silent before it is pinged, ms: a closed one shows at once, so this finds dead ones only. */
const SILENCE = 10_000;

export interface EhrSession {
  readonly person: SignedInPerson;
  readonly topic: string;
  /** Name of this window in the session. */
  readonly name: string;
  readonly subscriber: Subscriber;
  readonly fhir: Fhir;
  readonly hub: HubRequests;
  /** Links into this session. */
  readonly invitations: SessionInvitations;
  readonly book: ChartBook;
  readonly notes: Notes;
  readonly following: OthersFollowing;
  readonly publishing: EhrPublishing;
  readonly members: Members;
  readonly apps: DockedApps;
  /** The person's favourite apps, and those used last. */
  readonly shelf: AppShelf;
  /** Of those that can be run. */
  readonly appList: AppList;
  /** What outlasts loading the page again. */
  readonly kept: KeptDesk;
  /** The patient whose tab the person closed last, until another is opened. */
  readonly lastClosed: Watchable<Resource | undefined>;
  /** Counts what was filed in the record, here or by others, as far as events tell. */
  readonly filed: Watchable<number>;
  /** Whether the sign-in has ended: elsewhere, by an administrator, or after its time. */
  readonly signedOut: Watchable<boolean>;
  /** Files the unsaved note. @throws ApiError when the record does not take it; it stays unsaved then */
  saveDraft(patient: Resource): Promise<void>;
  /** Closes a patient, once nothing unsaved would be lost by it. */
  closePatient(patient: Resource): Promise<void>;
  /** @returns false when the person stays, for the sake of what is not saved */
  signOut(): Promise<boolean>;
  end(): void;
}

/**
 * @param loadChart makes ready what draws charts
 * @throws ApiError when no token is given
 */
export async function startSession(person: SignedInPerson, loadChart: () => Promise<void>): Promise<EhrSession> {
  const first = await post<TokenResponse>('/api/console/token');
  let token = first.access_token;
  const refresh = async (): Promise<TokenResponse> => {
    const fresh = await post<TokenResponse>('/api/console/token');
    token = fresh.access_token;
    return fresh;
  };
  const freshToken = async (renew: boolean): Promise<string> => (renew ? (await refresh()).access_token : token);
  const fhir = new Fhir(first.fhir, freshToken);
  const hub = new HubRequests(first['hub.url'], freshToken);
  const topic = first['hub.topic'];
  const { subscriptions, open } = await get<SessionView>('/api/console/session');
  const window = await takeWindowName({
    topic,
    inUse: subscriptions.filter(({ connected }) => connected).map(({ name }) => name),
    locks: navigator.locks,
    storage: sessionStorage,
  });
  const book = new ChartBook();
  const subscriber = new Subscriber({
    ...fromSmart(first, refresh),
    name: window.name,
    events: EVENTS,
    silence: SILENCE,
    // Lockstep answers pings and loses no event: an idle page asks for nothing.
    ping: true,
    checkEvery: 0,
    maxBackoff: 3000,
    // What is on the screen, whatever handlers said of it.
    showing: () => {
      const { shown } = book.desk.get();
      return shown.kind === 'chart' ? shown.of : undefined;
    },
  });
  const unwatchDesk = book.desk.watch(() => subscriber.showingChanged());

  const filed = new Watchable(0);
  const wasFiled = (): void => filed.update((count) => count + 1);
  async function saveDraft(patient: Resource): Promise<void> {
    const text = book.draftOf(patient.id);
    if (!text) return;
    await fhir.create({
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'Clinical note' },
      subject: { reference: `Patient/${patient.id}` },
      effectiveDateTime: new Date().toISOString(),
      performer: [{ reference: person.user }],
      valueString: text,
    });
    book.setDraft(patient, '');
    wasFiled();
  }

  const notes = new Notes(book, saveDraft);
  const apps = new DockedApps();
  const publishing = new EhrPublishing({ subscriber, book, surveyed: () => members.surveyed(window.name) });
  const following = new OthersFollowing({
    subscriber,
    fhir,
    book,
    notes,
    loadChart,
    onReportClosed: wasFiled,
    onBehind: (name, reason) => members.noteReason(name, reason),
  });
  const members = new Members(topic);

  const kept = new KeptDesk({ storage: tabStorage, topic, fhir, book, apps });
  const keeping = kept.start(open);
  void new KeptNotes({ storage: tabStorage, user: person.user, fhir, book }).restore();
  const lastClosed = new Watchable<Resource | undefined>(undefined);

  const signedOut = new Watchable(false);
  const stopWatching = onSignedOut(() => {
    end();
    signedOut.set(true);
  });

  function end(): void {
    stopWatching();
    following.end();
    unwatchDesk();
    void keeping.then((stop) => stop());
    members.stop();
    void subscriber.unsubscribe();
    window.release();
  }

  void subscriber.connect();
  return {
    person,
    topic,
    name: window.name,
    subscriber,
    fhir,
    hub,
    invitations: new SessionInvitations({ hub, topic, storage: tabStorage }),
    book,
    notes,
    following,
    publishing,
    members,
    apps,
    shelf: new AppShelf(browserStorage, person.user),
    appList: new AppList(),
    kept,
    lastClosed,
    filed,
    signedOut,
    saveDraft,
    async closePatient(patient) {
      if (!(await notes.settle([patient], { why: 'closed' }))) return;
      await publishing.closePatient(patient.id ?? '');
      if (!book.find(patient.id)) lastClosed.set(patient);
    },
    async signOut() {
      if (!(await apps.mayLeave(apps.running.get(), 'sign-out', publishing.unsavedElsewhere()))) return false;
      if (!(await notes.settle(notes.unsaved, { why: 'signed-out' }))) return false;
      stopWatching();
      await publishing.logout();
      await subscriber.unsubscribe();
      return true;
    },
    end,
  };
}
