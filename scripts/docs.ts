/** npm run docs: writes the pages of docs/ that are made from the sources. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { cliPage } from '../packages/server/src/cli/cli-page.ts';
import { COMMANDS } from '../packages/server/src/cli/commands.ts';
import { type ApiSource, apiPage } from './api-page.ts';
import { rulesPage } from './rules-page.ts';

const root = dirname(import.meta.dirname);

/** Packages with a reference: title, what it is, and what programs import. */
const APIS = [
  {
    name: 'client',
    title: 'Client library',
    introduction: 'How it is used: [Make your app follow](../make-your-app-follow.md).',
    entries: {
      '@lockstep/client': 'index',
      '@lockstep/client/launch': 'launch',
      '@lockstep/client/status': 'status',
      '@lockstep/client/react': 'react',
      '@lockstep/client/unsaved': 'unsaved',
      '@lockstep/client/dpop': 'dpop',
      '@lockstep/client/testing': 'testing',
      '@lockstep/client/devtools': 'devtools',
    },
  },
  {
    name: 'fhircast',
    title: 'FHIRcast protocol',
    introduction:
      'Types, event catalog, scopes, launches and checks; runs in browsers and in Node, and imports nothing.',
    entries: { '@lockstep/fhircast': 'index' },
  },
  {
    name: 'hub',
    title: 'Hub engine',
    introduction:
      'The Hub without a server around it: sockets, stores, callbacks and time come in through the ports. The server of this ' +
      'repository is one embedding; its other interface is [HTTP](http.md).',
    entries: { '@lockstep/hub': 'index' },
  },
  {
    name: 'store',
    title: 'Store ports',
    introduction:
      'What a store must do. A store of another kind is one when the tests of `@lockstep/store/contract` pass against it.',
    entries: { '@lockstep/store': 'index', '@lockstep/store/contract': 'contract' },
  },
  {
    name: 'conformance',
    title: 'Conformance suite',
    introduction: 'The suite as a library; the command is in [Conformance](../conformance.md).',
    entries: { '@lockstep/conformance': 'index' },
  },
] as const;

/** The compiler's declarations of a package's modules. */
function compile(name: string, target: string): void {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const folder = join(root, 'packages', name);
  const project = join(target, 'tsconfig.json');
  const options = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      lib: ['esnext', 'dom', 'dom.iterable', 'dom.asynciterable'],
      types: ['node'],
      typeRoots: [join(root, 'node_modules', '@types')],
      jsx: 'react-jsx',
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      rootDir: join(folder, 'src'),
      outDir: join(target, 'out'),
      paths: { [`@lockstep/${name}`]: [join(folder, 'src', 'index.ts')] },
    },
    include: [join(folder, 'src')],
    exclude: [join(folder, 'src', '**', '*.test.ts')],
  };
  writeFileSync(project, JSON.stringify(options));
  const done = spawnSync(process.execPath, [compiler, '-p', project], { cwd: root, encoding: 'utf8' });
  // Other packages' sources are outside this rootDir, which hinders nothing that is read here.
  if (done.error) throw done.error;
}

/** The pages by their path below the repository. */
export function pages(): ReadonlyMap<string, string> {
  const made = new Map([['docs/cli.md', cliPage(COMMANDS)]]);
  const target = mkdtempSync(join(tmpdir(), 'lockstep-docs-'));
  try {
    for (const { name, title, introduction, entries } of APIS) {
      const folder = join(target, name);
      mkdirSync(folder);
      compile(name, folder);
      const sources = Object.entries(entries).map(([specifier, module]): ApiSource => {
        const entry = readFileSync(join(root, 'packages', name, 'src', `${module}.ts`), 'utf8');
        const declarationsOf = (one: string): string => readFileSync(join(folder, 'out', `${one}.d.ts`), 'utf8');
        return { specifier, module, entry, declarationsOf };
      });
      made.set(`docs/api/${name}.md`, apiPage(title, introduction, sources));
    }
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
  return made;
}

if (import.meta.main) {
  for (const [path, text] of [...pages(), ['docs/rules.md', rulesPage(root)] as const]) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    console.log(`wrote ${path}`);
  }
}
