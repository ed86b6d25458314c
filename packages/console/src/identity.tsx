/**
 * Who somebody is. A name alone identifies no one: wherever a patient is named as the one who is open, the date of birth and
 * the record number stand beside the name (HZ-6).
 */
import type { Resource } from '@lockstep/fhircast';
import { nameOf, recordNumber, textAt, when } from './fhir.ts';
import { beginning } from './foreign-text.tsx';
import styles from './identity.module.css';
import { t } from './language/language.ts';

export interface Identity {
  readonly name: string;
  /** Date of birth for people; says so where it is unknown. */
  readonly born: string;
  /** Record number; says so where there is none. */
  readonly number: string;
}

/** @param birthDate FHIR date */
export function identity(name: string, birthDate: string | undefined, number: string | undefined): Identity {
  return { name, born: when(birthDate) || t('shell.bornUnknown'), number: number ?? t('shell.noRecordNumber') };
}

export function identityOf(patient: Resource): Identity {
  return identity(nameOf(patient), textAt(patient, 'birthDate'), recordNumber(patient));
}

const textOfIdentity = ({ name, born, number }: Identity): string =>
  [isolated(name), born, isolated(number)].join(', ');

/** Letters that are written from right to left, and controls of direction. */
const DIRECTED = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufefc]/;

/** Keeps the direction of a text's writing from changing what stands around it (Unicode UAX 9: FSI and PDI). */
export function isolated(text: string): string {
  return DIRECTED.test(text) ? `\u2068${text}\u2069` : text;
}

/** For attributes, titles and sentences: `Kofi Mensah, 12 Mar 1961, NF-104466`. */
export function identityText(patient: Resource): string {
  return textOfIdentity(identityOf(patient));
}

/**
 * Name, date of birth and record number, of which only the name may be cut.
 * @param stacked whether date and number stand below the name
 */
export function Who({ patient, stacked = false }: { patient: Resource; stacked?: boolean }) {
  return <WhoIs identity={identityOf(patient)} stacked={stacked} />;
}

/** As `Who`, of somebody whose resource is elsewhere. */
export function WhoIs({ identity, stacked = false }: { identity: Identity; stacked?: boolean }) {
  const { name, born, number } = identity;
  return (
    <span
      className={stacked ? `${styles.identity} ${styles.stacked}` : styles.identity}
      title={textOfIdentity(identity)}
    >
      <bdi className={styles.name} data-testid="identity-name">
        {beginning(name)}
      </bdi>
      <span className={styles.facts} data-testid="identity-facts">
        {born} · <bdi>{beginning(number)}</bdi>
      </span>
    </span>
  );
}
