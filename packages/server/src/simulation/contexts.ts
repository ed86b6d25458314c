/** What a simulated launch opens, where the user has not picked it. */
import type { Hub } from '@lockstep/hub';
import type { PatientDirectory, UserProfile } from '@lockstep/smart';

/** Patients among which the first by name is looked for. */
const FIRST_PATIENTS = 50;

export interface PickedContext {
  readonly patient?: string;
  readonly encounter?: string;
  readonly imagingStudy?: string;
}

export interface LaunchContextParts {
  readonly hub: Pick<Hub, 'sessions' | 'openSession'>;
  readonly patients: PatientDirectory;
}

export class LaunchContexts {
  readonly #parts: LaunchContextParts;

  constructor(parts: LaunchContextParts) {
    this.#parts = parts;
  }

  /** The session that a sign-in of the user would open or join. */
  async topicOf({ id, reference, aliases }: UserProfile): Promise<string> {
    const { hub } = this.#parts;
    const open = await hub.sessions({ user: reference });
    const found = open.find(({ info }) => info.user === reference && info.workstation === undefined);
    return (found ?? (await hub.openSession({ user: reference, aliases: [id, ...aliases] }))).topic;
  }

  /**
   * The context with what a picker would ask for: the first patient of the record, and the latest encounter.
   * @param picks whether pickers are skipped; otherwise the context stays as it is
   */
  async complete({ reference }: UserProfile, context: PickedContext, picks: boolean): Promise<PickedContext> {
    if (!picks) return context;
    const { patients } = this.#parts;
    const own = /^Patient\/(.+)$/.exec(reference)?.[1];
    const patient = context.patient ?? own ?? (await patients.search('', FIRST_PATIENTS)).patients[0]?.id;
    if (patient === undefined) return context;
    const encounter = context.encounter ?? (await patients.encounters(patient))[0]?.id;
    return { ...context, patient, ...(encounter !== undefined && { encounter }) };
  }
}
