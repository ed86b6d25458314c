/** Following the session: what both samples do before they show anything of a context. */
import { type Context, refuse } from '@lockstep/client';
import { hasUnsaved } from '@lockstep/client/unsaved';
import { type Reason, reasonWords, recordReason } from '@lockstep/console/language';
import { useEffect, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { type Connected, painted } from './app.tsx';
import { FhirError, type Resource } from './fhir.ts';
import { findPatient } from './patient.ts';

/** A context whose patient the record has. */
export interface Followed {
  readonly context: Context;
  /** As the record has them. */
  readonly patient: Resource;
}

export interface FollowingParts {
  /**
   * Why the application stays where it is, for the others in the session, who may speak another language; undefined when it may go. Asked before a change as well.
   * @param next the context that would be followed; undefined when nothing would be open
   */
  readonly staysFor: (next: Context | undefined) => Reason | undefined;
  /** Shows it; undefined when nothing is open, or the session was left: then nothing is shown (HZ-4), and what is not saved is kept. */
  readonly show: (next: Followed | undefined) => void;
}

export interface Following {
  /** What stands in the way of showing what is open, in words. */
  readonly obstacle: string | undefined;
  /** Asks again, once the reason to stay is gone. */
  readonly again: () => void;
}

/** Answers an event that a newer one has replaced. */
const REPLACED = 202;

/** Tells the EHR that embeds or opened the page, and the browser, what is not saved. @param what for people; undefined for nothing */
export function useUnsaved(what: string | undefined): void {
  const latest = useRef(what);
  latest.current = what;
  useEffect(() => hasUnsaved(() => latest.current ?? '', [location.origin]), []);
}

export function useFollowing({ subscriber, fhir }: Connected, parts: FollowingParts): Following {
  const latest = useRef(parts);
  latest.current = parts;
  const [obstacle, setObstacle] = useState<Reason>();
  const [asked, setAsked] = useState(0);

  useEffect(
    () =>
      subscriber.follow({
        may(context) {
          const reason = latest.current.staysFor(context);
          return reason === undefined ? undefined : refuse(reason);
        },
        async show(context, { signal }) {
          const { next, problem } = context ? await read(context) : {};
          if (signal.aborted) return REPLACED;
          const draw = (): void => {
            setObstacle(problem);
            latest.current.show(next);
          };
          // A page that is left stands still at once: it comes back from the browser's memory with what is drawn now.
          if (context) draw();
          else flushSync(draw);
          await painted();
          return problem === undefined ? true : refuse(problem);
        },
      }),
    // `asked` follows once more.
    [subscriber, fhir, asked],
  );

  async function read(context: Context): Promise<{ next?: Followed; problem?: Reason }> {
    try {
      const found = await findPatient(fhir, context);
      if (found.kind === 'found') return { next: { context, patient: found.patient } };
      return { problem: 'the patient is not in this record' };
    } catch (error) {
      return { problem: recordReason(error instanceof FhirError ? error.status : undefined) };
    }
  }

  useEffect(() => {
    if (obstacle === undefined) return undefined;
    // The record could not be read while there was no network; what is open has not changed.
    const again = (): void => setAsked((count) => count + 1);
    addEventListener('online', again);
    return () => removeEventListener('online', again);
  }, [obstacle]);

  return { obstacle: obstacle && reasonWords(obstacle), again: () => setAsked((count) => count + 1) };
}
