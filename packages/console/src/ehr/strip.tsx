/** The desktop's warner: what is open, who is in the session, who followed and who did not, and how long it took. */
import '@lockstep/client/status';
import { useCurrentContext, useSyncState } from '@lockstep/client/react';
import type { LockstepStatus } from '@lockstep/client/status';
import { Button, CloseButton } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { useStore } from '../store.ts';
import { median, Sparkline } from '../ui/sparkline.tsx';
import { contextTitle } from './context.ts';
import { isBehind, type Member, outcomeWords, ownReason } from './roster.ts';
import type { EhrSession } from './session.ts';

function markOf(member: Member): { sign: string; tone: 'good' | 'busy' | 'bad' | 'off' } {
  if (member.joining) return { sign: '…', tone: 'busy' };
  if (!member.connected) return { sign: '×', tone: 'bad' };
  if (isBehind(member)) return { sign: '!', tone: 'bad' };
  switch (member.outcome?.state) {
    case undefined:
      return { sign: '·', tone: 'off' };
    case 'followed':
      return { sign: '✓', tone: 'good' };
    default:
      return { sign: '…', tone: 'busy' };
  }
}

function MemberChip({ member }: { member: Member }) {
  const { sign, tone } = markOf(member);
  const { outcome, times } = member;
  const middle = median(times);
  return (
    <li className="member" data-tone={tone} data-member={member.name}>
      <span className="mark" aria-hidden="true">
        {sign}
      </span>
      <span className="member-name">{member.name}</span>
      <span className="member-outcome">
        {outcomeWords(member)}
        {member.connected && outcome?.state === 'followed' && outcome.ms !== undefined && (
          <b className="ms"> {outcome.ms} ms</b>
        )}
      </span>
      {middle !== undefined && times.length > 1 && (
        <Sparkline
          values={times}
          label={`${member.name}: the last ${times.length} changes followed in ${middle} ms, in the middle`}
        />
      )}
    </li>
  );
}

/** The EHR's own state, by the element that every application can use. */
function OwnStatus({ session, brief }: { session: EhrSession; brief: boolean }) {
  const element = useRef<LockstepStatus>(null);
  useEffect(() => {
    if (!element.current) return;
    element.current.words = { connecting: 'Reconnecting' };
    element.current.subscriber = session.subscriber;
  }, [session]);
  return <lockstep-status ref={element} class="own-status" brief={brief} />;
}

/** In the application's own words where it has said why; else in the Hub's. */
function warning(who: string, text: string): string {
  const reason = ownReason(text);
  return who === '' || reason === undefined ? text : `${who} did not follow: ${reason}.`;
}

export function Strip({ session }: { session: EhrSession }) {
  const roster = useStore(session.members.roster);
  const warnings = useStore(session.following.warnings);
  const notice = useStore(session.publishing.notice);
  const live = useStore(session.members.live);
  const context = useCurrentContext(session.subscriber);
  const state = useSyncState(session.subscriber);
  const members = [...roster.values()];
  const apart = members.filter(isBehind);
  useStore(session.book.charts);

  return (
    <section className="strip" aria-label="Session">
      <div className="strip-row">
        <OwnStatus session={session} brief={warnings.length > 0} />
        {state.status === 'closed' && state.reason !== 'not connected yet' && (
          // The server opens the session anew under its old topic.
          <Button onClick={() => location.reload()}>Rejoin</Button>
        )}
        <span className="strip-context" data-testid="context">
          {contextTitle(context, session.book)}
        </span>
        <ul className="members" aria-label="Applications in the session">
          {members.map((member) => (
            <MemberChip key={member.id} member={member} />
          ))}
        </ul>
        {!live && state.status !== 'connecting' && <span className="strip-note">live view interrupted</span>}
      </div>
      {warnings.map(({ id, who, text }) => (
        <div key={id} className="warner" role="alert">
          <span className="mark" aria-hidden="true">
            !
          </span>
          <span>
            {warning(who, text)}
            {who !== '' && <> It may still show something else.</>}
          </span>
          <Button variant="default" onClick={() => void session.publishing.askAgain()}>
            Ask again
          </Button>
          <CloseButton
            aria-label="Dismiss the warning"
            onClick={() => session.following.warnings.update((all) => all.filter((one) => one.id !== id))}
          />
        </div>
      ))}
      {notice !== undefined && (
        <div className="warner" role="alert">
          <span className="mark" aria-hidden="true">
            !
          </span>
          <span>{notice}</span>
          <CloseButton aria-label="Dismiss the notice" onClick={() => session.publishing.notice.set(undefined)} />
        </div>
      )}
      <p className="sr-only" role="status">
        {apart.length > 0 ? `Not following: ${apart.map(({ name }) => name).join(', ')}` : ''}
      </p>
    </section>
  );
}
