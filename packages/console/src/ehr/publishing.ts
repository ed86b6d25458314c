/** What the person does in the EHR, asked of the Hub. Nothing of it is shown before the Hub has accepted it. */
import { type Consent, HubError, type Subscriber } from '@lockstep/client';
import type { Resource } from '@lockstep/fhircast';
import { words } from '../api.ts';
import { forEvent, titleOf } from '../fhir.ts';
import { identityText } from '../identity.tsx';
import { t } from '../language/language.ts';
import { reasonWords } from '../language/reasons.ts';
import { Watchable } from '../store.ts';
import type { ChartBook } from './charts.ts';
import { closing, keyOf } from './context.ts';
import { withClosed, withoutRequest, withRefusal, withRequest } from './desk.ts';
import type { UnsavedWork } from './docked-apps.ts';

/** The Hub's answer to the close of what is not open. */
const CONFLICT = 409;

/** Applications that can be asked have this long to say whether they would follow, ms. */
const SURVEY_WITHIN = 600;
/** Before signing out they have longer: what is left then cannot be saved. */
const SIGN_OUT_WITHIN = 3000;

/** Others would not follow what the person asked for. */
export interface ObjectionQuestion {
  /** What was asked for, as a sentence without its end. */
  readonly what: string;
  readonly objections: readonly Consent[];
  answer(goOn: boolean): void;
}

export interface EhrPublishingParts {
  readonly subscriber: Subscriber;
  readonly book: ChartBook;
  /** Names of the applications that can be asked whether they would follow. */
  readonly surveyed: () => readonly string[];
}

type Elements = Readonly<Record<string, Resource | undefined>>;

export class EhrPublishing {
  /** What the person is asked before something is sent. */
  readonly objections = new Watchable<ObjectionQuestion | undefined>(undefined);
  readonly #subscriber: Subscriber;
  readonly #book: ChartBook;
  readonly #surveyed: () => readonly string[];
  #requests = 0;
  #latest: { readonly what: string; readonly send: () => Promise<unknown> } | undefined;

  constructor({ subscriber, book, surveyed }: EhrPublishingParts) {
    this.#subscriber = subscriber;
    this.#book = book;
    this.#surveyed = surveyed;
  }

  /** Opens a context, once no application objects or the person goes on all the same. */
  async #open(what: string, anchor: Resource, others: Elements): Promise<void> {
    const number = ++this.#requests;
    this.#book.desk.update((now) => withRequest(now, number, what));
    const goesOn = await this.#nobodyObjects(what, anchor, others);
    if (number !== this.#requests) return;
    this.#book.desk.update((now) => withoutRequest(now, number));
    if (goesOn) await this.#request(what, () => this.#subscriber.open(anchor, others));
  }

  async #nobodyObjects(what: string, anchor: Resource, others: Elements): Promise<boolean> {
    this.objections.get()?.answer(false);
    const objections = await this.#objectionsTo(anchor, others, SURVEY_WITHIN);
    if (objections.length === 0) return true;
    return new Promise((resolve) => {
      const answer = (goOn: boolean): void => {
        this.objections.set(undefined);
        resolve(goOn);
      };
      this.objections.set({ what, objections, answer });
    });
  }

  /** @param anchor what would be opened; undefined where nothing would be. @param within ms for their answers */
  async #objectionsTo(anchor: Resource | undefined, others: Elements, within: number): Promise<readonly Consent[]> {
    const expected = this.#surveyed();
    if (expected.length === 0) return [];
    try {
      const consents = await this.#subscriber.survey(anchor, { others, expected, within });
      return consents.filter(({ would }) => would === 'refuse');
    } catch {
      // Whatever is wrong, the change itself says it better.
      return [];
    }
  }

  /** What applications would lose, in windows of their own too, if nothing were open any more. */
  async unsavedElsewhere(): Promise<readonly UnsavedWork[]> {
    const { status } = this.#subscriber.state;
    if (status === 'connecting' || status === 'closed') return [];
    const objections = await this.#objectionsTo(undefined, {}, SIGN_OUT_WITHIN);
    return objections.map(({ name, reason }) => ({ app: name, what: reasonWords(reason) }));
  }

  /** @param what the request as a sentence without its end. @returns whether the Hub accepted it */
  async #request(what: string, send: () => Promise<unknown>): Promise<boolean> {
    const number = ++this.#requests;
    const { desk } = this.#book;
    this.#latest = { what, send };
    desk.update((now) => withRequest(now, number, what));
    try {
      await send();
      desk.update((now) => withoutRequest(now, number));
      return true;
    } catch (error) {
      const reason = error instanceof HubError && error.status === 0 ? t('ehr.theHubCannotBeReached') : words(error);
      desk.update((now) => withRefusal(now, number, reason));
      return false;
    }
  }

  /** Sends what was not accepted once more. */
  async sendAgain(): Promise<void> {
    if (this.#latest) await this.#request(this.#latest.what, this.#latest.send);
  }

  /** Gives up what was not accepted: the chart that is shown stays. */
  goBack(): void {
    this.#book.desk.update((now) => withoutRequest(now));
  }

  async openPatient(patient: Resource): Promise<void> {
    await this.#open(t('ehr.openNamed', { title: identityText(patient) }), forEvent(patient), {});
  }

  /** Opens an encounter, study or report of the patient. */
  async open(resource: Resource, patient: Resource, others: Elements): Promise<void> {
    const along = Object.entries(others).map(([key, one]) => [key, one && forEvent(one)] as const);
    const elements = { ...Object.fromEntries(along), patient: forEvent(patient) };
    await this.#open(
      t('ehr.openOf', { resource: titleOf(resource), patient: identityText(patient) }),
      forEvent(resource),
      elements,
    );
  }

  /** Closes an encounter, study or report; the patient is opened again where it was current. */
  async close(resource: Resource, patient: Resource): Promise<void> {
    const { context } = this.#subscriber;
    const wasCurrent = context?.type === resource.resourceType && context.id === resource.id;
    const closed = await this.#request(
      t('ehr.closeOf', { resource: titleOf(resource), patient: identityText(patient) }),
      () => this.#close(resource, patient),
    );
    if (closed && wasCurrent) await this.openPatient(patient);
  }

  /** Closes a patient, and what of theirs is open. Nothing is open afterwards if they were current. */
  async closePatient(patientId: string): Promise<void> {
    const chart = this.#book.find(patientId);
    if (!chart) return;
    await this.#request(t('ehr.closeNamed', { title: identityText(chart.patient) }), async () => {
      for (const opened of chart.open.values()) await this.#close(opened, chart.patient);
      await this.#close(chart.patient, chart.patient);
    });
  }

  /** @throws HubError unless it is closed afterwards, by this application or another */
  async #close(resource: Resource, patient: Resource): Promise<void> {
    const event = `${resource.resourceType as 'Encounter'}-close` as const;
    try {
      await this.#subscriber.publish(event, closing(resource, patient));
    } catch (error) {
      if (!(error instanceof HubError) || error.status !== CONFLICT) throw error;
    }
    this.#book.desk.update((desk) => withClosed(desk, keyOf(resource)));
  }

  /** Publishes the current context again: applications that did not follow may follow now. */
  async askAgain(): Promise<void> {
    const { context } = this.#subscriber;
    if (!context) return;
    await this.#request(t('ehr.askTheOtherApplicationsAgain'), () =>
      this.#subscriber.publish(`${context.type}-open`, context.elements),
    );
  }

  /** Tells the others that the person signs out. */
  async logout(): Promise<void> {
    await this.#request(t('ehr.signOutOfTheSession'), () => this.#subscriber.logout());
  }
}
