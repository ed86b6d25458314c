import type { Command } from './command.ts';
import { createParser, helpText, reached } from './parser.ts';

const INTRODUCTION = `# The lockstep command

\`npx lockstep\` in a checkout of this repository; it brings Node 24 where the machine's own is older. This page is made from the
command's own help texts by \`npm run docs\`.

Commands that administer (\`apps\`, \`users\`, \`keys\`, \`topic secret\`) find the running server by the file \`running.json\` in its data
folder, which only its owner can read, and work on the database themselves where no server runs. Commands that talk to a Hub
(\`listen\`, \`publish\`, \`context\`, \`sessions\`) take any maker's Hub with \`--hub\`; without it they use the local server, and get
their token from it.

The environment can hold what should not stand on a command line: \`FHIRCAST_HUB_URL\`, \`FHIRCAST_TOPIC\`, \`FHIRCAST_TOKEN\`,
\`FHIRCAST_CA\`, \`TOPIC_SECRET\`. \`NO_COLOR\` switches colours off.
`;

function fence(text: string): string {
  return `\`\`\`\n${text.trimEnd()}\n\`\`\`\n`;
}

/** Letters in a line of help. */
const WIDTH = 120;

/** The commands' help as a page of documentation, in Markdown. */
export function cliPage(commands: readonly Command[]): string {
  const parser = createParser(commands, WIDTH, async () => undefined);
  const sections = commands.map(({ name }) => `## ${name}\n\n${fence(helpText(reached(parser, name.split(' '))))}`);
  return `${INTRODUCTION}\n${fence(helpText(parser))}\n${sections.join('\n')}`;
}
