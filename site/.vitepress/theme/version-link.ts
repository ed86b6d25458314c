import { defineComponent, h } from 'vue';
import './version-link.css';

/**
 * An entry of the menu of versions. VitePress's own links stay below the path of one version: this one leads to the pages of another, which
 * are another site to it (hence `target`, which has the browser load it).
 */
export default defineComponent({
  props: {
    name: { type: String, required: true },
    address: { type: String, required: true },
    shown: { type: Boolean, required: true },
  },
  setup: (props) => () =>
    h(
      'a',
      {
        class: 'version-link',
        href: props.address,
        target: '_self',
        'aria-current': props.shown ? 'true' : undefined,
      },
      props.name,
    ),
});
