/** Inviting others into the session: links, who came, and taking links back. */
import { Button, Checkbox, Group, NativeSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { type Told, told } from '../api.ts';
import { serverUrl } from '../base.ts';
import type { EhrSession } from '../ehr/session.ts';
import { timeOf } from '../fhir.ts';
import { t } from '../language/language.ts';
import { useStore } from '../store.ts';
import columnsStyles from '../ui/columns.module.css';
import { Copyable } from '../ui/copyable.tsx';
import pageStyles from '../ui/page.module.css';
import { Alert, Problem, Waiting } from '../ui/problem.tsx';
import textStyles from '../ui/text.module.css';
import styles from './guests.module.css';
import type { SentInvitation } from './invitations.ts';
import { PersonName } from './person-name.tsx';

/** Minutes that a link may be good for. */
const LIVES = [15, 60, 240, 1440] as const;

function lifeWords(minutes: number): string {
  return minutes < 60 ? t('guests.minutes', { count: minutes }) : t('guests.hours', { count: minutes / 60 });
}

function Invite({ session, onProblem }: { session: EhrSession; onProblem: (told: Told | undefined) => void }) {
  const [followingOnly, setFollowingOnly] = useState(true);
  const [minutes, setMinutes] = useState<number>(60);
  const [busy, setBusy] = useState(false);

  async function invite(): Promise<void> {
    setBusy(true);
    try {
      await session.invitations.invite(followingOnly, minutes * 60);
      onProblem(undefined);
    } catch (error) {
      onProblem(told(error, (said) => t('guests.noLinkWasMade', { error: said })));
    }
    setBusy(false);
  }

  return (
    <section className={pageStyles.panel} aria-label={t('guests.invite')}>
      <h2>{t('guests.invite')}</h2>
      <Checkbox
        label={t('guests.followingOnly')}
        description={t('guests.followingOnlyText')}
        checked={followingOnly}
        onChange={(event) => setFollowingOnly(event.currentTarget.checked)}
      />
      <NativeSelect
        label={t('guests.goodFor')}
        value={String(minutes)}
        onChange={(event) => setMinutes(Number(event.currentTarget.value))}
        data={LIVES.map((value) => ({ value: String(value), label: lifeWords(value) }))}
      />
      <Group gap={12}>
        <Button size="sm" loading={busy} onClick={() => void invite()}>
          {t('guests.makeALink')}
        </Button>
      </Group>
    </section>
  );
}

function Sent({ one, onWithdraw }: { one: SentInvitation; onWithdraw: () => void }) {
  const kind = t(one.followingOnly ? 'guests.toFollow' : 'guests.toTakePart');
  const title = t('guests.linkUntil', { kind, time: timeOf(one.expiresAt) });
  return (
    <li className={styles.invitation}>
      <Copyable title={title} text={`${serverUrl()}/join/${one.code}`} />
      <Button variant="default" aria-label={t('guests.withdrawNamed', { title })} onClick={onWithdraw}>
        {t('guests.withdraw')}
      </Button>
    </li>
  );
}

export default function Guests({ session }: { session: EhrSession }) {
  const sent = useStore(session.invitations.sent);
  const members = useStore(session.members.roster);
  const [problem, setProblem] = useState<Told>();
  const guests = useQuery({
    // An application that comes or goes may be a guest's.
    queryKey: ['guests', [...members.keys()].join()],
    queryFn: () => session.invitations.guests(),
    staleTime: 0,
  });

  async function withdraw(id: string): Promise<void> {
    try {
      await session.invitations.withdraw(id);
      setProblem(undefined);
    } catch (error) {
      setProblem(told(error, (said) => t('guests.notWithdrawn', { error: said })));
    }
    void guests.refetch();
  }

  return (
    <div className={pageStyles.page}>
      <header>
        <h1>{t('guests.guests')}</h1>
        <p className={textStyles.lead}>{t('guests.whoHoldsALinkComesIn')}</p>
      </header>
      {problem && <Alert {...problem} />}
      <div className={columnsStyles.columns}>
        <Invite session={session} onProblem={setProblem} />
        <section className={pageStyles.panel} aria-label={t('guests.whoCame')}>
          <h2>{t('guests.whoCame')}</h2>
          {guests.isPending && <Waiting />}
          {guests.isError && <Problem error={guests.error} retry={() => void guests.refetch()} />}
          {guests.data?.length === 0 && <p className={textStyles.nothing}>{t('guests.nobodyCame')}</p>}
          <ul className={styles.list}>
            {guests.data?.map(({ user, joined, followingOnly }) => (
              <li key={user}>
                <PersonName session={session} user={user} /> ·{' '}
                {t(followingOnly ? 'guests.followsSince' : 'guests.takesPartSince', {
                  time: timeOf(Date.parse(joined)),
                })}
              </li>
            ))}
          </ul>
          <Group gap={12}>
            <Button variant="default" loading={guests.isFetching} onClick={() => void guests.refetch()}>
              {t('guests.lookAgain')}
            </Button>
          </Group>
        </section>
      </div>
      {sent.length > 0 && (
        <section aria-label={t('guests.links')}>
          <h2>{t('guests.links')}</h2>
          <p className={textStyles.label}>{t('guests.linksAreKnownHereOnly')}</p>
          <ul className={styles.list}>
            {sent.map((one) => (
              <Sent key={one.id} one={one} onWithdraw={() => void withdraw(one.id)} />
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}
