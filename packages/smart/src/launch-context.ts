import { type Scopes, topicAddress } from '@lockstep/fhircast';
import type { GrantContext } from './access.ts';
import type { Switches } from './token-info.ts';

/** The launch-context parameters of token and introspection responses (TOK-2, TOK-3). */
export class LaunchContext {
  readonly #hubUrl: string;
  readonly #styleUrl: string;

  constructor(hubUrl: string, styleUrl: string) {
    this.#hubUrl = hubUrl;
    this.#styleUrl = styleUrl;
  }

  parameters(context: GrantContext, scopes: Scopes, switches: Switches): Record<string, unknown> {
    return {
      ...(context.patient ? { patient: context.patient, need_patient_banner: context.needPatientBanner } : {}),
      ...(context.encounter ? { encounter: context.encounter } : {}),
      ...(context.fhirContext.length > 0 ? { fhirContext: fhirContext(context, switches) } : {}),
      smart_style_url: this.#styleUrl,
      ...(context.intent ? { intent: context.intent } : {}),
      ...(context.tenant ? { tenant: context.tenant } : {}),
      ...this.#hub(context, scopes),
    };
  }

  #hub(context: GrantContext, scopes: Scopes): Record<string, unknown> {
    const [topic] = context.topics;
    if (!scopes.hasFhircast || topic === undefined) return {};
    const parameters = { 'hub.url': this.#hubUrl, 'hub.topic': topic };
    if (!scopes.hasBareFhircast) return parameters;
    // The first draft: "zero, one or more session topic urls" (SES-9).
    const sessions = context.topics.map((one) => topicAddress(this.#hubUrl, one));
    return {
      ...parameters,
      'cast-hub': this.#hubUrl,
      'cast-session': sessions.length === 1 ? sessions[0] : sessions,
    };
  }
}

function fhirContext(context: GrantContext, switches: Switches): readonly unknown[] {
  return switches.stu2 ? [...context.fhirContext] : context.fhirContext.map((reference) => ({ reference }));
}
