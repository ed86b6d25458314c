import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildArguments, buildTicketUrl, buildWebLaunch, LaunchError } from '@lockstep/fhircast';
import { fromArgs, fromTicket, fromUrl } from './launch.ts';
import { HubError } from './options.ts';

const launch = { hubUrl: 'https://hub.example.com', topic: 'fdb2f928-5546-4f52-87a0-0648e9ded065' };

describe('launches without SMART', () => {
  it('LAU-1 take the connection from an address and from arguments', () => {
    const address = buildWebLaunch('https://app.example.com/', launch);
    assert.deepEqual(fromUrl(address), launch);
    assert.deepEqual(fromUrl(new URL(address)), launch);
    for (const style of ['windows', 'posix'] as const)
      assert.deepEqual(fromArgs(buildArguments(launch, style)), launch);
    assert.throws(() => fromUrl('https://app.example.com/'), LaunchError);
    assert.throws(() => fromArgs([]), LaunchError);
  });

  it('LAU-1 redeem a ticket by POST, once', async () => {
    const url = buildTicketUrl({ hubUrl: launch.hubUrl, ticket: 'abc' });
    const asked: string[] = [];
    const fetch = async (address: string, init: RequestInit) => {
      asked.push(`${init.method} ${address}`);
      const body = { 'hub.url': launch.hubUrl, 'hub.topic': launch.topic, access_token: 'one' };
      return asked.length === 1 ? Response.json(body) : new Response('spent', { status: 410 });
    };
    assert.deepEqual(await fromTicket(url, fetch), { ...launch, token: 'one' });
    assert.deepEqual(asked, ['POST https://hub.example.com/ticket/abc']);
    await assert.rejects(fromTicket(url, fetch), (error) => error instanceof HubError && error.status === 410);
    await assert.rejects(fromTicket('https://hub.example.com/', fetch), LaunchError);
    const away = async () => Promise.reject(new TypeError('fetch failed'));
    await assert.rejects(fromTicket(url, away), (error) => error instanceof HubError && error.status === 0);
  });
});
