import { lazy, type Ref, Suspense, useState } from 'react';
import type { SignedInPerson } from './api.ts';

const PersonMenu = lazy(() => import('./person-menu.tsx'));

export interface PersonMenuProps {
  readonly person: SignedInPerson;
  readonly onPassword: () => void;
  readonly onSignOut: () => void;
}

export function PersonButton({ person, ref, ...rest }: { person: SignedInPerson; ref?: Ref<HTMLButtonElement> }) {
  return (
    <button type="button" aria-haspopup="menu" {...rest} ref={ref} className="who">
      <bdi>{person.name}</bdi>
      <svg viewBox="0 0 10 6" width="9" aria-hidden="true">
        <path d="M1 1l4 4 4-4" fill="none" stroke="currentColor" strokeWidth="1.5" />
      </svg>
    </button>
  );
}

/** Who is signed in. The menu is loaded when it is first wanted. */
export function PersonMenuButton(props: PersonMenuProps) {
  const [wanted, setWanted] = useState(false);
  const closed = <PersonButton person={props.person} {...{ onClick: () => setWanted(true) }} />;
  if (!wanted) return closed;
  return (
    <Suspense fallback={closed}>
      <PersonMenu {...props} />
    </Suspense>
  );
}
