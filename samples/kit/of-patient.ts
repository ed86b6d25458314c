/** What the record has of the patient who is shown. */
import { useEffect, useRef, useState } from 'react';
import { noticeOf } from './app.tsx';
import type { Notice } from './words.ts';

export interface OfPatient<T> {
  /** Undefined until it has been read. */
  readonly value?: T;
  /** Why it could not be read: then it is not known whether there is any (HZ-5). */
  readonly problem?: Notice;
}

/**
 * Reads something of a patient. What was read of another one is not given out, not even until this patient's has come (HZ-1).
 * @param patient id; undefined while no patient is shown
 * @param read asks the record
 * @param again another number reads it once more; meanwhile what is known of the same patient stays
 */
export function useOfPatient<T>(
  patient: string | undefined,
  read: (patient: string) => Promise<T>,
  again = 0,
): OfPatient<T> {
  const [known, setKnown] = useState<OfPatient<T> & { readonly patient: string }>();
  const latest = useRef(read);
  latest.current = read;
  useEffect(() => {
    if (patient === undefined) return undefined;
    let current = true;
    latest.current(patient).then(
      (value) => current && setKnown({ patient, value }),
      (error: unknown) => current && setKnown({ patient, problem: noticeOf(error) }),
    );
    return () => {
      current = false;
    };
  }, [patient, again]);
  return known?.patient === patient && known !== undefined ? known : {};
}
