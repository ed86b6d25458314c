import {
  type ContextElement,
  type EventMessage,
  readSurvey,
  readSurveyAnswer,
  SURVEY_ANSWER_EVENT,
  SURVEY_EVENT,
  surveyAnswerContext,
  surveyContext,
} from '@lockstep/fhircast';
import { type Context, makeContext } from './context.ts';
import type { Core } from './core.ts';
import type { Dispatcher } from './dispatcher.ts';
import { openedAnchor } from './event-names.ts';
import { HubEvent } from './events.ts';
import { HubError } from './options.ts';

/** What one application says of a change that is not made yet. */
export interface Consent {
  /** `subscriber.name`. */
  readonly name: string;
  /** `unasked`: it has not answered in time, or cannot be asked. */
  readonly would: 'follow' | 'refuse' | 'unasked';
  /** Why not, for people; '' otherwise. */
  readonly reason: string;
}

/** Asks the other applications whether they would follow a change, and answers when they ask. */
export class Surveys {
  readonly #core: Core;
  readonly #dispatcher: Dispatcher;
  /** By id of the survey. */
  readonly #asked = new Map<string, (consent: Consent) => void>();

  constructor(core: Core, dispatcher: Dispatcher) {
    this.#core = core;
    this.#dispatcher = dispatcher;
  }

  /**
   * @param expected names of applications whose answers are awaited; with all of them there, no more time is spent
   * @param within ms
   * @throws HubError
   */
  async ask(
    name: string,
    context: readonly ContextElement[],
    expected: readonly string[],
    within: number,
  ): Promise<readonly Consent[]> {
    const core = this.#core;
    const consents = new Map<string, Consent>(
      expected.map((one) => [one, { name: one, would: 'unasked', reason: '' } as const]),
    );
    const sent = core.make(SURVEY_EVENT, surveyContext({ name, context }));
    const waiting = new Set(expected);
    const done = new Promise<void>((resolve) => {
      core.ports.clock.after(within, resolve);
      this.#asked.set(sent.id, (consent) => {
        consents.set(consent.name, consent);
        if (waiting.delete(consent.name) && waiting.size === 0) resolve();
      });
    });
    const answer = await core.api.publish(sent);
    if (answer.ok) await done;
    this.#asked.delete(sent.id);
    if (!answer.ok) throw new HubError(answer.status, answer.reason);
    return [...consents.values()];
  }

  /** @returns whether the event was a survey's */
  receive({ id, timestamp, event }: EventMessage): boolean {
    const { 'hub.event': name, context } = event;
    if (name === SURVEY_ANSWER_EVENT) {
      const answer = readSurveyAnswer(context);
      if (answer) {
        const { survey, name: who, status, reason } = answer;
        this.#asked.get(survey)?.({ name: who, would: status < 300 ? 'follow' : 'refuse', reason });
      }
    } else if (name === SURVEY_EVENT) {
      const question = readSurvey(context);
      if (question && !this.#core.mine.has(id)) {
        const asked = { id: '', timestamp, event: { ...event, 'hub.event': question.name, context: question.context } };
        void this.#answer(id, new HubEvent(asked, false, false));
      }
    } else {
      return false;
    }
    return true;
  }

  async #answer(survey: string, event: HubEvent): Promise<void> {
    const core = this.#core;
    const outcome = await this.#dispatcher.consent(contextAfter(event), event);
    if (!outcome) return;
    const answer = { survey, name: core.options.name ?? '', ...outcome };
    void core.api.publish(core.make(SURVEY_ANSWER_EVENT, surveyAnswerContext(answer)));
  }
}

/** The context that would be current after the event; undefined for none. */
function contextAfter({ name, elements }: HubEvent): Context | undefined {
  const key = openedAnchor(name, elements);
  return key && makeContext(key, elements, '');
}
