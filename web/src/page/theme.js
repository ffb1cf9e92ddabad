// Applies the stored look before the first paint. A file of its own, because the page's policy
// allows no inline script. src/ui/look.ts writes what is read here.
;(function () {
  var look = {}
  try {
    look = JSON.parse(localStorage.getItem('chinwag.look') || '{}') || {}
  } catch {
    // A blocked or broken storage means the default look.
  }
  var dark = matchMedia('(prefers-color-scheme: dark)').matches
  var root = document.documentElement
  root.dataset.theme =
    look.theme === 'dark' || look.theme === 'light' ? look.theme : dark ? 'dark' : 'light'
  if (look.you) root.dataset.you = look.you
  if (look.text) root.style.setProperty('--text', look.text + 'px')
})()
