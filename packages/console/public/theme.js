// Before anything is painted: the color scheme that the person chose, dark unless light was chosen.
(() => {
  try {
    const light = localStorage.getItem('lockstep-color-scheme') === 'light';
    if (light) document.documentElement.setAttribute('data-mantine-color-scheme', 'light');
  } catch {
    // Storage may be closed to pages; dark it is then.
  }
})();
