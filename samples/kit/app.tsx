/** What both samples begin with: the launch, the subscription, and a bar that says where they stand. */
import '@lockstep/client/status';
import '@lockstep/console/tokens.css';
import '@lockstep/console/common.css';
import './base.css';
import { type EventName, fromSmart, HubError, Subscriber } from '@lockstep/client';
import { useSyncState } from '@lockstep/client/react';
import type { LockstepStatus } from '@lockstep/client/status';
import { Boundary } from '@lockstep/console/boundary';
import { reasonWords, spoken } from '@lockstep/console/language';
import { loadMessages, startLanguage } from '@lockstep/console/language/load';
import { useStore } from '@lockstep/console/store';
import { type HTMLAttributes, type ReactNode, type Ref, useEffect, useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';
import styles from './app.module.css';
import { Fhir, type Resource } from './fhir.ts';
import { identityText, Who } from './identity.tsx';
import { NoticeText } from './notice.tsx';
import { authorize, forget, type Grant, homeServer, type SmartApp, start } from './smart.ts';
import { besideSaid, type Notice, noticeIn, refusalNotice, type SampleMessage, ToldError, t } from './words.ts';

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'lockstep-status': HTMLAttributes<LockstepStatus> & { brief?: boolean; ref?: Ref<LockstepStatus> };
    }
  }
}

export interface Sample extends SmartApp {
  /** What it is called in the session. */
  readonly name: string;
  /** The part of the catalog that it speaks from; it has a `name` and a `description`. */
  readonly words: 'viewer' | 'writer';
}

/** What people call it. */
export const nameOfApp = ({ words }: Sample): string => t(`${words}.name` satisfies SampleMessage);

export interface Connected {
  readonly subscriber: Subscriber;
  readonly fhir: Fhir;
  readonly grant: Grant;
}

/** How long the socket may be silent before it is pinged, ms. */
const SILENCE = 10_000;

type State =
  | { readonly kind: 'starting' }
  | { readonly kind: 'welcome' }
  | { readonly kind: 'failed'; readonly why: Notice }
  | { readonly kind: 'ready'; readonly connected: Connected };

function connect(app: Sample, grant: Grant, events: readonly EventName[]): Connected {
  const subscriber = new Subscriber({
    // The one line that makes a SMART app a FHIRcast subscriber.
    ...fromSmart(grant.token, grant.renew),
    name: app.name,
    events,
    silence: SILENCE,
    // What Lockstep's Hub allows, and an idle page is grateful for.
    ping: true,
    checkEvery: 0,
    maxBackoff: 3000,
  });
  // Without a token there is no way back: better said than tried for ever.
  grant.onEnded = () => void subscriber.unsubscribe();
  void subscriber.connect();
  return { subscriber, fhir: new Fhir(grant), grant };
}

/** Opens the patient of the launch for the session, once, unless something is open there. */
export function useLaunchPatient({ fhir, grant, subscriber }: Connected): Notice | undefined {
  const [problem, setProblem] = useState<Notice>();
  useEffect(() => {
    const patient = grant.takeLaunchPatient();
    if (patient === undefined) return;
    const open = async (): Promise<void> => {
      const state = await subscriber.settled();
      if (state.status === 'closed' || subscriber.context) return;
      await subscriber.openPatient(await fhir.read(`Patient/${patient}`));
    };
    open().catch((thrown: unknown) =>
      setProblem(noticeIn(noticeOf(thrown), (error) => t('kit.launchPatient', { error }))),
    );
  }, [fhir, grant, subscriber]);
  return problem;
}

/** An error of any kind, for people. */
export function noticeOf(error: unknown): Notice {
  if (error instanceof ToldError) return error;
  if (error instanceof HubError) {
    return error.status === 0 ? { text: t('kit.hubUnreachable') } : refusalNotice(error.status, error.message);
  }
  return besideSaid(t('kit.wentWrong'), error instanceof Error ? error.message : String(error));
}

/** Lets the browser paint: an answer to the Hub then means that the context is on the screen. */
export function painted(): Promise<void> {
  return new Promise((resolve) => {
    // Hidden pages never paint.
    const late = setTimeout(resolve, 100);
    requestAnimationFrame(() => {
      clearTimeout(late);
      setTimeout(resolve);
    });
  });
}

/** The application's state against the session, in words, shape and color. @param brief the reason is said elsewhere */
export function Status({ subscriber, brief = false }: { subscriber: Subscriber; brief?: boolean }) {
  const element = useRef<LockstepStatus>(null);
  const { language } = useStore(spoken);
  useEffect(() => {
    if (!element.current) return;
    element.current.words = Object.fromEntries(
      (['connecting', 'in-sync', 'unknown', 'behind', 'out-of-sync', 'closed'] as const).map((status) => [
        status,
        t(`kit.status.${status}`),
      ]),
    );
    element.current.reasons = reasonWords;
    element.current.subscriber = subscriber;
  }, [subscriber, language]);
  return <lockstep-status ref={element} brief={brief} />;
}

/** The page's first line and the window's title: who is shown, what of theirs, and where the application stands. */
export function Bar(props: {
  app: Sample;
  subscriber: Subscriber;
  patient: Resource | undefined;
  /** What of the patient is shown. */
  facts: string;
  /** The reason of the status is said elsewhere. */
  brief: boolean;
}) {
  const { app, subscriber, patient, facts, brief } = props;
  const state = useSyncState(subscriber);
  const alarm = state.status === 'out-of-sync' || state.status === 'closed' ? '(!)' : '';
  const title = [alarm, patient && identityText(patient), nameOfApp(app)].filter(Boolean).join(' · ');
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <header className={styles.bar}>
      <h1>{patient ? <Who patient={patient} /> : t('kit.noPatientIsOpen')}</h1>
      <bdi className={styles.facts} title={facts}>
        {facts}
      </bdi>
      <Status subscriber={subscriber} brief={brief} />
    </header>
  );
}

/** The subscription is over for good: why, and the way back. */
export function Ended({ app, subscriber, grant }: Connected & { app: Sample }) {
  const state = useSyncState(subscriber);
  // A page that was left and is back comes back by itself.
  if (state.status !== 'closed' || state.reason === 'the page was left') return null;
  return (
    <div className={styles.apart} role="alert">
      <span>{t('kit.ended', { reason: grant.ended ? t('kit.accessEnded') : reasonWords(state.reason) })}</span>
      <button
        type="button"
        onClick={() => {
          forget(app);
          void authorize(app, `${homeServer(app)}/fhir`);
        }}
      >
        {t('kit.launchAgain')}
      </button>
    </div>
  );
}

/** The application is not there: why, and the way back. */
function Failed({ title, why, onLaunch }: { title: string; why: Notice; onLaunch: () => void }) {
  return (
    <main className={styles.message}>
      <h1>{title}</h1>
      <div role="alert">
        <NoticeText {...why} />
      </div>
      <p>{t('kit.runItAgain')}</p>
      <button type="button" className="main" onClick={onLaunch}>
        {t('kit.launchOnItsOwn')}
      </button>
    </main>
  );
}

// A launch is redeemed once and subscribed once, however often the page is mounted.
let launched: ReturnType<typeof start> | undefined;
let connection: Connected | undefined;

function Page(props: { app: Sample; events: readonly EventName[]; children: (connected: Connected) => ReactNode }) {
  const { app, events, children } = props;
  const [state, setState] = useState<State>({ kind: 'starting' });
  // Drawn again when another language is chosen.
  useStore(spoken);

  useEffect(() => {
    launched ??= start(app);
    launched.then(
      (started) => {
        if (started.kind === 'welcome') setState({ kind: 'welcome' });
        if (started.kind !== 'ready') return;
        connection ??= connect(app, started.grant, events);
        setState({ kind: 'ready', connected: connection });
      },
      (error: unknown) => setState({ kind: 'failed', why: noticeOf(error) }),
    );
  }, [app, events]);

  function launch(): void {
    forget(app);
    authorize(app, `${homeServer(app)}/fhir`).catch((error: unknown) =>
      setState({ kind: 'failed', why: noticeOf(error) }),
    );
  }

  switch (state.kind) {
    case 'starting':
      return <p className={styles.message}>{t('kit.starting')}</p>;
    case 'ready': {
      const { subscriber } = state.connected;
      return (
        <Boundary
          onFailed={() => {
            document.title = nameOfApp(app);
            void subscriber.unsubscribe();
          }}
          instead={<Failed title={nameOfApp(app)} why={{ text: t('kit.notDrawn') }} onLaunch={launch} />}
        >
          {children(state.connected)}
        </Boundary>
      );
    }
    case 'welcome':
      return (
        <main className={styles.message}>
          <h1>{nameOfApp(app)}</h1>
          <p>{t(`${app.words}.description`)}</p>
          <p>{t('kit.runItFromTheEhr')}</p>
          <button type="button" className="main" onClick={launch}>
            {t('kit.launchOnItsOwn')}
          </button>
        </main>
      );
    case 'failed':
      return <Failed title={t('kit.wasNotLaunched', { app: nameOfApp(app) })} why={state.why} onLaunch={launch} />;
  }
}

const SCHEME = 'lockstep-color-scheme';

/** Served beside the console, the samples are as dark or light as the person chose there: dark unless light was chosen. */
function followScheme(): void {
  const show = (): void => {
    try {
      document.documentElement.dataset.scheme = localStorage.getItem(SCHEME) === 'light' ? 'light' : 'dark';
    } catch {
      // Storage may be closed to pages.
    }
  };
  addEventListener('storage', ({ key }) => {
    if (key === SCHEME) show();
  });
  show();
}

/** Shows the sample once it is launched and subscribed. */
export async function run(
  app: Sample,
  events: readonly EventName[],
  children: (connected: Connected) => ReactNode,
): Promise<void> {
  const root = document.getElementById('root');
  if (!root) return;
  followScheme();
  await startLanguage('kit');
  await loadMessages(app.words);
  createRoot(root).render(
    <Page app={app} events={events}>
      {children}
    </Page>,
  );
}
