// What a web app does: connect from its address, show the state and the patient, follow.
import { createRoot } from 'react-dom/client';
import { MessageRecorder } from '../../src/devtools.ts';
import { Subscriber } from '../../src/index.ts';
import { fromUrl } from '../../src/launch.ts';
import { useContent, useCurrentContext, useFollow, useSyncState } from '../../src/react.ts';
import '../../src/status.ts';

const recorder = new MessageRecorder();
const subscriber = new Subscriber({
  ...fromUrl(location),
  token: 'token',
  name: 'Page',
  events: ['Patient-open', 'DiagnosticReport-open', 'DiagnosticReport-update'],
  ports: { WebSocket: recorder.WebSocket },
});

function App() {
  const state = useSyncState(subscriber);
  const context = useCurrentContext(subscriber);
  const content = useContent(subscriber);
  useFollow(subscriber, (now) => (now?.id === 'unwanted' ? false : undefined));
  return (
    <main>
      <output id="state">{state.status}</output>
      <output id="context">{context ? `${context.type}/${context.id}` : 'nothing'}</output>
      <output id="content">{content ? [...content.keys()].join() : 'unknown'}</output>
    </main>
  );
}

const status = document.createElement('lockstep-status');
document.body.append(status);
status.subscriber = subscriber;
const devtools = document.createElement('lockstep-devtools');
document.body.append(devtools);
Object.assign(devtools, { subscriber, recorder });
const root = document.createElement('div');
document.body.append(root);
createRoot(root).render(<App />);
void subscriber.connect();
