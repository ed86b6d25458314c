/** What to run for apps that are not started by a click, as lines to copy. */
import {
  buildArguments,
  buildLaunchFile,
  buildWebLaunch,
  type LaunchParameters,
  parseArguments,
  windowsCommandLine,
} from '@lockstep/fhircast';
import type { App, LaunchedApp, LaunchKind } from '../api.ts';
import { t } from '../language/language.ts';

/** A kind of launch that comes with something to copy. */
export type ByHand = Extract<LaunchKind, 'command-line' | 'web' | 'file' | 'derived'>;

export const BY_HAND: readonly ByHand[] = ['command-line', 'web', 'file', 'derived'];

export interface Line {
  readonly title: string;
  readonly text: string;
}

/** A name that a shell takes as one word. */
export function programName(name: string): string {
  return (
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '') || 'app'
  );
}

/** An argument as a POSIX shell takes it whole. */
export function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

function posixCommand(program: string, launch: LaunchParameters): string {
  return [program, ...buildArguments(launch, 'posix').map(quoted)].join(' ');
}

/** What to run for one who has a token already: the launch says Hub, session and user. */
export function linesOf(kind: ByHand, app: Pick<App, 'name' | 'launchUrl'>, launch: LaunchParameters): readonly Line[] {
  const program = programName(app.name);
  switch (kind) {
    case 'command-line':
      return [
        { title: t('apps.windows'), text: windowsCommandLine(`${program}.exe`, buildArguments(launch)) },
        { title: t('apps.macosLinux'), text: posixCommand(program, launch) },
      ];
    case 'web':
      return app.launchUrl === undefined
        ? []
        : [{ title: t('apps.address'), text: buildWebLaunch(app.launchUrl, launch) }];
    case 'file':
      return [{ title: t('apps.jsonIntoTheFolderThatThe', { program }), text: buildLaunchFile(launch).trim() }];
    case 'derived':
      return [
        {
          title: t('apps.computesTheSessionsTopicFromThe'),
          text: `TOPIC_SECRET=… npx lockstep topic derive ${quoted(launch.user ?? '')}`,
        },
      ];
  }
}

/** What a launch that was made gives to run; undefined where nothing is left to do. */
export function launchedLines(launched: LaunchedApp, app: Pick<App, 'name'>): readonly Line[] {
  switch (launched.form) {
    case 'web':
      return [{ title: t('apps.address'), text: launched.url }];
    case 'switches':
      return [
        { title: t('apps.windowsWithinAMinute'), text: launched.command_line },
        {
          title: t('apps.macosLinuxWithinAMinute'),
          text: posixCommand(programName(app.name), parseArguments(launched.arguments)),
        },
      ];
    case 'file':
      return [{ title: t('apps.droppedIntoTheAppsFolderOn'), text: launched.file }];
    case 'ticket':
      return [{ title: t('apps.getsTheTokenWithinAMinute'), text: `curl -X POST ${quoted(launched.ticket_url)}` }];
  }
}
