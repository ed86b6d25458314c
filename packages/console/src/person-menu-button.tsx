import { Suspense, useState } from 'react';
import { PersonButton, type PersonMenuProps } from './person-button.tsx';
import { lazyPart } from './ui/lazy-part.tsx';

const PersonMenu = lazyPart(() => import('./person-menu.tsx'));

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
