import type { Ref } from 'react';
import type { SignedInPerson } from './api.ts';
import styles from './person-button.module.css';

export interface PersonMenuProps {
  readonly person: SignedInPerson;
  readonly onPassword: () => void;
  readonly onSignOut: () => void;
}

export function PersonButton({ person, ref, ...rest }: { person: SignedInPerson; ref?: Ref<HTMLButtonElement> }) {
  return (
    <button type="button" aria-haspopup="menu" {...rest} ref={ref} className={styles.person}>
      <bdi>{person.name}</bdi>
      <svg viewBox="0 0 10 6" width="9" aria-hidden="true">
        <path d="M1 1l4 4 4-4" fill="none" stroke="currentColor" strokeWidth="1.5" />
      </svg>
    </button>
  );
}
