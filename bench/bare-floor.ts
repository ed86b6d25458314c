/**
 * The bare floor: the least that a Hub over WebSocket can be. It parses each POST and sends its bytes to the sockets of the
 * topic. No checks, no storage, no answers.
 */
import { accepted, type Envelope, listen } from './relay.ts';

listen('bare floor', (relay, body, response) => {
  const { event } = JSON.parse(body.toString()) as Envelope;
  relay.send(event['hub.topic'], body);
  accepted(response);
});
