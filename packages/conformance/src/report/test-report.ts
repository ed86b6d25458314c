import { conforms, type Report, type Verdict } from './report.ts';

const RESULT: Readonly<Record<Verdict, 'pass' | 'fail' | 'warning' | 'skip'>> = {
  pass: 'pass',
  fail: 'fail',
  warning: 'warning',
  skip: 'skip',
};

/** The report as a FHIR R4 TestReport. */
export function renderTestReport(report: Report): object {
  const judged = report.results.length - report.counts.skip;
  return {
    resourceType: 'TestReport',
    name: `FHIRcast ${report.versions.join(', ')} conformance`,
    status: 'completed',
    testScript: { display: `FHIRcast conformance suite, ${report.format}` },
    result: conforms(report) ? 'pass' : 'fail',
    score: judged === 0 ? 0 : Math.round((report.counts.pass / judged) * 10_000) / 100,
    issued: report.startedAt,
    participant: [
      { type: 'test-engine', uri: 'urn:fhircast:conformance', display: 'FHIRcast conformance suite' },
      {
        type: report.target.kind === 'hub' ? 'server' : 'client',
        uri:
          report.target.kind === 'hub'
            ? report.target.name
            : `urn:x-application:${encodeURIComponent(report.target.name)}`,
        display: report.target.name,
      },
    ],
    test: report.results.map((result) => ({
      name: result.id,
      description: `${result.title} (${result.level}, ${result.requirement.section})`,
      action: [
        {
          assert: {
            result: RESULT[result.verdict],
            message: result.reason ?? result.title,
            detail: result.requirement.link,
          },
        },
      ],
    })),
  };
}
