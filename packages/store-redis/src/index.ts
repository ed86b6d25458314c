export { parseRedisUrl, type RedisAddress } from './address.ts';
export { openRedis, type RedisOptions, type RedisStore } from './open.ts';
