/** Everything for a page without a bundler: published as one file, for `<script type="module">`. */
export * from './index.ts';
export * from './launch.ts';
export * from './status.ts';
export * from './unsaved.ts';
