// A Node program that follows a session: node node.mjs --hub.url=… --hub.topic=…, with the token in TOKEN.
// Node 22 or newer; on Node 20 and 21 pass ports: { WebSocket } from the package ws.
import process from 'node:process';
import { Subscriber } from '@lockstep/client';
import { fromArgs } from '@lockstep/client/launch';

const subscriber = new Subscriber({
  ...fromArgs(process.argv.slice(2)),
  token: process.env.TOKEN ?? '',
  name: 'Node example',
  events: ['Patient-open', 'ImagingStudy-open'],
});
subscriber.onState((state) => console.log(`[${state.status}]${'reason' in state ? ` ${state.reason}` : ''}`));
subscriber.follow((context) => console.log(context ? `${context.type}/${context.id}` : 'nothing is open'));
process.once('SIGTERM', () => subscriber.unsubscribe().then(() => process.exit()));
await subscriber.connect();
