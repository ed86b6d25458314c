import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { deriveTopic, newTopicSecret, openDerivedTopic } from './derived-topic.ts';

describe('LAU-2 derived topic', () => {
  it('holds the user, the time and a nonce of its own', async () => {
    const secret = newTopicSecret();
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme', minLength: 1 }).filter((user) => user.isWellFormed()),
        fc.nat({ max: 4_000_000_000_000 }),
        async (user, now) => {
          const [topic, other] = await Promise.all([deriveTopic(user, secret, now), deriveTopic(user, secret, now)]);
          assert.match(topic, /^[A-Za-z0-9_][A-Za-z0-9_-]+$/);
          assert.notEqual(topic, other);
          const opened = await openDerivedTopic(topic, secret);
          assert.equal(opened?.user, user);
          assert.equal(opened?.issuedAt, now);
          assert.notEqual(opened?.nonce, (await openDerivedTopic(other, secret))?.nonce);
        },
      ),
    );
  });

  it('opens with its own secret only', async () => {
    const topic = await deriveTopic('jsmith', newTopicSecret());
    assert.equal(await openDerivedTopic(topic, newTopicSecret()), undefined);
  });

  it('takes the secret as bytes or as base64url text', async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const text = Buffer.from(bytes).toString('base64url');
    assert.equal((await openDerivedTopic(await deriveTopic('jsmith', bytes), text))?.user, 'jsmith');
  });

  it('does not open once any part of it was changed, and has one spelling', async () => {
    const secret = newTopicSecret();
    const topic = await deriveTopic('jsmith', secret);
    await fc.assert(
      fc.asyncProperty(fc.nat(topic.length - 1), fc.constantFrom(...'AZaz09-_'), async (at, letter) => {
        const changed = topic.slice(0, at) + letter + topic.slice(at + 1);
        fc.pre(changed !== topic);
        assert.equal(await openDerivedTopic(changed, secret), undefined);
      }),
    );
    for (const wrong of ['', topic.slice(0, 20), `${topic}=`, ` ${topic}`, `${topic}A`, 'é']) {
      assert.equal(await openDerivedTopic(wrong, secret), undefined);
    }
  });

  it('does not open a sealed text that is no user and nonce', async () => {
    const secret = newTopicSecret();
    const key = await crypto.subtle.importKey('raw', Buffer.from(secret, 'base64url'), 'AES-GCM', false, ['encrypt']);
    for (const plain of ['jsmith', 'jsmith\n', '\nabc.AAAAAAAAAAAAAAAAAAAAAA', 'jsmith\nnow.x']) {
      const iv = crypto.getRandomValues(new Uint8Array(12));
      const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, Buffer.from(plain));
      const topic = Buffer.concat([iv, new Uint8Array(sealed)]).toString('base64url');
      assert.equal(await openDerivedTopic(topic, secret), undefined);
    }
  });

  it('refuses a weak secret, an empty user and a senseless time', async () => {
    await assert.rejects(deriveTopic('jsmith', 'password'), TypeError);
    await assert.rejects(openDerivedTopic('AAAA', new Uint8Array(16)), TypeError);
    await assert.rejects(deriveTopic('', newTopicSecret()), TypeError);
    await assert.rejects(deriveTopic('jsmith', newTopicSecret(), -1), TypeError);
    await assert.rejects(deriveTopic('jsmith', newTopicSecret(), Number.NaN), TypeError);
  });
});
