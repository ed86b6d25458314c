import { useQuery } from '@tanstack/react-query';
import type { EhrSession } from '../ehr/session.ts';
import { nameOf } from '../fhir.ts';
import { ForeignName } from '../foreign-text.tsx';

/** The name of a user, as the record has it. @param user `Practitioner/123` */
export function PersonName({ session, user }: { session: EhrSession; user: string }) {
  const read = useQuery({ queryKey: ['person', user], queryFn: () => session.fhir.read(user).catch(() => null) });
  return <ForeignName text={read.data ? nameOf(read.data) : user} />;
}
