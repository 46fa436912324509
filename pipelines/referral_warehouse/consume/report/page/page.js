"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const choice = document.getElementById("scope");
  const theme = document.getElementById("theme");
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Set();

  // The interpreter evaluates expressions of a chart without eval, which the policy of this page forbids.
  const options = { mode: "vega-lite", actions: false, ast: true, defaultStyle: false, hover: false, renderer: "svg", tooltip: { theme: "custom" }, logLevel: 1 };

  async function draw(scope) {
    for (const [id, chart] of Object.entries(data.charts)) {
      if (chart.scope !== scope || drawn.has(id)) continue;
      drawn.add(id);
      const spec = { ...data.specs[chart.spec], height: chart.height, data: { values: chart.rows } };
      const place = document.getElementById(id);
      await vegaEmbed(place, spec, options);
      // Screen readers use the role and label of the place, not the parts of the drawing.
      for (const child of place.children) child.setAttribute("aria-hidden", "true");
    }
    root.dataset.drawn = scope;
  }

  function show(scope) {
    for (const part of document.querySelectorAll("[data-scope]")) part.hidden = part.dataset.scope !== scope;
    if (choice) choice.value = scope;
    return draw(scope);
  }

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches;
  }

  function label() {
    theme.setAttribute("aria-pressed", String(isDark()));
  }

  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    label();
  });
  prefersDark.addEventListener("change", label);
  label();

  function age(seconds) {
    const [size, unit] = seconds < 5400 ? [60, "minute"] : seconds < 129600 ? [3600, "hour"] : [86400, "day"];
    const count = Math.round(seconds / size);
    return `${count.toLocaleString("en")} ${unit}${count === 1 ? "" : "s"} old now`;
  }

  const opened = document.getElementById("age");
  const seconds = opened && (Date.now() - Date.parse(opened.dataset.at)) / 1000;
  if (opened && seconds >= 0) opened.textContent = age(seconds);

  // A link to a table's definition opens it.
  function reveal() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const part = target && target.closest("[data-scope]");
    if (target && target.tagName === "DETAILS") target.open = true;
    if (part && part.hidden) show(part.dataset.scope);
  }
  addEventListener("hashchange", reveal);

  if (choice) choice.addEventListener("change", () => show(choice.value));
  show(document.querySelector("[data-scope]").dataset.scope).then(reveal);
})();
