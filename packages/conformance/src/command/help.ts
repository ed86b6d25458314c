/** What `fhircast-conformance --help` says, and the exit codes. */
import { PRESETS } from '../config.ts';
import { VERSIONS } from '../specification.ts';
import { ASSUMABLE } from '../steps.ts';

/** Exit codes. */
export const EXIT = { conforms: 0, fails: 1, usage: 2, unreachable: 3 } as const;

export const HELP = `Tests FHIRcast Hubs and applications by what they do on the wire.

fhircast-conformance COMMAND (or: lockstep conformance COMMAND)

  hub URL [options]                           test the Hub with this hub.url
  subscriber [options]                        test an application: the suite plays the Hub
  report REPORT.json [files]                  write other forms of a report
  diff BEFORE.json AFTER.json                 what changed between two reports
  matrix REPORT.json... --html FILE           many reports on one page
  curl REPORT.json CHECK                      the requests of one check as a shell script with curl
  replay REPORT.json CHECK [--url URL]        sends them again, to another Hub with --url, and tells what is answered otherwise
  certify REPORT.json --key FILE --package FILE  a signed package of report, transcript, options and versions
  verify PACKAGE [--key FILE]                 whether a package is as it was signed, by this public key
  checks                                      list the checks; --list with hub or subscriber lists those of that run

Options from a file
  --config FILE           options as JSON, "presets" of them, and "waivers" with check, reason and expires
  --preset NAME           a set of options: ${Object.keys(PRESETS).join(', ')}, or of the file

Hub: which specification
  --spec LIST             of ${VERSIONS.join(', ')}; without it 3.0.0, and STU2 where the Hub claims webhooks
  --claim NAME            what the Hub does though its configuration does not say so; may be repeated:
                          get-current, content, select, non-current-updates, webhooks

Hub: access (without any of these it is tested as an open one)
  --token TEXT            access token; better in the environment: FHIRCAST_TOKEN
  --limited-token TEXT    a second one with the scope fhircast/Patient-open.read alone; FHIRCAST_LIMITED_TOKEN
  --token-seconds N       how long the token lives
  --other-token TEXT      a token of another client with the same scopes; FHIRCAST_OTHER_TOKEN
  --client-id ID          client credentials, with
    --client-secret TEXT    a secret (FHIRCAST_CLIENT_SECRET), or
    --client-key FILE       a private key as JWK (RSA: RS384, P-384: ES384)
    --token-url URL         the token endpoint, or
    --smart URL             the FHIR base URL whose smart-configuration names it
    --other-client-id ID    a second client, with --other-client-secret (FHIRCAST_OTHER_CLIENT_SECRET)
  --register URL          register as a client at the authorization server of this FHIR base URL (RFC 7591)
  --scope TEXT            scope to ask for

Hub: sessions (without any of these it is taken to accept every topic)
  --topic TOPIC           a session to use; may be repeated: scenarios run side by side in as many as there are
  --topic-command COMMAND prints a new topic
  --session-user USER     POST {hub.url}/session makes one for this user

Hub: conditions
  --insecure              accept self-signed certificates
  --slow FACTOR           multiply every waiting time
  --total SECONDS         longest time of the whole run; 300
  --concurrency N         scenarios side by side; 8
  --only ID, --except ID  checks to run, to leave out; may be repeated; an id may end in *
  --chapter TEXT          checks of a chapter such as 2.4, or of headings with a word; may be repeated
  --level LIST            of SHALL, SHOULD, MAY
  --safety                only what may leave somebody at the wrong patient
  --strict                safety warnings count as failures
  --assume NAME           take for granted, so that the rest is judged: ${ASSUMABLE.join(', ')}
  --callback-host, --callback-port, --callback-url   where the Hub reaches the suite, for webhooks

Hub: what outlasts a restart (not checked without one of these)
  --restart-command COMMAND   restarts the Hub, and ends with 0 once it runs again or is about to; run once, after the other checks
  --restart-by-hand       asks you to restart it

Subscriber
  --name TEXT             the application's name
  --spec LIST             of 3.0.0, IRA; 3.0.0
  --launch COMMAND        starts it, with FHIRCAST_HUB_URL, FHIRCAST_TOPIC and FHIRCAST_TOKEN; SIGTERM quits it.
                          Without it you start it yourself and answer questions
  --state-command COMMAND prints the id of the patient that it shows
  --alone                 ask nobody
  --steps                 stop at every check: run it, skip it, repeat it, or end
  --host, --port, --public-url   where the application reaches the played Hub
  --slow FACTOR, --only ID       as above

Reports
  --json FILE, --junit FILE, --html FILE, --test-report FILE, --badge FILE, --har FILE; - is the terminal
  --all                   keep every exchange, and show every check
  --quiet                 no progress
  --no-color

Exit codes: ${EXIT.conforms} nothing failed (diff: nothing got worse), ${EXIT.fails} something failed, ${EXIT.usage} wrong use, ${EXIT.unreachable} the run could not begin
`;
