import DefaultTheme from 'vitepress/theme';
import type { App } from 'vue';
import VersionLink from './version-link.ts';

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }: { app: App }): void => {
    app.component('VersionLink', VersionLink);
  },
};
