/** Where a chart is drawn. It is a large part of the console: it is loaded with the first patient, before they are shown. */
import type { ComponentProps, ComponentType } from 'react';

type ChartProps = ComponentProps<typeof import('./chart.tsx').ChartView>;

let Loaded: ComponentType<ChartProps> | undefined;

/** After this a chart is drawn at once. @throws TypeError when the server does not answer */
export async function loadChart(): Promise<void> {
  if (Loaded) return;
  const [{ ChartView }, { withQueries }] = await Promise.all([import('./chart.tsx'), import('../ui/queries.tsx')]);
  Loaded = withQueries(ChartView);
}

/** Draws nothing until `loadChart` is done. */
export function ChartPanel(props: ChartProps) {
  return Loaded ? <Loaded {...props} /> : null;
}
