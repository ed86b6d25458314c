import type { ContextElement } from '@lockstep/fhircast';
import { isObject } from '@lockstep/fhircast';
import { type Command, EXIT } from '../command.ts';
import { contextText } from '../event-text.ts';
import { askHub, findTopic, HUB_OPTIONS, reachHub } from '../hub-access.ts';

export const context: Command = {
  name: 'context',
  summary: "Show a session's current context and shared content",
  options: HUB_OPTIONS,
  examples: [
    { line: 'lockstep context', means: "of the local server's only session" },
    { line: 'lockstep context --topic T --json', means: 'as the Hub answers it' },
  ],
  async run(call) {
    const access = await reachHub(call);
    const topic = await findTopic(call, access);
    const answer = await askHub(access, `/${encodeURIComponent(topic)}`);
    call.terminal.result(answer, () => {
      // The second draft answers with the bare array.
      const body = Array.isArray(answer) ? { context: answer } : isObject(answer) ? answer : {};
      const elements = (Array.isArray(body.context) ? body.context : []) as ContextElement[];
      const opened = elements.filter(({ key }) => key !== 'content');
      if (opened.length === 0) return 'nothing is open';
      const content = elements.find(({ key }) => key === 'content')?.resource?.entry;
      const shared = Array.isArray(content) && content.length > 0 ? `\n${content.length} shared resources` : '';
      const version = typeof body['context.versionId'] === 'string' ? `\nversion ${body['context.versionId']}` : '';
      return `${contextText(opened)}${version}${shared}`;
    });
    return EXIT.done;
  },
};
