/** What somebody chose, before anything is drawn: modules run later. */
{
  const kept = (/** @type {string} */ name) => {
    try {
      return localStorage.getItem(`parterre.${name}`);
    } catch {
      return null;
    }
  };
  const { documentElement: root, head } = document;
  const theme = kept("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  const language = kept("language");
  if (language === "ne" || (language !== "en" && navigator.languages?.some((tag) => /^ne\b/i.test(tag)))) {
    root.lang = "ne";
    const { src, dataset } = /** @type {HTMLScriptElement} */ (document.currentScript);
    for (const name of ["core", dataset.area]) {
      const href = new URL(`../lang/ne/${name}.js`, src).href;
      head.append(Object.assign(document.createElement("link"), { rel: "modulepreload", href }));
    }
  }
}
