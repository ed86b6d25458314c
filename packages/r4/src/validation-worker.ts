/** The thread that checks large resources, while the event loop of the server goes on. */
import { parentPort } from 'node:worker_threads';
import type { CheckAnswer, CheckRequest } from './problem.ts';
import { R4Validator } from './r4-validator.ts';

const port = parentPort!;
const validator = new R4Validator();

port.on('message', ([id, resources, options]: CheckRequest) => {
  port.postMessage([id, validator.problemAmong(resources, options)] satisfies CheckAnswer);
});
