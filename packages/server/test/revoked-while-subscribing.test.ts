/** TOK-6 at the moment of subscribing: the token is good when the request comes and is not when the answer goes. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Scopes } from '@lockstep/fhircast';
import type { Access } from '@lockstep/hub';
import { TokenDoor, type TokenInfo } from '@lockstep/smart';
import Fastify from 'fastify';
import { DOORS } from '../src/http/doors/doors.ts';
import { guardDoors } from '../src/http/doors/guard.ts';
import { Limiter } from '../src/http/doors/limiter.ts';
import { hubRoutes } from '../src/http/hub-routes.ts';
import { launchRig } from './launch-rig.ts';

it('TOK-6 a subscription made while its token is revoked is refused and leaves nothing', async (t) => {
  const { hub, hubUrl, clock } = await launchRig(t);
  const { topic } = await hub.openSession({ user: 'Practitioner/1', aliases: [] });
  const access: Access = {
    tokenId: 't',
    grantId: 't',
    clientId: 'c',
    clientName: 'C',
    scopes: new Scopes('fhircast/*.*'),
    expiresAt: clock.now() + 3_600_000,
    userAliases: [],
    topics: [],
    sessions: 'all',
    switches: {},
  };
  // The door asks before and after the body, and the Hub once it has subscribed.
  const answers = [access, access, undefined, access, access, access];
  const app = Fastify();
  t.after(() => app.close());
  const proofs = { check: () => assert.fail('no token here is bound to a key') };
  const tokens = new TokenDoor(async () => answers.shift() as TokenInfo | undefined, proofs);
  const limiter = new Limiter(0, () => clock.now());
  guardDoors(app, { doors: DOORS, tokens, limiter, https: false });
  await app.register(hubRoutes({ hub, hubUrl, tokens, auditPatients: false, webhooks: false, version: '3.0.0' }), {
    prefix: '/hub',
  });
  const subscribe = () =>
    app.inject({
      method: 'POST',
      url: '/hub',
      headers: { authorization: 'Bearer x', 'content-type': 'application/x-www-form-urlencoded' },
      payload: new URLSearchParams({
        'hub.channel.type': 'websocket',
        'hub.mode': 'subscribe',
        'hub.topic': topic,
        'hub.events': 'Patient-open',
      }).toString(),
    });
  const subscribers = async () => (await hub.sessions()).flatMap((session) => session.subscribers);
  const refused = await subscribe();
  assert.deepEqual([refused.statusCode, refused.body.trim()], [401, 'The token was revoked']);
  assert.deepEqual(await subscribers(), []);
  assert.equal((await subscribe()).statusCode, 202);
  assert.equal((await subscribers()).length, 1);
});
