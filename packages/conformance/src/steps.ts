/** What a scenario has to do before it comes to what it checks. */
export type Step =
  | 'subscribe'
  | 'confirm'
  | 'publish'
  | 'notify'
  | 'welcome'
  | 'derive'
  | 'refuse'
  | 'deny'
  | 'restart'
  | 'carry'
  | 'carry-numbers'
  | 'carry-all';

/** Kinds of event, in lower case, as the ids of the checks on their broadcasts name them. */
export const KINDS = [
  'patient-open',
  'patient-close',
  'encounter-open',
  'encounter-close',
  'imagingstudy-open',
  'imagingstudy-close',
  'diagnosticreport-open',
  'diagnosticreport-close',
  'diagnosticreport-update',
  'diagnosticreport-select',
  'home-open',
  'userlogout',
  'userhibernate',
  'syncerror',
  'proprietary',
] as const;

/** The checks that are about a step alone. */
export const STEPS: Readonly<Record<Step, readonly string[]>> = {
  subscribe: ['subscribe-accepted', 'subscribe-endpoint'],
  confirm: ['confirmation-sent'],
  publish: ['publish-accepted'],
  notify: ['broadcast-to-all'],
  /** Newcomers are told what is open. */
  welcome: ['late-joiner-open'],
  derive: ['derived-open'],
  /** A refusal becomes a SyncError. */
  refuse: ['syncerror-after-409'],
  deny: ['unsubscribe-denial'],
  restart: ['restart-comes-back'],
  /** What is broadcast of a plain event, and of one with everything in it. */
  carry: [
    'broadcast-id',
    'broadcast-timestamp',
    'broadcast-topic',
    'broadcast-context',
    'broadcast-unicode',
    'same-patient-open',
  ],
  'carry-numbers': ['broadcast-numbers'],
  /** What is broadcast of the other kinds of event. */
  'carry-all': [
    ...KINDS.map((kind) => `same-${kind}`),
    'same-large',
    'same-to-late-joiner',
    'soak',
    'broadcast-context',
  ],
};

/**
 * What a run may take for granted though the Hub does not do it, so that its other checks are judged: the check of the same
 * name fails all the same.
 */
export const ASSUMABLE = ['subscribe-accepted', 'confirmation-sent', 'publish-accepted'] as const;
export type Assumable = (typeof ASSUMABLE)[number];
