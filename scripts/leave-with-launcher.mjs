// Loaded into what scripts/bootstrap.mjs starts: ends it, as SIGTERM does, when the command that started it is gone.
import process from 'node:process';

process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
