import { textOf } from '@lockstep/fhircast';
import { type Command, EXIT } from '../command.ts';
import { askHub, findTopic, HUB_OPTIONS, reachHub } from '../hub-access.ts';

const SECONDS_A_MINUTE = 60;

export const sessionsInvite: Command = {
  name: 'sessions invite',
  summary: 'Make a link by which others join a session',
  details: 'Who holds the link joins with a token of their own, until it ends. docs/group-sessions.md',
  options: {
    ...HUB_OPTIONS,
    'following-only': { type: 'boolean', help: 'who joins may follow and not publish' },
    minutes: { type: 'string', value: 'N', help: 'how long the link is good; 60' },
  },
  examples: [
    { line: 'lockstep sessions invite --topic T', means: 'prints the link' },
    { line: 'lockstep sessions invite --topic T --following-only --minutes 15', means: 'for an audience' },
  ],
  async run(call) {
    const { values, terminal } = call;
    const minutes = values.number('minutes');
    const access = await reachHub(call);
    const topic = await findTopic(call, access);
    const body = {
      following_only: values.flag('following-only'),
      ...(minutes !== undefined && { expires_in: minutes * SECONDS_A_MINUTE }),
    };
    const path = `/session/${encodeURIComponent(topic)}/invitation`;
    const headers = { 'content-type': 'application/json' };
    const made = await askHub(access, path, { method: 'POST', headers, body: JSON.stringify(body) });
    terminal.result(made, () => textOf((made as { invitation_url: unknown }).invitation_url));
    return EXIT.done;
  },
};
