/** What somebody chose, before anything is drawn: modules run later. core/preferences.js has the choices. */
{
  const kept = (/** @type {string} */ name) => {
    try {
      return localStorage.getItem(`parterre.${name}`);
    } catch {
      return null; // storage may be forbidden
    }
  };
  const root = document.documentElement;
  const theme = kept("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  const language = kept("language");
  const isNepali = language ? language === "ne" : navigator.languages?.some((tag) => /^ne\b/i.test(tag));
  if (isNepali) {
    root.lang = "ne";
    const { src, dataset } = /** @type {HTMLScriptElement} */ (document.currentScript);
    for (const name of ["core", dataset.area]) {
      const href = new URL(`../lang/ne/${name}.js`, src).href;
      document.head.append(Object.assign(document.createElement("link"), { rel: "modulepreload", href }));
    }
  }
}
