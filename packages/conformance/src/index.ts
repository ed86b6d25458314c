export { certify, fingerprintOf, newSigningKey, type Verification, verifyPackage } from './certificate.ts';
export * from './check.ts';
export { type Configuration, readConfiguration, type WaiverRule, withWaivers } from './config.ts';
export * from './engine.ts';
export * from './expecting.ts';
export { HUB_CHECKS } from './hub/checks.ts';
export type { Diagnosis, Stage } from './preflight.ts';
export { renderBadge } from './report/badge.ts';
export { diffReports, type ReportDiff, renderDiff, type VerdictChange } from './report/diff.ts';
export { renderCurl, renderHar } from './report/har.ts';
export { renderHtml } from './report/html.ts';
export { readReport, renderJson } from './report/json.ts';
export { renderJunit } from './report/junit.ts';
export { type MatrixColumn, renderMatrix } from './report/matrix.ts';
export * from './report/report.ts';
export { renderProgress, renderTerminal } from './report/terminal.ts';
export { renderTestReport } from './report/test-report.ts';
export { REQUIREMENTS, type Requirement, requirement } from './requirements.ts';
export type { RestartHub } from './restart.ts';
export * from './specification.ts';
export * from './steps.ts';
export { type AppScenario, SUBSCRIBER_CHECKS, type SubscriberCheck } from './subscriber/checks.ts';
export {
  type Invitation,
  type RunningApp,
  runSubscriberConformance,
  type StepDecision,
  type SubscriberTesterOptions,
} from './subscriber/run.ts';
export type { PlayedCallbackOptions } from './target/callback-server.ts';
export type { Authorization } from './target/tokens.ts';
export type { TopicSource } from './target/topics.ts';
export type { WireExchange } from './transcript.ts';
