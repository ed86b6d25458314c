import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromSmart } from './connection.ts';

const launch = { hubUrl: 'https://hub.example.com', topic: 'fdb2f928-5546-4f52-87a0-0648e9ded065' };

describe('fromSmart', () => {
  const response = { access_token: 'one', 'hub.url': launch.hubUrl, 'hub.topic': launch.topic };

  it('TOK-2 takes hub.url, hub.topic and the token', () => {
    assert.deepEqual(fromSmart(response), { ...launch, token: 'one' });
  });

  it('TOK-3 takes the names of the first draft, and the first of several sessions', () => {
    const first = { 'cast-hub': launch.hubUrl, 'cast-session': [launch.topic, 'another'] };
    assert.deepEqual(fromSmart(first), launch);
  });

  it('gives the first token once, and new ones by refreshing', async () => {
    const { token } = fromSmart(response, async () => ({ access_token: 'two' }));
    assert.ok(typeof token === 'function');
    assert.equal(await token(false), 'one');
    assert.equal(await token(true), 'two');
    const { token: broken } = fromSmart(response, async () => ({ error: 'invalid_grant' }));
    assert.ok(typeof broken === 'function');
    await assert.rejects(async () => broken(true), TypeError);
  });

  it('says when no FHIRcast scope was granted', () => {
    assert.throws(() => fromSmart({ access_token: 'one' }), { name: 'TypeError', message: /hub\.url/ });
  });
});
