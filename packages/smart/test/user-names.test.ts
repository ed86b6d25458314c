/** A name means one person, also where two administrators give it away at the same time (SES-7, CWE-367). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from './harness.ts';

const RIVALS = ['ann', 'ben', 'cai', 'dee', 'eve', 'fay'];

/** Who has got it, of those who asked at the same time. */
async function winners(asked: readonly Promise<unknown>[]): Promise<number> {
  const outcomes = await Promise.allSettled(asked);
  for (const one of outcomes) {
    if (one.status === 'rejected')
      assert.match(String(one.reason), /InvalidUser: (aliases|reference): .* means .* already/);
  }
  return outcomes.filter(({ status }) => status === 'fulfilled').length;
}

test('SES-7 of users who are added with one alias at the same time, one is', async (t) => {
  const { users } = (await startServer(t)).auth;
  const alias = 'urn:hospital|4711';
  assert.equal(await winners(RIVALS.map((id) => users.add({ id, name: id, aliases: [alias] }))), 1);
  const [found, ...others] = (await users.list()).filter(({ aliases }) => aliases.includes(alias));
  assert.ok(found && others.length === 0);
  assert.equal((await users.resolve(alias.toUpperCase()))?.id, found.id);
});

test('SES-7 of users who are given one alias or one reference at the same time, one gets it; a new one may be among them', async (t) => {
  const { users } = (await startServer(t)).auth;
  for (const id of RIVALS) await users.add({ id, name: id });
  for (const names of [{ aliases: ['shared'] }, { reference: 'Practitioner/shared' }]) {
    const asked = [
      ...RIVALS.map((id) => users.edit(id, names)),
      users.add({ id: `new-${Object.keys(names)[0]}`, name: 'New', ...names }),
    ];
    assert.equal(await winners(asked), 1, Object.keys(names).join());
  }
});

test('SES-7 users who are added at the same time with names of their own are all added', async (t) => {
  const { users } = (await startServer(t)).auth;
  assert.equal(await winners(RIVALS.map((id) => users.add({ id, name: id, aliases: [`${id}-1`] }))), RIVALS.length);
});

/** Ways to write the names of one user that a person cannot tell apart. */
const SAME: readonly (readonly [name: string, others: readonly string[]])[] = [
  ['René', ['Rene\u0301', 'RENE\u0301', ' René', 'René ', '\u00a0rené\u3000']],
  ['Anna  Åkesson', ['anna åkesson', 'Anna A\u030akesson', 'Anna\u00a0 Åkesson']],
  ['urn:hospital|한', ['URN:HOSPITAL|\u1112\u1161\u11ab', ' urn:hospital|한']],
];

test('SES-7 SES-8 names that look the same are the name of one user', async (t) => {
  const { users } = (await startServer(t)).auth;
  let made = 0;
  for (const [name, others] of SAME) {
    for (const [first, ...rest] of [
      [name, ...others],
      [...others, name],
    ] as readonly (readonly [string, ...string[]])[]) {
      made += 1;
      const { id } = await users.add({ id: `holder-${made}`, name: 'Holder', aliases: [first] });
      for (const other of rest) {
        const asked = JSON.stringify(other);
        assert.equal((await users.resolve(other))?.id, id, asked);
        const rival = { id: `rival-${made}`, name: 'Rival', aliases: [other] };
        await assert.rejects(users.add(rival), /aliases: .* means Holder already/, asked);
        await assert.rejects(users.edit('admin', { aliases: [other] }), /means Holder already/, asked);
      }
      await users.delete(id);
    }
  }
  const kept = await users.add({ id: 'kept', name: 'Kept', aliases: ['  at its ends\t'.trimEnd(), 'x '] });
  assert.deepEqual(kept.aliases, ['at its ends', 'x']);
  for (const blank of ['', ' ', '\u00a0\u3000']) {
    await assert.rejects(users.add({ id: 'blank', name: 'Blank', aliases: [blank] }), /a name is blank/);
    await assert.rejects(users.add({ id: 'blank', name: blank }), /name is missing/);
  }
});
