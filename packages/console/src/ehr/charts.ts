/** The EHR's desk, watched by its parts. */
import type { Resource } from '@lockstep/fhircast';
import { Watchable } from '../store.ts';
import { type Chart, chartOf, type Desk, EMPTY, shownChart, withDraft } from './desk.ts';

export class ChartBook {
  readonly desk = new Watchable<Desk>(EMPTY);

  find(patientId: string | undefined): Chart | undefined {
    return chartOf(this.desk.get(), patientId);
  }

  /** The chart that is on the screen. */
  get front(): Chart | undefined {
    return shownChart(this.desk.get());
  }

  setDraft(patient: Resource, text: string): void {
    this.desk.update((desk) => withDraft(desk, patient, text));
  }

  /** An unsaved note that says something. */
  draftOf(patientId: string | undefined): string | undefined {
    return patientId === undefined ? undefined : this.desk.get().drafts.get(patientId)?.text.trim() || undefined;
  }
}
