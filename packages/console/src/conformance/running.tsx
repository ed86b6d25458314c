/** A run under way: how far it is, and what somebody at the application has to do. */
import { Button, Group } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { type ConformanceQuestion, type ConformanceRun, call, post, type Told, told } from '../api.ts';
import { ForeignName } from '../foreign-text.tsx';
import { t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import { Copyable } from '../ui/copyable.tsx';
import pageStyles from '../ui/page.module.css';
import { Alert } from '../ui/problem.tsx';
import textStyles from '../ui/text.module.css';
import reportStyles from './report.module.css';
import styles from './running.module.css';
import { VERDICT_MARKS, VERDICTS } from './verdicts.ts';

function Question({ question }: { question: ConformanceQuestion }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [problem, setProblem] = useState<Told>();
  const { number, text, invitation } = question;

  useEffect(() => heading.current?.focus(), [number]);

  async function answer(done: boolean): Promise<void> {
    try {
      await post('/api/console/conformance/run/answer', { question: number, done });
      setProblem(undefined);
    } catch (error) {
      setProblem(told(error));
    }
  }

  return (
    <section className={`${pageStyles.panel} ${styles.question}`} aria-labelledby="question">
      <h2 id="question" ref={heading} tabIndex={-1}>
        {t('conformance.atTheApplication')}
      </h2>
      {invitation ? <p>{t('conformance.startTheApplicationWithThese')}</p> : <p>{text}</p>}
      {invitation && (
        <>
          <Copyable title="hub.url" text={invitation.hubUrl} />
          <Copyable title="hub.topic" text={invitation.topic} />
          <Copyable title={t('conformance.accessToken')} text={invitation.token} />
        </>
      )}
      {problem && <Alert {...problem} />}
      <Group gap={12}>
        <Button onClick={() => void answer(true)}>
          {invitation ? t('conformance.started') : t('conformance.yesDone')}
        </Button>
        <Button variant="default" onClick={() => void answer(false)}>
          {invitation ? t('conformance.itCannotBeStarted') : t('conformance.no')}
        </Button>
      </Group>
    </section>
  );
}

export function Running({ run, interrupted }: { run: ConformanceRun; interrupted: boolean }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [cancelling, setCancelling] = useState(false);
  const { done, total, counts, latest, question, name } = run;

  // The form, with the button that was pressed, makes room.
  useEffect(() => heading.current?.focus(), []);

  async function cancel(): Promise<void> {
    setCancelling(true);
    await call('DELETE', '/api/console/conformance/run').catch(() => setCancelling(false));
  }

  return (
    <>
      <section className={`${pageStyles.panel} ${styles.run}`} data-running aria-label={t('conformance.progress')}>
        <header>
          <h2 ref={heading} tabIndex={-1}>
            <Rich
              id="conformance.testingNamed"
              values={{
                name: (
                  <span className={textStyles.mono}>
                    <ForeignName text={name} />
                  </span>
                ),
              }}
            />
          </h2>
          <Button variant="default" loading={cancelling} onClick={() => void cancel()}>
            {t('conformance.cancel')}
          </Button>
        </header>
        <progress aria-label={t('conformance.checksDone')} value={done} max={Math.max(1, total)} />
        <p className={reportStyles.counts}>
          <span>{total === 0 ? t('conformance.beginning') : t('conformance.ofChecks', { done, total })}</span>
          {VERDICTS.map((verdict) => (
            <span key={verdict} data-verdict={verdict}>
              {t('conformance.verdictCount', {
                count: counts[verdict],
                verdict: t(`conformance.verdict.${verdict}`),
              })}
            </span>
          ))}
        </p>
        <p className={`${textStyles.label} ${styles.latest}`}>
          {interrupted && `${t('conformance.theConnectionToTheServerIs')} `}
          {latest && (
            <>
              <span data-verdict={latest.verdict} aria-hidden="true">
                {VERDICT_MARKS[latest.verdict]}
              </span>{' '}
              {latest.title}
            </>
          )}
        </p>
      </section>
      {question && <Question key={question.number} question={question} />}
    </>
  );
}
