import { type Scope, Scopes, textOf } from '@lockstep/fhircast';
import type { RecordStore } from '@lockstep/store';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { InteractionResults, default as Provider } from 'oidc-provider';
import type { BearerTokens } from './access.ts';
import type { AuthorizationAddresses } from './addresses.ts';
import { asksAgain, restartOf } from './authorization-request.ts';
import { type Browser, PageError } from './browser.ts';
import { isRepresented, mayChoosePatient, ownPatient } from './charts.ts';
import type { Client } from './client.ts';
import type { Clients } from './clients.ts';
import { type GrantChoice, Granting, type GrantProgress, wantsPatient } from './granting.ts';
import type { HeldRequests } from './held-requests.ts';
import type { Launch, Launches } from './launches.ts';
import type { OutsideDesk } from './outside/desk.ts';
import { consentPage } from './pages/consent.ts';
import type { PageSetting } from './pages/layout.ts';
import { type Said, said } from './pages/page-language.ts';
import { encounterPage, patientPage, sessionPage } from './pages/pickers.ts';
import { signInPage } from './pages/sign-in.ts';
import type { AuditEntry, Clock, PatientDirectory, SessionDirectory } from './ports.ts';
import type { SmartProvider } from './provider.ts';
import { RecordRepository } from './repository.ts';
import { groupScopes } from './scope-words.ts';
import type { SignInDesk } from './sign-in-routes.ts';
import { type SignedIn, type SignIns, workstationOf } from './sign-ins.ts';

/** How long what was picked is kept for an unfinished flow, ms. */
const PROGRESS_LIFE = 3_600_000;
const LISTED_PATIENTS = 50;
/** Characters of a place where a search goes on. */
const LONGEST_PLACE = 4000;

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

/** One authorization request on its way through the pages. */
interface Flow {
  readonly interaction: Interaction;
  readonly client: Client;
  readonly scopes: Scopes;
  readonly launch?: Launch | undefined;
  /** The pages' address, without the path that a proxy adds. */
  readonly path: string;
}

type SignedInFlow = Flow &
  GrantChoice & { /** What of the request can be granted. */ readonly grantable: readonly Scope[] };

/** Scopes that reveal which FHIR resource the person is. */
const IDENTITY: ReadonlySet<string> = new Set(['fhirUser', 'profile']);

type Step = 'patient' | 'encounter' | 'session' | 'consent';

export interface InteractionParts {
  readonly store: RecordStore;
  readonly clock: Clock;
  readonly addresses: AuthorizationAddresses;
  readonly access: BearerTokens;
  readonly clients: Clients;
  readonly launches: Launches;
  readonly patients: PatientDirectory;
  readonly sessions: SessionDirectory;
  readonly provider: SmartProvider;
  readonly signIns: SignIns;
  readonly desk: SignInDesk;
  readonly outside?: OutsideDesk | undefined;
  readonly browser: Browser;
  readonly held: HeldRequests;
  readonly audit: (entry: AuditEntry) => void;
}

/** The pages between an authorization request and its answer: sign-in, pickers, consent (AUT-4, AUT-5). */
export function interactionRoutes(app: FastifyInstance, parts: InteractionParts): void {
  const { clients, launches, patients, sessions, signIns, desk, outside, browser, audit } = parts;
  const base = parts.addresses.path;
  const progresses = new RecordRepository<GrantProgress>(parts.store, parts.clock, 'interaction-progress');
  const granting = new Granting(parts);

  async function load(request: FastifyRequest, reply: FastifyReply): Promise<Flow> {
    const provider = await parts.provider.provider();
    const { uid } = request.params as { uid: string };
    const interaction = await provider.interactionDetails(request.raw, reply.raw).catch(() => undefined);
    const client = await clients.get(textOf(interaction?.params.client_id));
    if (!interaction || interaction.uid !== uid || client?.status !== 'active') {
      throw new PageError('session_expired', 'This sign-in has expired. Start again from your application.');
    }
    const launchValue = interaction.params.launch;
    return {
      interaction,
      client,
      scopes: new Scopes(textOf(interaction.params.scope)),
      launch: typeof launchValue === 'string' ? await launches.find(launchValue, client) : undefined,
      path: `/auth/interaction/${uid}`,
    };
  }

  /** @throws PageError unless a person is signed in, the same one since the flow began */
  async function loadSignedIn(request: FastifyRequest, reply: FastifyReply): Promise<SignedInFlow> {
    const flow = await load(request, reply);
    const signedIn = await signIns.signedIn(request);
    if (!signedIn || flow.interaction.prompt.name === 'login') {
      throw new PageError('login_required', 'You are not signed in any more. Start again from your application.', 401);
    }
    return withProgress(flow, signedIn);
  }

  async function withProgress(flow: Flow, signedIn: SignedIn): Promise<SignedInFlow> {
    const progress = (await progresses.get(flow.interaction.uid)) ?? {};
    const { reference } = signedIn.user;
    const represented = await isRepresented(reference, patients);
    return {
      ...flow,
      grantable: flow.scopes.list.filter(({ text }) => represented || !IDENTITY.has(text)),
      signedIn,
      progress,
      patient: ownPatient(reference) ?? flow.launch?.patient ?? progress.patient,
      sessions: flow.scopes.hasFhircast && !flow.launch?.topic ? await sessions.ofUser(reference) : [],
    };
  }

  async function note(flow: Flow, progress: GrantProgress): Promise<void> {
    const before = (await progresses.get(flow.interaction.uid)) ?? {};
    const expiresAt = parts.clock.now() + PROGRESS_LIFE;
    await progresses.put(flow.interaction.uid, { ...before, ...progress }, { expiresAt });
  }

  async function nextStep(flow: SignedInFlow): Promise<Step> {
    const { scopes, progress, launch, patient } = flow;
    const wantsEncounter = scopes.list.some((scope) => scope.kind === 'launch' && scope.need === 'encounter');
    if (patient === undefined && (wantsEncounter || wantsPatient(scopes))) return 'patient';
    if (wantsEncounter && !launch?.encounter && progress.encounter === undefined && patient !== undefined) {
      if ((await patients.encounters(patient)).length > 0) return 'encounter';
    }
    if (flow.sessions.length > 1 && progress.topics === undefined) return 'session';
    return 'consent';
  }

  /** Shows the next page, or goes on when no page is needed. */
  async function show(
    request: FastifyRequest,
    reply: FastifyReply,
    flow: SignedInFlow,
    problem?: Said,
  ): Promise<FastifyReply> {
    if (isForeignLaunch(flow)) {
      return deny(request, reply, 'access_denied', 'the launch was made for another person, or has expired');
    }
    const step = await nextStep(flow);
    if (step === 'patient' && !mayChoosePatient(flow.signedIn.user.reference)) {
      return deny(request, reply, 'access_denied', 'the user may not choose a patient');
    }
    if (step === 'consent' && flow.launch && (flow.client.trusted || flow.launch.consented)) {
      return finish(
        request,
        reply,
        flow,
        flow.grantable.map(({ text }) => text),
      );
    }
    const framed = flow.launch?.embedded ?? false;
    return browser.send(reply, problem ? 400 : 200, await render(request, step, flow, problem), framed);
  }

  function settingOf(request: FastifyRequest, { interaction }: Flow): PageSetting {
    return browser.setting(request, textOf(interaction.params.ui_locales));
  }

  async function render(
    request: FastifyRequest,
    step: Step,
    flow: SignedInFlow,
    problem: Said | undefined,
  ): Promise<string> {
    const { client, signedIn, patient, scopes } = flow;
    const setting = settingOf(request, flow);
    const view = { ...setting, flow: `${base}${flow.path}`, csrf: signedIn.csrf, app: client.name, problem };
    switch (step) {
      case 'patient': {
        const asked = request.query as { readonly search?: unknown; readonly after?: unknown };
        const search = textOf(asked.search).slice(0, 100);
        const after = textOf(asked.after).slice(0, LONGEST_PLACE);
        const found = await patients.search(search, LISTED_PATIENTS, after);
        const query = new URLSearchParams(search === '' ? {} : { name: search }).toString();
        noteShown(flow, { type: 'Patient', query, patients: found.patients.map(({ id }) => id) });
        return patientPage({ ...view, search, ...found });
      }
      case 'encounter': {
        const of = patient ?? '';
        const encounters = await patients.encounters(of);
        noteShown(flow, { type: 'Encounter', query: new URLSearchParams({ patient: of }).toString(), patients: [of] });
        return encounterPage({ ...view, encounters });
      }
      case 'session':
        return sessionPage({ ...view, sessions: flow.sessions, own: signedIn.topic, several: scopes.hasBareFhircast });
      case 'consent':
        return consentPage({
          ...view,
          description: client.description,
          destination: new URL(textOf(flow.interaction.params.redirect_uri)).host || undefined,
          user: signedIn.user.name,
          patient: patient === undefined ? undefined : (await patients.patient(patient))?.name,
          groups: groupScopes(flow.grantable, setting.language),
        });
    }
  }

  /** A picker shows patients, so that it is recorded as other reads of the record are. */
  function noteShown({ client, signedIn }: SignedInFlow, shown: NonNullable<AuditEntry['shown']>): void {
    audit({ action: 'picker', user: signedIn.user.reference, clientId: client.id, shown });
  }

  async function showSignIn(
    request: FastifyRequest,
    reply: FastifyReply,
    flow: Flow,
    status = 200,
    view: {
      problem?: Said;
      needsCode?: boolean;
      passkey?: object;
      name?: string;
      workstation?: string | undefined;
    } = {},
  ) {
    const { login_hint: hinted } = flow.interaction.params;
    const hint = typeof hinted === 'string' ? hinted : undefined;
    const page = signInPage({
      ...settingOf(request, flow),
      action: `${base}${flow.path}/sign-in`,
      csrf: browser.csrf(request, reply, await signIns.signedIn(request)),
      outsideAction: `${base}${flow.path}/outside`,
      app: flow.client.name,
      ways: await desk.ways(hint),
      name: hint,
      ...view,
      workstation: workstationOf(request, view.workstation),
    });
    return browser.send(reply, status, page, flow.launch?.embedded ?? false);
  }

  /** Hands the outcome to the provider, which sends the browser back to the app. */
  async function resume(
    request: FastifyRequest,
    reply: FastifyReply,
    result: InteractionResults,
  ): Promise<FastifyReply> {
    const provider = await parts.provider.provider();
    const target = await provider.interactionResult(request.raw, reply.raw, result, { mergeWithLastSubmission: false });
    const { pathname, search } = new URL(target);
    return reply.redirect(`${pathname}${search}`, 303);
  }

  function deny(
    request: FastifyRequest,
    reply: FastifyReply,
    error: string,
    description: string,
  ): Promise<FastifyReply> {
    return resume(request, reply, { error, error_description: description });
  }

  /** Turns the person's answer into a grant. The launch is spent here: a second answer with it is refused (AUT-3). */
  async function finish(
    request: FastifyRequest,
    reply: FastifyReply,
    flow: SignedInFlow,
    chosen: readonly string[],
  ): Promise<FastifyReply> {
    const { interaction, client, signedIn, launch } = flow;
    if (isForeignLaunch(flow)) {
      return deny(request, reply, 'access_denied', 'the launch was made for another person, or has expired');
    }
    if (launch && !(await launches.redeem(textOf(interaction.params.launch)))) {
      return deny(request, reply, 'invalid_request', 'launch is not valid any more');
    }
    const asked = flow.scopes.list.map(({ text }) => text);
    const granted = flow.grantable.map(({ text }) => text).filter((scope) => chosen.includes(scope));
    const grantId = await granting.grant(flow, asked, granted);
    if (Object.keys(flow.progress).length > 0) await progresses.delete(interaction.uid);
    if (!launch) await clients.noteLaunch(client.id);
    audit({ action: 'consent', user: signedIn.user.id, clientId: client.id, detail: granted.join(' ') });
    return resume(request, reply, { consent: { grantId } });
  }

  app.get('/auth/interaction/:uid', async (request, reply) => {
    const flow = await load(request, reply);
    const signedIn = await signIns.signedIn(request);
    if (!signedIn || flow.interaction.prompt.name === 'login') return showSignIn(request, reply, flow);
    return show(request, reply, await withProgress(flow, signedIn));
  });

  app.post('/auth/interaction/:uid/sign-in', async (request, reply) => {
    const flow = await load(request, reply);
    const form = browser.form(request, await signIns.signedIn(request));
    const name = form.get('user') ?? '';
    const outcome = await desk.signIn(request, reply, {
      user: name,
      password: form.get('password') ?? undefined,
      code: form.get('code') ?? undefined,
      passkey: form.get('passkey') ?? undefined,
      sample: form.get('sample') ?? undefined,
      workstation: form.get('workstation') ?? undefined,
    });
    if ('problem' in outcome) {
      const { problem, status, needsCode = false, passkey } = outcome;
      const typed = { name, workstation: form.get('workstation') ?? undefined };
      return showSignIn(request, reply, flow, status, { problem, needsCode, ...typed, ...(passkey && { passkey }) });
    }
    return reply.redirect(await parts.held.pathOf(restartOf(flow.interaction.params)), 303);
  });

  if (outside) {
    app.post('/auth/interaction/:uid/outside', async (request, reply) => {
      const flow = await load(request, reply);
      const form = browser.form(request, await signIns.signedIn(request));
      const started = await outside.begin(reply, {
        next: await parts.held.pathOf(restartOf(flow.interaction.params)),
        workstation: workstationOf(request, form.get('workstation') ?? undefined),
        again: asksAgain(flow.interaction.params),
      });
      if ('problem' in started) return showSignIn(request, reply, flow, started.status, { problem: started.problem });
      return reply.header('cache-control', 'no-store').redirect(started.address, 303);
    });
  }

  app.post('/auth/interaction/:uid/patient', async (request, reply) => {
    const flow = await loadSignedIn(request, reply);
    const patient = browser.form(request, flow.signedIn).get('patient') ?? '';
    if (!mayChoosePatient(flow.signedIn.user.reference) || !(await patients.patient(patient)))
      return show(request, reply, flow, said('There is no such patient.'));
    await note(flow, { patient });
    return reply.redirect(flow.path, 303);
  });

  app.post('/auth/interaction/:uid/encounter', async (request, reply) => {
    const flow = await loadSignedIn(request, reply);
    const encounter = browser.form(request, flow.signedIn).get('encounter') ?? '';
    const known = await patients.encounters(flow.patient ?? '');
    if (encounter !== 'none' && !known.some(({ id }) => id === encounter)) {
      return show(request, reply, flow, said('The patient has no such encounter.'));
    }
    await note(flow, { encounter });
    return reply.redirect(flow.path, 303);
  });

  app.post('/auth/interaction/:uid/session', async (request, reply) => {
    const flow = await loadSignedIn(request, reply);
    const topics = [...new Set(browser.form(request, flow.signedIn).getAll('topic'))];
    const known = topics.every((topic) => flow.sessions.some((session) => session.topic === topic));
    if (topics.length === 0 || !known || (topics.length > 1 && !flow.scopes.hasBareFhircast)) {
      return show(request, reply, flow, said('Choose one of your sessions.'));
    }
    await note(flow, { topics });
    return reply.redirect(flow.path, 303);
  });

  app.post('/auth/interaction/:uid/consent', async (request, reply) => {
    const flow = await loadSignedIn(request, reply);
    const form = browser.form(request, flow.signedIn);
    if (form.get('decision') !== 'allow') return deny(request, reply, 'access_denied', 'the user refused');
    if ((await nextStep(flow)) !== 'consent') return reply.redirect(flow.path, 303);
    const chosen = form.getAll('scope');
    if (!flow.grantable.some(({ text }) => chosen.includes(text))) {
      return deny(request, reply, 'access_denied', 'the user allowed nothing');
    }
    return finish(request, reply, flow, chosen);
  });

  app.post('/auth/interaction/:uid/cancel', async (request, reply) => {
    const flow = await loadSignedIn(request, reply);
    browser.form(request, flow.signedIn);
    return deny(request, reply, 'access_denied', 'the user cancelled');
  });
}

/** Whether the request's `launch` is not this person's to redeem: another's, spent, or expired (AUT-3). */
function isForeignLaunch({ interaction, launch, signedIn }: SignedInFlow): boolean {
  return interaction.params.launch !== undefined && launch?.user !== signedIn.user.id;
}
