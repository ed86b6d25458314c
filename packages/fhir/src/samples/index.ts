import { ABDOMEN } from './abdomen.ts';
import { BONES } from './bones.ts';
import { CHEST } from './chest.ts';
import { expand, type Sample } from './expand.ts';
import { NEURO } from './neuro.ts';
import { ONCOLOGY } from './oncology.ts';
import { PEOPLE, PLACES } from './people.ts';

/** The sample data, all invented: every resource once, with ids and dates that stay the same. */
export function sampleResources(): Sample[] {
  const cases = [...CHEST, ...NEURO, ...ONCOLOGY, ...ABDOMEN, ...BONES];
  return [...PEOPLE, ...PLACES, ...cases.flatMap((told, index) => expand(told, index + 1))];
}
