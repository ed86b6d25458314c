// Loaded before each test file. Node's test runner follows every promise by async_hooks, to know which test an error belongs to: about
// a tenth of the CPU of a test that sends many requests to a server. AsyncLocalStorage knows it too, and costs next to nothing.
// Tests also work without this file (`node --test FILE`), and take a little longer.
import { createRequire } from 'node:module';

// The runner takes what it needs from the module's own object, when it is first loaded.
const hooks = createRequire(import.meta.url)('node:async_hooks');
const { AsyncLocalStorage, AsyncResource, createHook, executionAsyncId } = hooks;

const current = new AsyncLocalStorage();
let callbacks = {};
let isEnabled = false;

/** What tests are made of: says that it is there, and is the one that everything belongs to that it starts. */
class TestResource extends AsyncResource {
  constructor(type, options) {
    super(type, options);
    if (isEnabled) callbacks.init(this.asyncId(), type, this.triggerAsyncId(), this);
  }

  runInAsyncScope(run, self, ...args) {
    const inside = (...given) => current.run(this.asyncId(), () => Reflect.apply(run, self, given));
    return super.runInAsyncScope(inside, undefined, ...args);
  }
}

Object.assign(hooks, {
  AsyncResource: TestResource,
  executionAsyncId: () => current.getStore() ?? executionAsyncId(),
  createHook: (given) => {
    callbacks = given;
    const hook = {
      enable: () => {
        isEnabled = true;
        return hook;
      },
      disable: () => {
        isEnabled = false;
        return hook;
      },
    };
    return hook;
  },
});
await import('node:test');
Object.assign(hooks, { AsyncResource, createHook, executionAsyncId });
