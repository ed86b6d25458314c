/** The commands that test something. */
import { runConformance, selectChecks } from '../engine.ts';
import { VERSIONS } from '../specification.ts';
import { runSubscriberConformance, type SubscriberTesterOptions } from '../subscriber/run.ts';
import { given, listOf, needed, number, type SuiteSettings, type SuiteValues, UsageError } from './arguments.ts';
import { finish } from './finish.ts';
import { hubOptions } from './hub-options.ts';
import { list, ON_HUBS } from './listing.ts';
import { progress, type SuiteTerminal } from './terminal.ts';

/** Lets a person at the terminal decide about every check. */
function stepping(choose: NonNullable<SuiteTerminal['choose']>): NonNullable<SubscriberTesterOptions['step']> {
  let ended = false;
  return async ({ id, title }, found) => {
    if (ended) return 'stop';
    const words = found ? ['next', 'repeat', 'end'] : ['go', 'skip', 'end'];
    const head = found ? `${id}: ${found.verdict}${found.seen ? `, seen: ${found.seen}` : ''}` : `${id}: ${title}`;
    const word = await choose(head, words);
    ended = word === 'end';
    if (ended) return 'stop';
    return word === 'repeat' || word === 'skip' ? word : 'go';
  };
}

export async function testSubscriber(
  values: SuiteValues,
  terminal: SuiteTerminal,
  settings: SuiteSettings,
): Promise<number> {
  const ask = values.alone ? undefined : terminal.ask;
  if (values.launch === undefined && !ask) {
    throw new UsageError('subscriber needs --launch, or a person at a terminal who starts the application');
  }
  if (values.steps && !terminal.choose) throw new UsageError('--steps needs a person at a terminal');
  const report = await runSubscriberConformance(
    {
      name: values.name ?? 'application',
      hub: given({ host: values.host, port: number(values, 'port'), publicUrl: values['public-url'] }),
      ...given({
        versions: listOf('spec', values.spec?.split(','), ['3.0.0', 'IRA'] as const),
        launch: values.launch,
        stateCommand: values['state-command'],
        ask,
        slowness: number(values, 'slow'),
        only: values.only,
        exchanges: values.all ? ('all' as const) : undefined,
        step: values.steps && terminal.choose ? stepping(terminal.choose) : undefined,
        // A person takes longer than a program.
        startMs: values.launch === undefined ? 600_000 : undefined,
      }),
    },
    progress(values, terminal),
  );
  return finish(report, values, terminal, settings);
}

export async function testHub(
  url: string | undefined,
  values: SuiteValues,
  terminal: SuiteTerminal,
  settings: SuiteSettings,
): Promise<number> {
  const options = hubOptions(url ?? 'http://localhost', values, terminal);
  if (values.list) {
    const chosen = new Set(selectChecks(options.versions ?? VERSIONS, options).map(({ id }) => id));
    return list(
      ON_HUBS.filter(({ id }) => chosen.has(id)),
      values,
      terminal,
    );
  }
  needed(url, 'hub needs the URL of the Hub');
  return finish(await runConformance(options, progress(values, terminal)), values, terminal, settings);
}
