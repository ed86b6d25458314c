// Loaded before a node: the clock of its machine is wrong by as many hours as TEST_CLOCK_HOURS says.
import process from 'node:process';

const Real = Date;
const shift = Number(process.env.TEST_CLOCK_HOURS) * 3_600_000;

globalThis.Date = class extends Real {
  constructor(...args) {
    super(...(args.length === 0 ? [Real.now() + shift] : args));
  }

  static now() {
    return Real.now() + shift;
  }
};
