import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registerApp } from './browsing.ts';
import { startServer } from './harness.ts';

test('LAU-1 the token of a launch without OAuth lasts as long as configured, by default a working day', async (t) => {
  for (const [launchTokenLife, seconds] of [
    [undefined, 12 * 3600],
    [90, 90],
  ] as const) {
    const server = await startServer(t, { ...(launchTokenLife && { launchTokenLife }) });
    server.clock.freeze();
    const app = await registerApp(server, { launch_kinds: ['command-line'] });
    const client = await server.auth.clients.get(app.clientId);
    const user = await server.auth.users.get('dr-lena-okafor');
    assert.ok(client && user);
    const { launchTokens } = server.auth;
    const until = server.clock.now() + 60_000;
    const grantId = await launchTokens.open(client, user, { topic: 'topic', binding: {}, until });
    const issued = await launchTokens.issue(client, { grantId, scope: 'fhircast/*.*', binding: {} });
    assert.ok(issued);
    const { token, expiresAt } = issued;
    assert.equal(expiresAt, Math.floor(server.clock.now() / 1000 + seconds) * 1000);
    server.clock.ahead += (seconds - 2) * 1000;
    assert.deepEqual((await server.auth.verifyToken(token))?.topics, ['topic']);
    server.clock.ahead += 2000;
    assert.equal(await server.auth.verifyToken(token), undefined);
  }
});
