import { type Command, EXIT } from '../command.ts';
import type { DoctorFinding } from '../doctor.ts';
import { DATA_OPTION, dataFolder } from '../local-server.ts';

const MARKS = { ok: 'ok', warning: 'warning', problem: 'problem' } as const;
const STYLES = { ok: 'green', warning: 'yellow', problem: 'red' } as const;

export const doctor: Command = {
  name: 'doctor',
  summary: 'Check configuration, folder, port, clock, TLS, Redis and reachability, and say what to do',
  details: 'Reads the same environment and file as lockstep serve. Changes nothing.',
  options: {
    hub: { type: 'string', value: 'URL', help: 'examine this Hub from here instead of the local installation' },
    issuer: { type: 'string', value: 'NAME', help: 'examine this trusted issuer of LOCKSTEP_TRUSTED_ISSUERS instead' },
    client: {
      type: 'string',
      value: 'FILE',
      help: 'propose the switches that a client needs, from messages that it sent, one a line; - reads what comes in',
    },
    ...DATA_OPTION,
  },
  examples: [
    { line: 'lockstep doctor', means: 'the local installation' },
    { line: 'lockstep doctor --issuer keycloak', means: 'an authorization server that is trusted' },
    { line: 'lockstep doctor --client recorded.jsonl', means: 'what a connector has sent' },
    { line: 'lockstep doctor --hub https://hub.example.com/hub', means: 'a Hub, as its clients see it' },
  ],
  async run(call) {
    const { values, env, terminal } = call;
    const findings: DoctorFinding[] = [];
    const hub = values.text('hub');
    const issuer = values.text('issuer');
    const progress = (what: string) => terminal.progress(what);
    const client = values.text('client');
    const examined = async (): Promise<AsyncIterable<DoctorFinding>> => {
      // Each knows a part of the server, which other commands do without.
      if (client !== undefined) return (await import('../doctor-client.ts')).examineClient(client);
      if (issuer !== undefined) return (await import('../doctor-issuer.ts')).examineIssuer(env, issuer, progress);
      const { examine } = await import('../doctor.ts');
      return examine({ env, data: dataFolder(call), ...(hub !== undefined && { hub }) }, progress);
    };
    for await (const finding of await examined()) {
      findings.push(finding);
      if (terminal.json) continue;
      const { check, status, message, fix } = finding;
      terminal.line(`${terminal.style(STYLES[status], MARKS[status].padEnd(8))} ${check.padEnd(13)} ${message}`);
      if (fix !== undefined) terminal.line(`${' '.repeat(23)}${fix}`);
    }
    const problems = findings.filter(({ status }) => status === 'problem').length;
    if (terminal.json) terminal.result(findings, () => '');
    return problems > 0 ? EXIT.failed : EXIT.done;
  },
};
