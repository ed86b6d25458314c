/** What the person does in the EHR, told to the other applications. */
import { HubError, type Subscriber } from '@lockstep/client';
import type { Resource } from '@lockstep/fhircast';
import { forEvent } from '../fhir.ts';
import { Store } from '../store.ts';
import type { ChartBook } from './charts.ts';
import { closing, keyOf } from './context.ts';

export class Publishing {
  /** What could not be sent, in words. */
  readonly notice = new Store<string | undefined>(undefined);
  readonly #subscriber: Subscriber;
  readonly #book: ChartBook;

  constructor(subscriber: Subscriber, book: ChartBook) {
    this.#subscriber = subscriber;
    this.#book = book;
  }

  async #publish(send: () => Promise<unknown>): Promise<void> {
    try {
      await send();
      this.notice.set(undefined);
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      const why = error.status === 0 ? 'the Hub cannot be reached' : error.message;
      this.notice.set(`The other applications were not told: ${why}.`);
    }
  }

  async openPatient(patient: Resource): Promise<void> {
    this.#book.show(patient);
    await this.#publish(() => this.#subscriber.openPatient(forEvent(patient)));
  }

  /** Opens an encounter, study or report of the patient. */
  async open(
    resource: Resource,
    patient: Resource,
    others: Readonly<Record<string, Resource | undefined>>,
  ): Promise<void> {
    this.#book.show(patient, resource);
    const along = Object.entries(others).map(([key, one]) => [key, one && forEvent(one)] as const);
    const elements = { ...Object.fromEntries(along), patient: forEvent(patient) };
    await this.#publish(() => this.#subscriber.open(forEvent(resource), elements));
  }

  async close(resource: Resource, patient: Resource): Promise<void> {
    const { context } = this.#subscriber;
    const wasCurrent = context?.type === resource.resourceType && context.id === resource.id;
    this.#book.forgetOpen(keyOf(resource));
    await this.#sendClose(resource, patient);
    // After a close the context is empty: the chart that stays in front says so to the others.
    if (wasCurrent) await this.#publish(() => this.#subscriber.openPatient(forEvent(patient)));
  }

  #sendClose(resource: Resource, patient: Resource): Promise<void> {
    const event = `${resource.resourceType as 'Encounter'}-close` as const;
    return this.#publish(() => this.#subscriber.publish(event, closing(resource, patient)));
  }

  async closeTab(patientId: string): Promise<void> {
    const chart = this.#book.find(patientId);
    if (!chart) return;
    const wasFront = this.#book.front === chart;
    this.#book.forget(patientId);
    for (const opened of chart.open.values()) await this.#sendClose(opened, chart.patient);
    if (!chart.closed) await this.#sendClose(chart.patient, chart.patient);
    const { front } = this.#book;
    if (front && wasFront) await this.openPatient(front.patient);
  }

  /** Publishes the current context again: whoever did not follow may think better of it. */
  async askAgain(): Promise<void> {
    const { context } = this.#subscriber;
    if (context) await this.#publish(() => this.#subscriber.publish(`${context.type}-open`, context.elements));
  }

  async logout(): Promise<void> {
    await this.#publish(() => this.#subscriber.logout());
  }
}
