import type { App } from '../api.ts';
import { appWords } from '../language/app-words.ts';
import styles from './icon.module.css';

/** Pages of other origins are never asked for anything: an app's picture shows only when it is of ours. */
function ownLogo(logo: string | undefined): string | undefined {
  if (logo === undefined) return undefined;
  if (/^data:image\/(png|jpeg|gif|webp|svg\+xml)[;,]/.test(logo)) return logo;
  const url = URL.parse(logo, location.origin);
  return url?.origin === location.origin ? url.href : undefined;
}

/** The app's picture, else its first letter. */
export function AppIcon({ app, size }: { app: Pick<App, 'name' | 'logo'>; size: number }) {
  const logo = ownLogo(app.logo);
  if (logo) return <img className={styles.icon} src={logo} alt="" width={size} height={size} />;
  return (
    <svg className={styles.icon} viewBox="0 0 48 48" width={size} height={size} aria-hidden="true">
      <rect width="48" height="48" rx="10" />
      <text x="24" y="32" textAnchor="middle">
        {[...appWords(app.name)][0]?.toUpperCase() ?? '?'}
      </text>
    </svg>
  );
}
