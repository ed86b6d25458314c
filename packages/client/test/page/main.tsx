// What a web app does: connect from its address, show the state and the patient, follow.
import { createRoot } from 'react-dom/client';
import { MessageRecorder } from '../../src/devtools.ts';
import { Subscriber } from '../../src/index.ts';
import { fromUrl } from '../../src/launch.ts';
import { useContent, useCurrentContext, useFollow, useHubEvent, useSyncState } from '../../src/react.ts';
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

/** A subscriber that tells an event whenever the test wants one. */
class Told {
  readonly handlers = new Set<() => void>();
  on(_name: string, handler: () => void): () => void {
    return this.#add(handler);
  }
  follow(follower: () => void): () => void {
    return this.#add(follower);
  }
  #add(handler: () => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }
}

function Drawn({ told, as, heard }: { told: Subscriber; as: string; heard: string[] }) {
  useHubEvent(told, 'Patient-open', () => void heard.push(`event: ${as}`));
  useFollow(told, () => void heard.push(`follow: ${as}`));
  return <p>{as}</p>;
}

/** Draws a component twice, and tells an event as soon as each drawing is on the page. @returns which handlers ran */
async function heardWhenDrawn(): Promise<readonly string[]> {
  const told = new Told();
  const heard: string[] = [];
  const place = document.createElement('div');
  const drawing = createRoot(place);
  for (const as of ['first', 'second']) {
    const drawn = new Promise<void>((resolve) => {
      // It is called at the end of the task that changed the page.
      const observer = new MutationObserver(() => {
        for (const handler of told.handlers) handler();
        observer.disconnect();
        resolve();
      });
      observer.observe(place, { childList: true, characterData: true, subtree: true });
    });
    drawing.render(<Drawn told={told as unknown as Subscriber} as={as} heard={heard} />);
    await drawn;
  }
  drawing.unmount();
  return [...heard, `${told.handlers.size} left`];
}

Object.assign(window, { heardWhenDrawn });
