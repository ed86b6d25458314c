import process from 'node:process';
import { defineConfig } from 'vitepress';

/** The version that these pages are of, and all that the site has, as scripts/site.mjs says. */
const { name, versions }: { name: string; versions: readonly { name: string; address: string }[] } = JSON.parse(
  process.env.SITE_VERSIONS ?? '{"name": "next", "versions": []}',
);

/** The documentation site: pages of docs/, by who reads them. Links that lead nowhere fail the build. */
export default defineConfig({
  title: 'Lockstep',
  description: 'FHIRcast Hub and SMART App Launch server',
  srcDir: '../docs',
  outDir: 'dist',
  cacheDir: '.cache',
  cleanUrls: true,
  lastUpdated: false,
  vite: {
    build: { chunkSizeWarningLimit: 2000 },
    // The pages lie outside this folder, so what they are compiled to would not find vue.
    resolve: {
      alias: [{ find: /^vue(\/server-renderer)?$/, replacement: `${import.meta.dirname}/../node_modules/vue$1` }],
    },
    // The root's tsconfig.json is for Node.
    esbuild: { tsconfigRaw: {} },
  },
  // What is written as `<name>` in the pages is text, not a component.
  markdown: { html: false },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Start', link: '/' },
      { text: 'Tutorials', link: '/tutorials/app-developer' },
      { text: 'Guides', link: '/make-your-app-follow' },
      { text: 'Reference', link: '/api/http' },
      { text: 'Explanation', link: '/architecture' },
      {
        text: name,
        items: [
          ...versions.map((one) => ({ component: 'VersionLink', props: { ...one, shown: one.name === name } })),
          { text: 'Changes of each version', link: '/changelog' },
          { text: 'From one version to the next', link: '/upgrade' },
        ],
      },
    ],
    sidebar: [
      {
        text: 'For the developer of an app',
        items: [
          { text: 'Tutorial: an app that follows', link: '/tutorials/app-developer' },
          { text: 'Make your app follow', link: '/make-your-app-follow' },
          { text: 'Launch without SMART', link: '/launch-without-smart' },
          { text: 'Programs that cannot be changed', link: '/programs-that-cannot-be-changed' },
          { text: 'Client library', link: '/api/client' },
        ],
      },
      {
        text: 'For the vendor of an EHR',
        items: [
          { text: 'Tutorial: an EHR that leads', link: '/tutorials/ehr-vendor' },
          { text: 'Your EHR drives the session', link: '/ehr-drives-the-session' },
          { text: 'HTTP reference', link: '/api/http' },
          { text: 'Compatibility', link: '/compatibility' },
          { text: 'Group sessions', link: '/group-sessions' },
        ],
      },
      {
        text: 'For the operator',
        items: [
          { text: 'Tutorial: run Lockstep', link: '/tutorials/operator' },
          { text: 'Sign-in elsewhere', link: '/sign-in-elsewhere' },
          { text: 'Trusted issuers', link: '/trusted-issuers' },
          { text: 'In front of a FHIR server', link: '/gateway' },
          { text: 'Durability', link: '/durability' },
          { text: 'Privacy', link: '/privacy' },
          { text: 'Audit trail', link: '/audit' },
          { text: 'Packages', link: '/packages' },
          { text: 'Upgrade', link: '/upgrade' },
          { text: 'Runbooks', link: '/runbooks' },
          { text: 'Hazards', link: '/safety/hazards' },
          { text: 'Threat model', link: '/security/threat-model' },
          { text: 'ASVS 5.0', link: '/security/asvs' },
          { text: 'Tried with other programs', link: '/interop' },
          { text: 'The lockstep command', link: '/cli' },
          { text: 'Benchmarks', link: '/benchmarks' },
        ],
      },
      {
        text: 'For the tester of a Hub',
        items: [
          { text: 'Tutorial: test a Hub', link: '/tutorials/conformance-tester' },
          { text: 'Conformance suite', link: '/conformance' },
          { text: 'Suite as a library', link: '/api/conformance' },
        ],
      },
      {
        text: 'For who changes Lockstep',
        items: [
          { text: 'Architecture', link: '/architecture' },
          { text: 'Glossary', link: '/glossary' },
          { text: 'Rules and their tests', link: '/rules' },
          { text: 'Protocol', link: '/api/fhircast' },
          { text: 'Hub engine', link: '/api/hub' },
          { text: 'Store ports', link: '/api/store' },
          { text: 'Dependencies', link: '/decisions/dependencies' },
        ],
      },
    ],
  },
});
