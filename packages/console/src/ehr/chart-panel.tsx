/** Where a chart is drawn. It is a large part of the console: it is loaded with the first patient, before they are shown. */
import type { ComponentProps } from 'react';

type ChartModule = typeof import('./chart.tsx');

let loaded: ChartModule | undefined;

/** After this a chart is drawn at once. @throws TypeError when the server does not answer */
export async function loadChart(): Promise<void> {
  loaded ??= await import('./chart.tsx');
}

/** Draws nothing until `loadChart` is done. */
export function ChartPanel(props: ComponentProps<ChartModule['ChartView']>) {
  return loaded ? <loaded.ChartView {...props} /> : null;
}
