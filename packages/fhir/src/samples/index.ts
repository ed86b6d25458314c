import { ABDOMEN } from './abdomen.ts';
import { BONES } from './bones.ts';
import { CHEST } from './chest.ts';
import { expand, type Sample } from './expand.ts';
import { NEURO } from './neuro.ts';
import { ONCOLOGY } from './oncology.ts';
import { PEOPLE, PLACES } from './people.ts';
import { MEDICATIONS, record } from './record.ts';

/** The sample data, all invented: every resource once, with ids and dates that stay the same. */
export function sampleResources(): Sample[] {
  const cases = [...CHEST, ...NEURO, ...ONCOLOGY, ...ABDOMEN, ...BONES];
  const told = cases.flatMap((one, index) => {
    const expanded = expand(one, index + 1);
    return [...expanded, ...record(one, index, expanded)];
  });
  return [...PEOPLE, ...PLACES, ...MEDICATIONS, ...told];
}
