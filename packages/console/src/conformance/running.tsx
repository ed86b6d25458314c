/** A run under way: how far it is, and what somebody at the application has to do. */
import { Button } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { type ConformanceQuestion, type ConformanceRun, call, post, words } from '../api.ts';
import { Copyable } from '../ui/copyable.tsx';
import { VERDICT_MARKS, VERDICT_WORDS, VERDICTS } from './verdicts.ts';

function Question({ question }: { question: ConformanceQuestion }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [problem, setProblem] = useState<string>();
  const { number, text, invitation } = question;

  useEffect(() => heading.current?.focus(), [number]);

  async function answer(done: boolean): Promise<void> {
    try {
      await post('/api/console/conformance/run/answer', { question: number, done });
      setProblem(undefined);
    } catch (error) {
      setProblem(words(error));
    }
  }

  return (
    <section className="panel question" aria-labelledby="question">
      <h2 id="question" ref={heading} tabIndex={-1}>
        At the application
      </h2>
      {invitation ? <p>Start the application with these.</p> : <p>{text}</p>}
      {invitation && (
        <>
          <Copyable title="hub.url" text={invitation.hubUrl} />
          <Copyable title="hub.topic" text={invitation.topic} />
          <Copyable title="Access token" text={invitation.token} />
        </>
      )}
      {problem !== undefined && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <div className="form-end">
        <Button onClick={() => void answer(true)}>{invitation ? 'Started' : 'Yes, done'}</Button>
        <Button variant="default" onClick={() => void answer(false)}>
          {invitation ? 'It cannot be started' : 'No'}
        </Button>
      </div>
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
      <section className="panel run" aria-label="Progress">
        <header>
          <h2 ref={heading} tabIndex={-1}>
            Testing <span className="mono">{name}</span>
          </h2>
          <Button variant="default" loading={cancelling} onClick={() => void cancel()}>
            Cancel
          </Button>
        </header>
        <progress aria-label="Checks done" value={done} max={Math.max(1, total)} />
        <p className="run-counts">
          <span>{total === 0 ? 'Beginning' : `${done} of ${total} checks`}</span>
          {VERDICTS.map((verdict) => (
            <span key={verdict} data-verdict={verdict}>
              {counts[verdict]} {VERDICT_WORDS[verdict]}
            </span>
          ))}
        </p>
        <p className="label run-latest">
          {interrupted && 'The connection to the server is interrupted. '}
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
