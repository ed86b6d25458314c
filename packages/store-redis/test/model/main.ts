/** npm run model: checks the model, and that whatever is left out of the protocol is found. Ends with 1 where something is not so. */
import { checkModel, OMISSIONS, PROMISES, type Promised } from './model.ts';

let isRight = true;
for (const promised of Object.keys(PROMISES) as Promised[]) {
  const { states, error } = checkModel(promised, [], 2);
  console.log(`${promised}: ${error ? `WRONG, ${error}` : 'holds'}, ${states} states`);
  isRight &&= error === undefined;
}
for (const { option, harmful } of OMISSIONS) {
  for (const promised of harmful) {
    const { error } = checkModel(promised, [option]);
    console.log(`${promised}, ${option}: ${error ? `found, ${error}` : 'MISSED'}`);
    isRight &&= error !== undefined;
  }
}
process.exitCode = isRight ? 0 : 1;
