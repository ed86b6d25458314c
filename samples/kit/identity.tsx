/** Who somebody is: a name alone identifies no one, so date of birth and record number stand beside it. */
import { beginning } from '@lockstep/console/foreign-text';
import styles from '@lockstep/console/identity.module.css';
import { dayOf, nameOf, type Resource, recordNumber, textAt } from './fhir.ts';
import { t } from './words.ts';

function factsOf(patient: Resource): readonly [born: string, number: string] {
  return [
    dayOf(textAt(patient, 'birthDate')) || t('kit.bornUnknown'),
    recordNumber(patient) ?? t('kit.noRecordNumber'),
  ];
}

/** For titles and sentences: `Kofi Mensah, 12 Mar 1961, NF-104466`. */
export function identityText(patient: Resource): string {
  return [nameOf(patient), ...factsOf(patient)].join(', ');
}

/** Name, date of birth and record number, of which only the name may be cut. */
export function Who({ patient }: { patient: Resource }) {
  const [born, number] = factsOf(patient);
  return (
    <span className={styles.identity} title={identityText(patient)}>
      <bdi className={styles.name} data-testid="identity-name">
        {beginning(nameOf(patient))}
      </bdi>
      <span className={styles.facts} data-testid="identity-facts">
        {born} · <bdi>{beginning(number)}</bdi>
      </span>
    </span>
  );
}
