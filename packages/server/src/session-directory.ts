import type { Hub } from '@lockstep/hub';
import type { SessionDirectory } from '@lockstep/smart';

/** The Hub's sessions as the authorization server sees them. */
export function sessionDirectory(hub: Hub): SessionDirectory {
  return {
    async ofUser(user) {
      const sessions = await hub.sessions({ user });
      return sessions
        .filter(({ info }) => info.user === user)
        .map(({ topic, info, subscribers }) => ({
          topic,
          ...(info.workstation && { workstation: info.workstation }),
          ...(info.label && { label: info.label }),
          startedAt: info.startedAt,
          subscribers: subscribers.map(({ name }) => name),
        }));
    },
    open: (session) => hub.openSession(session),
    async belongsTo(topic, user) {
      const sessions = await hub.sessions({ user });
      return sessions.some((session) => session.topic === topic && session.info.user === user);
    },
  };
}
