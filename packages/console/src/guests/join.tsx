/** A link into somebody else's session. It joins nothing by itself: the person is asked. */
import { Button, Group } from '@mantine/core';
import { useState } from 'react';
import { type Told, told } from '../api.ts';
import type { EhrSession } from '../ehr/session.ts';
import { t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import { Link } from '../router.tsx';
import { Copyable } from '../ui/copyable.tsx';
import { focusOnce } from '../ui/focus-once.ts';
import pageStyles from '../ui/page.module.css';
import { Alert } from '../ui/problem.tsx';
import textStyles from '../ui/text.module.css';
import { type JoinedSession, joinSession, leaveSession } from './invitations.ts';
import { PersonName } from './person-name.tsx';

export default function Join({ session, code }: { session: EhrSession; code: string }) {
  const [joined, setJoined] = useState<JoinedSession>();
  const [left, setLeft] = useState(false);
  const [problem, setProblem] = useState<Told>();
  const [busy, setBusy] = useState(false);

  async function act(run: () => Promise<void>): Promise<void> {
    setBusy(true);
    setProblem(undefined);
    try {
      await run();
    } catch (error) {
      setProblem(told(error, (said) => t('guests.itDidNotWork', { error: said })));
    }
    setBusy(false);
  }

  const join = () =>
    act(async () => {
      setJoined(await joinSession(session.hub, code));
      setLeft(false);
    });
  const leave = () =>
    act(async () => {
      if (joined) await leaveSession(session.hub, joined.topic);
      setJoined(undefined);
      setLeft(true);
    });

  return (
    <div className={pageStyles.page}>
      <h1>{t('guests.youAreInvited')}</h1>
      {problem && <Alert {...problem} />}
      {left && <p role="status">{t('guests.youHaveLeft')}</p>}
      {joined ? (
        <>
          <p className={textStyles.lead} role="status">
            <Rich
              id={joined.followingOnly ? 'guests.youFollow' : 'guests.youTakePart'}
              values={{ name: <PersonName session={session} user={joined.user} /> }}
            />
          </p>
          <p>{t('guests.yourApplicationsNeedThis')}</p>
          <Copyable title="hub.url" text={joined.hubUrl} />
          <Copyable title="hub.topic" text={joined.topic} />
          <Group gap={12}>
            <Button variant="default" loading={busy} onClick={() => void leave()}>
              {t('guests.leave')}
            </Button>
          </Group>
        </>
      ) : (
        <>
          <p className={textStyles.lead}>{t('guests.whoeverInvitedYou')}</p>
          <Group component="p" gap={10}>
            <Button ref={focusOnce} loading={busy} onClick={() => void join()}>
              {t('guests.join')}
            </Button>
            <Link className={textStyles.quietLink} href="/">
              {t('shell.backToTheEhr')}
            </Link>
          </Group>
        </>
      )}
    </div>
  );
}
