/**
 * An application connects to its endpoint while its old connection still looks live, at the same node or another one. Whatever the old
 * connection was sent and not answered for, it is named for as long as it shows another patient than is open, and only then (SUB-7, ERR-8).
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FOLLOWING_EVENT } from '@lockstep/fhircast';
import { eventually } from '../test/callbacks.ts';
import { parameters, patient, study } from '../test/events.ts';
import { type Node, Nodes } from '../test/nodes.ts';
import type { Peer } from '../test/rig.ts';
import { CORE, STU2 } from './rules/versions.ts';

type Change = readonly [event: string, context: readonly unknown[], opens?: string];

const OPEN_1: Change = ['Patient-open', [patient('p1')], 'p1'];
const OPEN_2: Change = ['Patient-open', [patient('p2')], 'p2'];
const CLOSE_1: Change = ['Patient-close', [patient('p1')]];
const CLOSE_2: Change = ['Patient-close', [patient('p2')]];
const STUDY_2: Change = ['ImagingStudy-open', [study('s2'), patient('p2')], 'p2'];
const HOME: Change = ['Home-open', []];
const LOGOUT: Change = ['UserLogout', [parameters]];

/** What happens after it has followed `OPEN_1`, and which patient is open then. */
const UNANSWERED: readonly (readonly [changes: readonly Change[], patient: string | undefined])[] = [
  [[], 'p1'],
  [[OPEN_2], 'p2'],
  [[CLOSE_1], undefined],
  [[OPEN_2, CLOSE_2], undefined],
  [[OPEN_2, CLOSE_1], 'p2'],
  [[OPEN_2, OPEN_1], 'p1'],
  [[CLOSE_1, OPEN_2], 'p2'],
  [[STUDY_2], 'p2'],
  [[STUDY_2, CLOSE_1], 'p2'],
  [[HOME], undefined],
  [[HOME, OPEN_2], 'p2'],
  [[LOGOUT], undefined],
  [[LOGOUT, OPEN_2], 'p2'],
  [[LOGOUT, OPEN_2, CLOSE_2], undefined],
];

/** All that happens here, by name: `*` means no event of ours. */
const EVERY = 'Patient-open,Patient-close,ImagingStudy-open,Home-open,UserLogout';
const SUBSCRIBED = [
  '*',
  'Patient-open',
  'Patient-open,Patient-close',
  'Patient-open,UserLogout',
  'Patient-open,ImagingStudy-open,Home-open',
  `Patient-open,Patient-close,Home-open,${FOLLOWING_EVENT}`,
];

const SINCE = {
  'without since': () => undefined,
  'since what it answered last': () => 'followed',
  'since what it was sent last': (sent: readonly string[]) => sent.at(-1),
  'since what nobody knows': () => 'unheard of',
};

/** An application that goes on showing what it showed until it is sent something else. */
class Screen {
  shown: string | undefined;

  take(peer: Peer, { id, event }: Peer['asked'][number]): void {
    const name = event['hub.event'];
    const about = event.context.find(({ key }: { key: string }) => key === 'patient')?.resource.id;
    if (name === 'Patient-close') this.shown = this.shown === about ? undefined : this.shown;
    else if (name.endsWith('-open') || name === 'UserLogout') this.shown = about;
    peer.answer(200, id);
  }
}

async function settle(topic: string, { hub }: Node): Promise<void> {
  for (let round = 0; round < 3; round++) await hub.inspect(topic);
}

for (const [first, profile] of [CORE, STU2].entries()) {
  it(`SUB-7, ERR-8 whatever the old connection was sent, its successor is named until it shows what is open (${profile.name})`, async (t) => {
    const { nodes } = await Nodes.start(t, ['a', 'b'], { profile });
    const a = nodes[0]!;
    for (const [index, [changes, open]] of UNANSWERED.entries()) {
      for (const [turn, [how, sinceOf]] of Object.entries(SINCE).entries()) {
        // Each kind of subscription meets each change and each way to come back, though not every pair of them at both nodes.
        const node = nodes[(index + turn + first) % 2]!;
        const kind = SUBSCRIBED[(index + turn * 2 + first * 3) % SUBSCRIBED.length]!;
        // What it owes at another node is known of applications only that answer whatever they are sent.
        const named = kind === '*' ? EVERY : kind;
        const events = node === a || kind.includes(FOLLOWING_EVENT) ? kind : `${named},${FOLLOWING_EVENT}`;
        const titles = changes.map(([name, , id = '']) => `${name} ${id}`);
        const row = `${titles} to ${events}, back at ${node.name} ${how}`;
        const topic = await a.session();
        const old = await a.join(topic, events);
        const screen = new Screen();
        const mark = async () =>
          (await node.hub.inspect(topic))?.state.following.get(old.endpoint.split('/').at(-1) ?? '');
        assert.equal(await a.publish(topic, OPEN_1[0], OPEN_1[1], { id: 'followed' }), 202);
        for (const event of old.asked) screen.take(old, event);
        for (const [number, [name, context]] of changes.entries()) {
          assert.equal(await a.publish(topic, name, context, { id: `change-${number}` }), 202, row);
        }
        const next = await node.connect(old.endpoint, sinceOf(old.asked.map(({ id }) => id)));
        const check = async (when: string): Promise<void> => {
          if (screen.shown === undefined || screen.shown === open) return;
          assert.ok(await mark(), `${row}: ${when} it shows ${screen.shown}, and is not named`);
        };
        await check('at first');
        for (let taken = 0; taken < next.asked.length; taken++) {
          const event = next.asked[taken]!;
          screen.take(next, event);
          await settle(topic, node);
          await check(`after ${event.event['hub.event']}`);
        }
        // Who shows nothing, and is not told of what is open, may be named or not.
        const isNotTold = () => screen.shown === undefined && open !== undefined;
        await eventually(
          `${row}: in the end it shows ${screen.shown}, ${open} is open, and the mark is ${JSON.stringify(await mark())}`,
          async () => isNotTold() || ((await mark()) === undefined) === (screen.shown === open),
        );
        await a.hub.endSession(topic, 'Done');
      }
    }
  });
}
