import type { LockstepStatus } from '@lockstep/client/status';
import type { HTMLAttributes, Ref } from 'react';

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'lockstep-status': Omit<HTMLAttributes<LockstepStatus>, 'className'> & {
        class?: string;
        brief?: boolean;
        ref?: Ref<LockstepStatus>;
      };
    }
  }
}
