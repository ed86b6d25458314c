export { type Config, ConfigError, readConfig } from './config.ts';
export { type Lockstep, startLockstep } from './lockstep.ts';
