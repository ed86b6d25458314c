export {
  bearerCredentials,
  ClientCredentials,
  type ClientCredentialsOptions,
  type Credentials,
  NO_CREDENTIALS,
} from './credentials.ts';
export { createGateway, type GatewayOptions } from './gateway.ts';
export { canEverOpenBehind } from './rights.ts';
export { Upstream, type UpstreamOptions } from './upstream.ts';
