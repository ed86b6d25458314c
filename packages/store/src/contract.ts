/** The tests that every store passes, whatever it is built on. Each store's own tests call them with an opener. */
export { recordStoreContract } from './record-contract.ts';
export { sessionStoreContract } from './session-contract.ts';
export type { OpenStore, StoreUnderTest } from './under-test.ts';
