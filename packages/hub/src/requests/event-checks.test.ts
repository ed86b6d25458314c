/** Large events are looked into elsewhere: what waits for that, and what goes on (PUB-5). */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Resource } from '@lockstep/fhircast';
import { body, patient } from '../../test/events.ts';
import { access, good, type Json, Rig } from '../../test/rig.ts';
import type { ResourceValidation } from '../ports.ts';
import type { Access } from '../rules/permission.ts';
import { CHECK_LIMITS } from './event-checks.ts';

type Found = { readonly index: number; readonly text: string } | undefined;

interface Check {
  readonly ids: readonly (string | undefined)[];
  readonly clientId: string;
  readonly end: (found?: Found) => void;
  readonly fail: (error: Error) => void;
}

/** Takes for large what is called so, and ends a check when the test says so. */
class HeldValidation implements ResourceValidation {
  readonly checks: Check[] = [];
  readonly small: string[] = [];
  #wake: (() => void) | undefined;

  problem({ id = '' }: Resource): undefined {
    this.small.push(id);
  }

  isLarge(resources: readonly Resource[]): boolean {
    return resources.some(({ id = '' }) => id.startsWith('large'));
  }

  problemAmong(resources: readonly Resource[], _partial: boolean, clientId: string): Promise<Found> {
    return new Promise((end, fail) => {
      this.checks.push({ ids: resources.map(({ id }) => id), clientId, end, fail });
      this.#wake?.();
    });
  }

  /** The check of this number, from 0, once it was asked for. */
  async check(number: number): Promise<Check> {
    while (this.checks.length <= number) await new Promise<void>((wake) => (this.#wake = wake));
    return this.checks[number]!;
  }
}

async function opened(t: TestContext) {
  const validation = new HeldValidation();
  const rig = await Rig.open(t, { validation });
  const topic = await rig.session();
  /** What the Hub answers to an open of this patient: a status, and why. */
  const open = async (id: string, as: Access = access(), where = topic): Promise<readonly [number, string?]> => {
    const event = body('Patient-open', [patient(id)], { topic: where, id: `${where} ${id}` });
    const answer = await rig.hub.publish(as, JSON.stringify(event));
    return answer.ok ? [answer.value] : [answer.status, answer.reason];
  };
  const patients = async (where = topic): Promise<readonly string[]> =>
    (await rig.hub.log(where)).map(({ id }) => id.split(' ')[1] ?? '');
  return { validation, rig, topic, open, patients };
}

describe('PUB-5 while a large event is looked into', () => {
  it('later events of its session wait for it, in their order; other sessions and all else of its own go on', async (t) => {
    const { validation, rig, topic, open, patients } = await opened(t);
    const other = await rig.session('Practitioner/2');
    const peer = await rig.join(topic);
    const first = open('large1');
    const check = await validation.check(0);
    const later = ['a', 'large2', 'b'].map((id) => open(id));
    assert.deepEqual(await open('a', access(), other), [202]);
    assert.equal((await rig.context(topic))['context.type'], '');
    const late = await rig.join(topic);
    assert.deepEqual([await patients(), peer.ids, late.ids], [[], [], []]);
    // A large one behind is looked into meanwhile.
    (await validation.check(1)).end();
    await rig.settle(topic);
    assert.deepEqual(await patients(), []);
    check.end();
    assert.deepEqual(await Promise.all([first, ...later]), [[202], [202], [202], [202]]);
    assert.deepEqual(await patients(), ['large1', 'a', 'large2', 'b']);
    assert.deepEqual(
      peer.ids.map((id) => id.split(' ')[1]),
      ['large1', 'a', 'large2', 'b'],
    );
    assert.deepEqual(
      validation.checks.map(({ ids }) => ids),
      [['large1'], ['large2']],
    );
    assert.deepEqual(validation.small, ['a', 'a', 'b']);
  });

  it('a wrong one is refused with the place of what is wrong, and changes nothing; what is behind goes on', async (t) => {
    const { validation, topic, rig, patients } = await opened(t);
    const publish = (event: Json) => rig.hub.publish(access(), JSON.stringify(event));
    const other = { key: 'extra', resource: { resourceType: 'Group', id: 'g' } };
    const wrong = publish(body('Patient-open', [patient('large'), other], { topic }));
    const check = await validation.check(0);
    const behind = publish(body('Patient-open', [patient('next')], { topic, id: `${topic} next` }));
    check.end({ index: 1, text: 'Group.type is required' });
    const answer = await wrong;
    assert.deepEqual(
      [answer.ok, !answer.ok && answer.status, !answer.ok && answer.reason],
      [false, 400, 'Patient-open: context key "extra": Group.type is required'],
    );
    assert.equal(good(await behind), 202);
    assert.deepEqual(await patients(), ['next']);
  });

  it('a check that fails is a failure of its event alone', async (t) => {
    const { validation, open, patients } = await opened(t);
    const first = open('large');
    const check = await validation.check(0);
    const behind = open('next');
    check.fail(new Error('the thread ended'));
    await assert.rejects(first, /the thread ended/);
    assert.deepEqual([await behind, await patients()], [[202], ['next']]);
  });

  it('PUB-2, SES-6 nothing is looked into for who may not publish it', async (t) => {
    const { validation, open } = await opened(t);
    const { sessions, ...others } = access({ user: 'Practitioner/2' });
    assert.equal((await open('large', others))[0], 404);
    assert.equal((await open('large', access({ scope: 'fhircast/*.read' })))[0], 403);
    assert.equal((await open('large', access(), 'no-such-topic'))[0], 404);
    assert.deepEqual([validation.checks.length, validation.small.length], [0, 0]);
  });

  it('SES-6 who may not publish it when it comes is refused, also where it may by its turn: the event loop looks into no large one', async (t) => {
    const { validation, rig, topic, open } = await opened(t);
    const { sessions, ...guest } = access({ user: 'Practitioner/2', clientId: 'of-guest', grantId: 'of-guest' });
    const first = open('large1');
    const check = await validation.check(0);
    const early = open('large2', guest);
    await rig.settle(topic);
    const { code } = good(await rig.hub.invite(access({ user: 'Practitioner/1' }), topic, { followingOnly: false }));
    good(await rig.hub.joinByInvitation(guest, code));
    check.end();
    assert.deepEqual([await first, (await early)[0]], [[202], 404]);
    assert.deepEqual([validation.small, validation.checks.length], [[], 1]);
    const again = open('large2', guest);
    (await validation.check(1)).end();
    assert.deepEqual(await again, [202]);
  });

  it('PUB-7 a retry that comes meanwhile is the same event, and one behind the end of the session finds none', async (t) => {
    const { validation, rig, topic, open, patients } = await opened(t);
    const peer = await rig.join(topic);
    const twice = [open('large'), open('large')];
    (await validation.check(1)).end();
    (await validation.check(0)).end();
    assert.deepEqual(await Promise.all(twice), [[202], [202]]);
    assert.deepEqual(await patients(), ['large']);
    assert.equal(new Set(peer.ids).size, 1);
    const late = [open('large-late'), open('behind')];
    const check = await validation.check(2);
    await rig.hub.endSession(topic, 'closed');
    check.end();
    assert.deepEqual(
      (await Promise.all(late)).map(([status]) => status),
      [404, 404],
    );
  });

  it('TOK-6 it is refused where its access has ended meanwhile, and so is what waits behind it', async (t) => {
    const { validation, rig, open, patients } = await opened(t);
    const ended = access({ grantId: 'ended', tokenId: 'ended' });
    const waiting = [open('large', ended), open('a', ended), open('b')];
    const check = await validation.check(0);
    await rig.hub.accessEnded({ grantId: 'ended', reason: 'revoked' });
    check.end();
    assert.deepEqual(
      (await Promise.all(waiting)).map(([status]) => status),
      [403, 403, 202],
    );
    assert.deepEqual(await patients(), ['b']);
  });
});

describe('PUB-5 what waits for checks is bounded', () => {
  const { inSession } = CHECK_LIMITS;

  it('by the number of events of a client in a session: others there and the client elsewhere find room', async (t) => {
    const { validation, rig, open } = await opened(t);
    const elsewhere = await rig.session('Practitioner/2');
    const first = open('large');
    const check = await validation.check(0);
    const waiting = Array.from({ length: inSession.events - 1 }, (_, n) => open(`p${n}`));
    const [status, reason] = await open('one-more');
    assert.deepEqual(
      [status, reason],
      [429, 'Too many large events are being looked into: publish this one again later'],
    );
    const another = open('of-another', access({ clientId: 'another', grantId: 'another' }));
    const other = open('large', access(), elsewhere);
    (await validation.check(1)).end();
    assert.deepEqual(await other, [202]);
    check.end();
    const all = await Promise.all([first, ...waiting, another]);
    assert.ok(all.every(([of]) => of === 202));
    assert.deepEqual(await open('one-more'), [202]);
  });

  it('by their size', async (t) => {
    const { validation, rig, topic } = await opened(t);
    const half = 'x'.repeat(inSession.size / 2);
    const event = (id: string): string =>
      JSON.stringify(
        body('Patient-open', [{ key: 'patient', resource: { resourceType: 'Patient', id, name: [{ text: half }] } }], {
          topic,
        }),
      );
    const first = rig.hub.publish(access(), event('large1'));
    const check = await validation.check(0);
    const second = await rig.hub.publish(access(), event('large2'));
    assert.equal(second.ok || second.status, 429);
    check.end();
    assert.equal(good(await first), 202);
    const again = rig.hub.publish(access(), event('large2'));
    (await validation.check(1)).end();
    assert.equal(good(await again), 202);
  });
});
