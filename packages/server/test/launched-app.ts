/** A program as a hospital has them: it takes switches, follows, writes what it shows, and ends after its first patient. */
import process from 'node:process';
import { Subscriber } from '@lockstep/client';
import { fromArgs, fromTicket } from '@lockstep/client/launch';
import { parseArguments } from '@lockstep/fhircast';

const args = process.argv.slice(2);
const { parameters } = parseArguments(args);
const { token } = await fromTicket(parameters?.ticket ?? '');
const app = new Subscriber({ ...fromArgs(args), ...(token && { token }), events: ['Patient-open'], name: 'PACS' });
const say = (value: object): void => console.log(JSON.stringify(value));
app.onState((state) => say({ kind: 'state', ...state }));
app.follow((context) => {
  if (!context) return;
  say({ kind: 'context', id: context.id });
  // Once the Hub has its answer.
  setImmediate(() => void app.unsubscribe());
});
await app.connect();
