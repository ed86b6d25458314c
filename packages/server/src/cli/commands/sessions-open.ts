import { type Command, EXIT } from '../command.ts';
import { askHub, HUB_OPTIONS, type ListedSession, reachHub } from '../hub-access.ts';

export const sessionsOpen: Command = {
  name: 'sessions open',
  summary: 'Open a session for a user',
  options: {
    ...HUB_OPTIONS,
    user: { type: 'string', short: 'u', value: 'USER', help: 'reference or alias of the user' },
    workstation: { type: 'string', value: 'NAME', help: 'where the user works' },
    label: { type: 'string', value: 'TEXT', help: 'what the session is called' },
  },
  examples: [{ line: 'lockstep sessions open --user lokafor', means: 'prints the new topic' }],
  async run(call) {
    const { values, terminal } = call;
    const body: Record<string, string> = { user: values.required('user') };
    for (const name of ['workstation', 'label']) {
      const value = values.text(name);
      if (value !== undefined) body[name] = value;
    }
    const access = await reachHub(call);
    const headers = { 'content-type': 'application/json' };
    const opened = await askHub(access, '/session', { method: 'POST', headers, body: JSON.stringify(body) });
    terminal.result(opened, () => (opened as ListedSession)['hub.topic']);
    return EXIT.done;
  },
};
