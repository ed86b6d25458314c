/** The table of commands, in the order in which help shows them. */
import type { Command } from './command.ts';
import { appsLaunch } from './commands/apps-launch.ts';
import { appsList } from './commands/apps-list.ts';
import { appsRegister } from './commands/apps-register.ts';
import { auditVerify } from './commands/audit-verify.ts';
import { backup } from './commands/backup.ts';
import { completionOf } from './commands/completion.ts';
import { conformance } from './commands/conformance.ts';
import { context } from './commands/context.ts';
import { doctor } from './commands/doctor.ts';
import { follow } from './commands/follow.ts';
import { keysRotate } from './commands/keys-rotate.ts';
import { launchBuild } from './commands/launch-build.ts';
import { launchParse } from './commands/launch-parse.ts';
import { launchStart } from './commands/launch-start.ts';
import { listen } from './commands/listen.ts';
import { publish } from './commands/publish.ts';
import { restore } from './commands/restore.ts';
import { serve } from './commands/serve.ts';
import { sessions } from './commands/sessions.ts';
import { sessionsEnd } from './commands/sessions-end.ts';
import { sessionsInvite } from './commands/sessions-invite.ts';
import { sessionsNewest } from './commands/sessions-newest.ts';
import { sessionsOpen } from './commands/sessions-open.ts';
import { token } from './commands/token.ts';
import { topicDerive } from './commands/topic-derive.ts';
import { topicInspect } from './commands/topic-inspect.ts';
import { topicSecret } from './commands/topic-secret.ts';
import { usersAdd } from './commands/users-add.ts';
import { usersList } from './commands/users-list.ts';
import { watchFolder } from './commands/watch-folder.ts';

export const COMMANDS: readonly Command[] = [
  serve,
  listen,
  follow,
  publish,
  context,
  token,
  sessions,
  sessionsNewest,
  sessionsOpen,
  sessionsEnd,
  sessionsInvite,
  appsRegister,
  appsList,
  appsLaunch,
  usersAdd,
  usersList,
  keysRotate,
  auditVerify,
  backup,
  restore,
  launchBuild,
  launchParse,
  launchStart,
  watchFolder,
  topicDerive,
  topicInspect,
  topicSecret,
  conformance,
  doctor,
  completionOf(() => COMMANDS),
];
