/** A link to a patient, or to a study of theirs. It opens nothing by itself: all applications would follow the sender of the link. */

import { Button, Group } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { ApiError } from '../api.ts';
import { shownChart } from '../ehr/desk.ts';
import type { EhrSession } from '../ehr/session.ts';
import { subjectOf, textAt, titleOf, when } from '../fhir.ts';
import { ForeignName } from '../foreign-text.tsx';
import { Who } from '../identity.tsx';
import { t } from '../language/language.ts';
import { Link, navigate } from '../router.tsx';
import { useStore } from '../store.ts';
import { focusOnce } from '../ui/focus-once.ts';
import pageStyles from '../ui/page.module.css';
import { Problem, Waiting } from '../ui/problem.tsx';
import textStyles from '../ui/text.module.css';

export interface OpenLinkProps {
  readonly session: EhrSession;
  /** Ids of the record. */
  readonly patient: string;
  readonly study?: string | undefined;
}

/** @returns undefined when the record has no such patient, or no such study of theirs */
async function readLink({ fhir }: EhrSession, patientId: string, studyId: string | undefined) {
  try {
    const [patient, study] = await Promise.all([
      fhir.read(`Patient/${encodeURIComponent(patientId)}`),
      studyId === undefined ? undefined : fhir.read(`ImagingStudy/${encodeURIComponent(studyId)}`),
    ]);
    return study && subjectOf(study) !== `Patient/${patientId}` ? undefined : { patient, study };
  } catch (error) {
    if (error instanceof ApiError && [400, 404, 410].includes(error.status)) return undefined;
    throw error;
  }
}

export default function OpenLink({ session, patient: patientId, study: studyId }: OpenLinkProps) {
  const [busy, setBusy] = useState(false);
  const link = useQuery({
    queryKey: ['link', patientId, studyId],
    queryFn: async () => (await readLink(session, patientId, studyId)) ?? null,
  });
  const shown = shownChart(useStore(session.book.desk))?.patient.id === patientId && studyId === undefined;
  useEffect(() => {
    if (shown) navigate('/', { replace: true });
  }, [shown]);

  async function open(): Promise<void> {
    if (!link.data) return;
    const { patient, study } = link.data;
    setBusy(true);
    if (study) await session.publishing.open(study, patient, {});
    else await session.publishing.openPatient(patient);
    navigate('/', { replace: true });
  }

  if (link.isPending) return <Waiting what={t('links.readingTheRecord')} />;
  if (link.isError) return <Problem error={link.error} retry={() => void link.refetch()} />;
  if (link.data === null) {
    return (
      <div className={pageStyles.page}>
        <h1>{t('links.noSuchPatient')}</h1>
        <p>{t(studyId === undefined ? 'links.thisRecordHasNoSuchPatient' : 'links.thisPatientHasNoSuchStudy')}</p>
        <p>
          <Link href="/">{t('links.backToTheEhr')}</Link>
        </p>
      </div>
    );
  }
  const { patient, study } = link.data;
  return (
    <div className={pageStyles.page}>
      <h1>{t(study ? 'links.openThisStudy' : 'links.openThisPatient')}</h1>
      <p>
        <Who patient={patient} />
      </p>
      {study && (
        <p>
          <ForeignName text={titleOf(study)} /> · {when(textAt(study, 'started'))}
        </p>
      )}
      <p className={textStyles.lead}>{t('links.everyApplicationFollows')}</p>
      <Group component="p" gap={10}>
        <Button ref={focusOnce} loading={busy} onClick={() => void open()}>
          {t('links.open')}
        </Button>
        <Link className={textStyles.quietLink} href="/">
          {t('links.backToTheEhr')}
        </Link>
      </Group>
    </div>
  );
}
