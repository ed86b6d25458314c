/** The commands of the tutorials and guides, run as they stand there. */
import { it } from 'node:test';
import { runGuide } from './guides.ts';

it('tutorial for the developer of an app', (t) =>
  runGuide(t, 'docs/tutorials/app-developer.md', {
    shows: [
      /Lockstep is ready at/,
      /The session is [\w-]+/,
      /\[in-sync\]/,
      /Now showing Patient\/rosa-quispe/,
      /\[out-of-sync\] .*a note is not saved/,
      /My first app/,
    ],
  }));
