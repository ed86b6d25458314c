/** The code of a real WebSub subscriber, `pubsubhubbub` from npm, as the callback of a webhook (STU2, WEB-1, WEB-3). */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { it, type TestContext } from 'node:test';
import { EVERYTHING, HubClient, json, patient, sharedLockstep } from './harness.ts';

/** What of the package is used; it has no types of its own. */
interface WebSubSubscriber extends EventEmitter {
  readonly server: import('node:http').Server;
  listen(port: number, host: string): void;
}

interface Feed {
  readonly topic: string;
  readonly hub: string;
  readonly feed: Buffer;
}

const { createServer } = createRequire(import.meta.url)('pubsubhubbub') as {
  createServer(options: { readonly secret: string }): WebSubSubscriber;
};

const SECRET = 'known to both';
const { origin } = await sharedLockstep();

/** What the subscriber emits, in order. */
class Callback {
  readonly #subscriber: WebSubSubscriber;
  readonly #feeds: Feed[] = [];
  readonly #changed = new EventEmitter();

  private constructor(subscriber: WebSubSubscriber) {
    this.#subscriber = subscriber;
    subscriber.on('feed', (feed: Feed) => {
      this.#feeds.push(feed);
      this.#changed.emit('feed');
    });
  }

  static async start(t: TestContext): Promise<Callback> {
    const subscriber = createServer({ secret: SECRET });
    const listening = once(subscriber, 'listen');
    subscriber.listen(0, '127.0.0.1');
    await listening;
    t.after(() => {
      subscriber.server.closeAllConnections();
      subscriber.server.close();
    });
    return new Callback(subscriber);
  }

  /** The address as the package writes it: topic and Hub are part of it. */
  url(topic: string, hub: string): string {
    const { port } = this.#subscriber.server.address() as AddressInfo;
    return `http://localhost:${port}/?${new URLSearchParams({ topic, hub })}`;
  }

  /** Resolves when the Hub has asked for the subscriber's consent, and has got it. */
  async confirmed(mode: 'subscribe' | 'unsubscribe'): Promise<{ readonly topic: string; readonly lease: number }> {
    const [confirmed] = await once(this.#subscriber, mode);
    return confirmed;
  }

  /** Resolves when the subscriber has thrown a delivery away, because of its signature: it answers 202 then. */
  async thrownAway(): Promise<void> {
    while (true) {
      const [, response] = await once(this.#subscriber.server, 'request');
      await once(response, 'finish');
      if (response.statusCode === 202) return;
    }
  }

  /** The next delivery whose signature the subscriber has found right. */
  async feed(): Promise<Feed> {
    while (this.#feeds.length === 0) await once(this.#changed, 'feed');
    return this.#feeds.shift() as Feed;
  }
}

/** A client of this version of FHIRcast. */
async function client(fhircast: string): Promise<HubClient> {
  const registered = await fetch(`${origin}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Feed reader',
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_post',
      scope: EVERYTHING,
      switches: { secretCredentials: true, fhircast },
    }),
  });
  const { client_id, client_secret } = await json(registered);
  const form = { grant_type: 'client_credentials', client_id, client_secret };
  const token = await json(fetch(`${origin}/auth/token`, { method: 'POST', body: new URLSearchParams(form) }));
  return new HubClient(`${origin}/hub`, token.access_token);
}

for (const version of ['STU1', 'STU2', '3.0.0']) {
  it(`WEB-1 WEB-3 a subscriber of ${version} confirms, takes signed deliveries in order and leaves`, async (t) => {
    const hub = await client(version);
    const topic = await hub.session();
    const callback = await Callback.start(t);
    const form = (mode: string, secret = SECRET): Promise<Response> =>
      hub.form({
        ...(version !== 'STU1' && { 'hub.channel.type': 'webhook' }),
        'hub.callback': callback.url(topic, `${origin}/hub`),
        'hub.mode': mode,
        'hub.topic': topic,
        'hub.secret': secret,
        'hub.events': 'Patient-open,Patient-close',
        'hub.lease_seconds': '120',
      });
    const open = async (id: string): Promise<void> => {
      assert.equal((await hub.publish(topic, 'Patient-open', [patient(id)], { id })).status, 202);
    };

    // Signed with a secret that the subscriber does not know: it takes the delivery, and throws it away.
    let confirmed = callback.confirmed('subscribe');
    assert.equal((await form('subscribe', 'another')).status, 202);
    assert.equal((await confirmed).topic, topic);
    const thrownAway = callback.thrownAway();
    await open('signed-otherwise');
    await thrownAway;

    confirmed = callback.confirmed('subscribe');
    assert.equal((await form('subscribe')).status, 202);
    const { lease } = await confirmed;
    assert.ok(Math.abs(lease - Date.now() / 1000 - 120) < 30, 'the lease is the one asked for');
    const ids = Array.from({ length: 20 }, (_, at) => `p${at}`);
    for (const id of ids) await open(id);
    const taken: string[] = [];
    while (taken.at(-1) !== ids.at(-1)) {
      const { feed, topic: self, hub: from } = await callback.feed();
      const message = JSON.parse(feed.toString('utf8'));
      assert.equal(message.event['hub.topic'], topic);
      assert.deepEqual([from, self], [`${origin}/hub`, topic]);
      taken.push(message.id);
    }
    // Before them it is told what is open (SUB-8).
    assert.deepEqual(
      taken.filter((id) => ids.includes(id)),
      ids,
    );

    const left = version === 'STU2' ? undefined : callback.confirmed('unsubscribe');
    assert.equal((await form('unsubscribe')).status, 202);
    if (left) assert.equal((await left).topic, topic, 'whoever is to leave is asked as well');
  });
}
