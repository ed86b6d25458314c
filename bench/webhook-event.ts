/** A `Patient-open` of about 0.9 KB, as JSON: what webhooks are measured with. */
export function event(topic: string, id: string): string {
  const patient = {
    resourceType: 'Patient',
    id: 'p1',
    identifier: [{ system: 'urn:mrn', value: '185444' }],
    name: [{ use: 'official', family: 'Schreiber', given: ['Katrin', 'Maria'] }],
    birthDate: '1961-04-12',
    text: { status: 'generated', div: `<div>${'x'.repeat(480)}</div>` },
  };
  return JSON.stringify({
    timestamp: new Date().toISOString(),
    id,
    event: { 'hub.topic': topic, 'hub.event': 'Patient-open', context: [{ key: 'patient', resource: patient }] },
  });
}
