// Runs before the first paint, so that a dark screen never flashes white. A file of its own: the policy forbids inline scripts.
;(() => {
  let choice = 'system'
  try {
    choice = localStorage.getItem('parley.theme') || 'system'
  } catch {
    // Storage may be blocked; the system's wish then decides.
  }
  const dark = choice === 'dark' || (choice !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
})()
