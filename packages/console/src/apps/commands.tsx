import { buildArguments, buildLaunchFile, buildWebLaunch, type Launch, windowsCommandLine } from '@lockstep/fhircast';
import type { App, LaunchKind } from '../api.ts';
import type { EhrSession } from '../ehr/session.ts';
import { Copyable } from '../ui/copyable.tsx';
import { KIND_WORDS } from './kinds.ts';

/** A name that a shell takes as one word. */
function programName(name: string): string {
  return (
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '') || 'app'
  );
}

function commandOf(kind: LaunchKind, app: App, launch: Launch): readonly (readonly [title: string, text: string])[] {
  const program = programName(app.name);
  switch (kind) {
    case 'command-line':
      return [
        ['Windows', windowsCommandLine(`${program}.exe`, buildArguments(launch))],
        ['macOS, Linux', [program, ...buildArguments(launch, 'posix')].join(' ')],
      ];
    case 'web':
      return app.launchUrl === undefined ? [] : [['Address', buildWebLaunch(app.launchUrl, launch)]];
    case 'file':
      return [[`${program}.json, into the folder that the program watches`, buildLaunchFile(launch)]];
    case 'derived':
      return [
        [
          'Subscribe with a topic that the program makes itself',
          `hub.topic = base64url(AES-256-GCM("${launch.user ?? ''}" + nonce, shared secret of ${app.id})`,
        ],
      ];
    default:
      return [];
  }
}

/** What to run for apps that are not started by a click, with this session in it, ready to copy. */
export function Commands({ session, app, kinds }: { session: EhrSession; app: App; kinds: readonly LaunchKind[] }) {
  const { topic, person } = session;
  const launch: Launch = { hubUrl: `${location.origin}/hub`, topic, user: person.user_name };
  return (
    <div className="commands">
      {kinds.map((kind) => (
        <div key={kind}>
          <h3>{KIND_WORDS[kind].long}</h3>
          {commandOf(kind, app, launch).map(([title, text]) => (
            <Copyable key={title} title={title} text={text} />
          ))}
        </div>
      ))}
    </div>
  );
}
