/**
 * Events of our own, in reverse domain notation: other Hubs and clients know nothing of them and never see them, since nobody
 * gets an event that it did not subscribe to (PUB-3).
 */
import { type ContextElement, type JsonObject, textOf } from './messages.ts';

/** From the Hub: every subscriber that does not follow now (ERR-8). Each such event replaces the one before. */
export const FOLLOWING_EVENT = 'org.lockstep.following';
/** Asks the others whether they would follow a context change, before it is made. */
export const SURVEY_EVENT = 'org.lockstep.survey';
/** One application's answer to a survey. */
export const SURVEY_ANSWER_EVENT = 'org.lockstep.survey.answer';

/** A subscriber that does not follow the context (ERR-8), as a Hub tells it. */
export interface NotFollowing {
  /** `subscriber.name`. */
  readonly name: string;
  /**
   * `refused`: it answered, or said in a SyncError of its own, that it does not follow (ERR-2). `failed`: it could not process
   * the event, or could not be reached (ERR-2, WEB-3). `silent`: it has not answered in time (ERR-4). `lost`: its connection is
   * gone (ERR-3). `waiting`: it has not answered yet, and may still do so in time.
   * `untold`: it did not subscribe to the event that changed the context, and was told before of another patient, or of one where none is
   * open now.
   */
  readonly why: 'refused' | 'failed' | 'silent' | 'lost' | 'waiting' | 'untold';
  /** ms since the epoch, by the Hub's clock. */
  readonly since: number;
  /** For people; '' where nothing was said. */
  readonly reason: string;
  /** Id of the event that it did not follow. */
  readonly eventId?: string;
  /** Name of that event. */
  readonly eventName?: string;
  /** What it still shows as far as is known, as `Type/id`; '' for nothing. */
  readonly shows?: string;
  /** Whether its subscription has ended since: it is gone, and what its screen shows is not known. */
  readonly ended?: true;
}

/** One subscriber that does not follow, as the session listing and a `FOLLOWING_EVENT` write it. */
export function notFollowingJson(one: NotFollowing): JsonObject {
  const { name, why, since, reason, eventId, eventName, shows, ended } = one;
  return {
    subscriber: name,
    why,
    since: new Date(since).toISOString(),
    ...(eventId !== undefined && { 'event.id': eventId }),
    ...(eventName !== undefined && { 'hub.event': eventName }),
    ...(reason !== '' && { reason }),
    ...(shows !== undefined && { shows }),
    ...(ended && { ended }),
  };
}

/** The context of a `FOLLOWING_EVENT`. */
export function notFollowingContext(list: readonly NotFollowing[]): readonly ContextElement[] {
  return list.map((one) => ({ key: 'not-following', ...notFollowingJson(one) }));
}

/** Reads the context of a `FOLLOWING_EVENT`. */
export function readNotFollowing(context: readonly ContextElement[]): readonly NotFollowing[] {
  return context.flatMap((element) => {
    const { key, subscriber, why, since, reason, shows, ended, 'event.id': eventId, 'hub.event': eventName } = element;
    if (key !== 'not-following' || typeof subscriber !== 'string') return [];
    return [
      {
        name: subscriber,
        why: why as NotFollowing['why'],
        since: Date.parse(textOf(since)),
        reason: textOf(reason),
        ...(typeof eventId === 'string' && { eventId }),
        ...(typeof eventName === 'string' && { eventName }),
        ...(typeof shows === 'string' && { shows }),
        ...(ended === true && { ended }),
      },
    ];
  });
}

/** What a survey asks. */
export interface SurveyQuestion {
  /** The event that would be published. */
  readonly name: string;
  readonly context: readonly ContextElement[];
}

/** The context of a `SURVEY_EVENT`: the event's name, and then its context. */
export function surveyContext({ name, context }: SurveyQuestion): readonly ContextElement[] {
  return [{ key: 'survey', 'hub.event': name }, ...context];
}

/** Reads the context of a `SURVEY_EVENT`; undefined where it asks nothing. */
export function readSurvey([survey, ...context]: readonly ContextElement[]): SurveyQuestion | undefined {
  const name = survey?.key === 'survey' && survey['hub.event'];
  return typeof name === 'string' ? { name, context } : undefined;
}

/** One application's answer to a survey. */
export interface SurveyAnswer {
  /** Id of the `SURVEY_EVENT`. */
  readonly survey: string;
  /** `subscriber.name` of the application that answers. */
  readonly name: string;
  /** As an answer to the event itself: 2xx for one that would follow. */
  readonly status: number;
  /** Why not, for people. It must not name the patient. */
  readonly reason: string;
}

/** The context of a `SURVEY_ANSWER_EVENT`. */
export function surveyAnswerContext(answer: SurveyAnswer): readonly ContextElement[] {
  return [{ key: 'answer', ...answer }];
}

/** Reads the context of a `SURVEY_ANSWER_EVENT`; undefined where it is no answer. */
export function readSurveyAnswer([answer]: readonly ContextElement[]): SurveyAnswer | undefined {
  const { survey, name, status, reason }: JsonObject = answer ?? {};
  if (typeof survey !== 'string' || typeof name !== 'string' || typeof status !== 'number') return undefined;
  return { survey, name, status, reason: textOf(reason) };
}
