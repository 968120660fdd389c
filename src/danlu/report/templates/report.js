// The page's script: the reader's language and theme, charts, samples, and the live view.
// Texts reach the page only as text: nothing from a run is ever parsed as HTML here, except the
// panels of a live update, which the server has escaped as it does in the page itself.
"use strict";
(() => {
  const page = JSON.parse(document.getElementById("danlu-data").textContent);
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const REFRESH_MS = 10000;

  // What the reader chose stays, also across reloads; private windows may refuse to remember.
  const memory = {
    get: (key) => { try { return localStorage.getItem("danlu." + key); } catch { return null; } },
    set: (key, value) => { try { localStorage.setItem("danlu." + key, value); } catch { /* fine */ } },
  };
  const darkSystem = matchMedia("(prefers-color-scheme: dark)");
  const wanted = new URLSearchParams(location.search).get("lang");
  const state = {
    language: [wanted, memory.get("language")].find((l) => page.strings[l])
      || (navigator.language.startsWith("zh") ? "zh" : "en"),
    theme: memory.get("theme"),
    axis: memory.get("axis") || "step",
    scale: memory.get("scale") || "linear",
    printing: false,
  };

  // ---- numbers and texts ----
  const locale = () => (state.language === "zh" ? "zh-CN" : "en-US");
  const intl = (value, options) => new Intl.NumberFormat(locale(), options).format(value);
  const fixed = (digits) => (value) =>
    intl(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const unit = (value, name, digits) =>
    intl(value, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits });
  const UNITS = [[1e12, "terabyte"], [1e9, "gigabyte"], [1e6, "megabyte"], [1e3, "kilobyte"]];
  const SPANS = [[3600, "hour"], [60, "minute"]];
  const FORMS = {
    int: fixed(0), f1: fixed(1), f2: fixed(2), f3: fixed(3), f4: fixed(4),
    g3: (v) => intl(v, { maximumSignificantDigits: 3 }),
    pct: (v) => {
      const digits = v && Math.abs(v) < 0.01 ? 2 : 1;
      return intl(v, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
    },
    diff: (v) => intl(v, {
      style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1, signDisplay: "exceptZero",
    }),
    count: (v) => intl(v, { notation: "compact", maximumSignificantDigits: 3 }),
    bytes: (v) => {
      const [bound, name] = UNITS.find(([least]) => v >= least) || [1, "byte"];
      return unit(v / bound, name, 1);
    },
    span: (v) => {
      const [bound, name] = SPANS.find(([least]) => v >= 1.5 * least) || [1, "second"];
      return unit(v / bound, name, bound === 1 ? 0 : 1);
    },
    date: (v) => new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" })
      .format(new Date(v * 1000)),
  };

  function say(key, values = {}) {
    const table = page.strings[state.language];
    return (table[key] ?? key).replace(/\{(\w+)(?:\|(\w+))?\}/g, (_, name, form) => {
      const value = values[name];
      if (value === null || value === undefined) return "–";
      if (form && typeof value === "number") return FORMS[form](value);
      const reference = /^@t\.([\w.]+)$/.exec(value);
      return (reference && table[reference[1]]) || String(value);
    });
  }

  function translate(within = document) {
    for (const element of all("[data-t]", within)) {
      const text = say(element.dataset.t, JSON.parse(element.dataset.v || "{}"));
      if (element.dataset.a) element.setAttribute(element.dataset.a, text);
      else element.textContent = text;
    }
    for (const element of all("[data-n]", within)) {
      element.textContent = FORMS[element.dataset.f](Number(element.dataset.n));
    }
  }

  // ---- charts ----
  const theme = () => {
    if (state.printing) return "light";
    return state.theme || (darkSystem.matches ? "dark" : "light");
  };

  function resolve(value) {
    if (Array.isArray(value)) return value.map(resolve);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolve(inner)]));
    }
    if (typeof value !== "string") return value;
    const path = value.replaceAll("{x}", state.axis);
    if (/^@d\.[\w.]+$/.test(path)) {
      return path.slice(3).split(".").reduce((at, part) => at?.[part], page.report);
    }
    return path.replace(/@([tc])\.([\w.]+)/g, (whole, kind, key) =>
      (kind === "t" ? page.strings[state.language] : page.palettes[theme()])[key] ?? whole);
  }

  const narrow = () => innerWidth < 640;

  function draw(element) {
    const name = element.dataset.figure;
    const template = page.figures[name];
    if (!template || typeof Plotly === "undefined") return;
    const { data, layout } = resolve(template);
    layout.font.family = getComputedStyle(document.body).fontFamily;
    layout.uirevision = state.axis + state.scale;
    layout.dragmode = narrow() ? false : "zoom";
    layout.autosize = true;
    if (name.startsWith("loss-")) {
      layout.yaxis.type = state.scale;
      if (narrow()) {
        Object.assign(layout, { height: 340 }).margin.r = 8;
        layout.yaxis.title.text = "";
        for (const names of data.filter((trace) => trace.meta === "names")) names.visible = false;
      }
    }
    const bars = ["lengths", "sizes"].includes(name);
    if (bars && narrow()) layout.xaxis.tickangle = -45;
    Plotly.react(element, data, layout, { displayModeBar: false });
    sizes.observe(element);
    if (!element.dataset.linked && !bars) {
      element.dataset.linked = "yes";
      element.on("plotly_relayout", (change) => zoom(element, change));
    }
  }

  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.clientWidth && target._fullLayout?.width !== target.clientWidth) Plotly.Plots.resize(target);
    }
  });
  const drawAll = () => all("[data-figure]").forEach(draw);

  // One zoom for all charts of a run, since they share the horizontal axis.
  let zooming = false;
  function zoom(source, change) {
    const keys = ["xaxis.range", "xaxis.range[0]", "xaxis.range[1]", "xaxis.autorange"];
    const range = Object.fromEntries(keys.filter((k) => k in change).map((k) => [k, change[k]]));
    if (zooming || !Object.keys(range).length) return;
    zooming = true;
    const run = source.dataset.figure.split("-").pop();
    const others = all(`[data-figure$="-${run}"]`).filter((e) => e !== source && e.layout);
    Promise.all(others.map((e) => Plotly.relayout(e, range))).finally(() => { zooming = false; });
  }

  // ---- what the reader can do ----
  function showTheme() {
    if (state.theme) root.dataset.theme = state.theme;
    else delete root.dataset.theme;
    drawAll();
  }

  function showLanguage() {
    root.lang = state.language === "zh" ? "zh-CN" : "en";
    translate();
    all("[data-timeline]").forEach(showMoment);
    drawAll();
  }

  function showChoices() {
    for (const group of all("[data-choice]")) {
      const chosen = state[group.dataset.choice];
      for (const button of all("button", group)) {
        button.setAttribute("aria-pressed", String(button.dataset.value === chosen));
        if (group.dataset.choice === "axis") button.hidden = !hasAxis(button.dataset.value);
      }
    }
  }

  const hasAxis = (axis) => page.report.runs.every((run) =>
    Object.values(run.series).every((series) => series[axis]));

  function choose(group, value) {
    state[group] = value;
    memory.set(group, value);
    showChoices();
    drawAll();
  }

  async function copy(button) {
    const text = button.parentElement.querySelector("pre").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const label = button.querySelector("[data-t]");
    label.textContent = say("page.copied");
    setTimeout(() => { label.textContent = say("page.copy"); }, 1600);
  }

  function showMoment(timeline) {
    const moments = all("[data-step]", timeline);
    const slider = timeline.querySelector("input");
    const at = slider ? Number(slider.value) : moments.length - 1;
    moments.forEach((moment, index) => { moment.hidden = index !== at; });
    if (!slider) return;
    const text = say("samples.step", { step: Number(moments[at].dataset.step) });
    timeline.querySelector("output").textContent = text;
    slider.setAttribute("aria-valuetext", text);
    slider.style.setProperty("--at", `${(100 * at) / Math.max(1, moments.length - 1)}%`);
  }

  let playing = null;
  function play(button) {
    const timeline = button.closest("[data-timeline]");
    const slider = timeline.querySelector("input");
    const stop = () => {
      clearInterval(playing);
      playing = null;
      button.setAttribute("aria-pressed", "false");
    };
    if (playing) return stop();
    if (slider.value === slider.max) slider.value = 0;
    showMoment(timeline);
    button.setAttribute("aria-pressed", "true");
    playing = setInterval(() => {
      if (!timeline.isConnected || slider.value === slider.max) return stop();
      slider.value = Number(slider.value) + 1;
      showMoment(timeline);
    }, 900);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.id === "theme") {
      state.theme = theme() === "dark" ? "light" : "dark";
      memory.set("theme", state.theme);
      showTheme();
    } else if (button.id === "language") {
      state.language = state.language === "zh" ? "en" : "zh";
      memory.set("language", state.language);
      showLanguage();
    } else if ("copy" in button.dataset) {
      copy(button);
    } else if ("play" in button.dataset) {
      play(button);
    } else if (button.dataset.value) {
      choose(button.parentElement.dataset.choice, button.dataset.value);
    }
  });
  document.addEventListener("input", (event) => {
    const timeline = event.target.closest("[data-timeline]");
    if (timeline) showMoment(timeline);
  });
  darkSystem.addEventListener("change", drawAll);
  addEventListener("beforeprint", () => {
    state.printing = true;
    root.dataset.theme = "light";
    all("details:not([open])").forEach((fold) => { fold.open = true; fold.dataset.printed = ""; });
    drawAll();
  });
  addEventListener("afterprint", () => {
    state.printing = false;
    all("details[data-printed]").forEach((fold) => { fold.open = false; delete fold.dataset.printed; });
    showTheme();
  });
  let wasNarrow = narrow();
  addEventListener("resize", () => {
    if (wasNarrow !== narrow()) drawAll();
    wasNarrow = narrow();
  });

  // The part of the page that is being read is marked in the list of contents.
  const reading = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((e) => e.isIntersecting)) {
      all("#contents a").forEach((a) => {
        if (a.hash === "#" + entry.target.id) a.setAttribute("aria-current", "true");
        else a.removeAttribute("aria-current");
      });
    }
  }, { rootMargin: "-15% 0px -75% 0px" });

  // ---- the live view ----
  // A process that was killed cannot say so: without a heartbeat the page itself says "stopped".
  function age() {
    const progress = document.getElementById("progress");
    if (!progress || !progress.dataset.heartbeat) return;
    const late = Date.now() / 1000 - progress.dataset.heartbeat > progress.dataset.stale;
    if (!late || !["loading", "planning", "training", "evaluating"].includes(progress.dataset.state)) return;
    progress.dataset.state = "stopped";
    const pill = document.getElementById("phase");
    pill.className = "pill pill-stopped";
    const label = pill.querySelector("[data-t]");
    label.dataset.t = "phase.stopped";
    label.textContent = say("phase.stopped");
  }

  function keep(old, fresh) {
    for (const fold of all("details[open]", old)) {
      const same = fresh.querySelector(`details[data-fold="${fold.dataset.fold}"]`);
      if (same) same.open = true;
    }
    for (const chart of all("[data-figure]", old)) {
      const same = fresh.querySelector(`[data-figure="${chart.dataset.figure}"]`);
      if (same) same.replaceWith(chart); // the drawn chart moves over, with its zoom
    }
    all("[data-timeline] input", old).forEach((slider, index) => {
      const same = all("[data-timeline] input", fresh)[index];
      if (same && slider.value !== slider.max) same.value = slider.value;
    });
  }

  const shown = {};
  function danluUpdate(fresh) {
    page.report = fresh.report;
    page.figures = fresh.figures;
    const main = document.getElementById("panels");
    let before = null;
    for (const [name, html] of Object.entries(fresh.sections)) {
      let section = document.getElementById(name);
      if (!section) {
        section = Object.assign(document.createElement("section"), { id: name, className: "panel" });
        main.insertBefore(section, before ? before.nextSibling : main.firstChild);
        list(name, before);
        reading.observe(section);
      }
      if (shown[name] !== html) {
        const holder = document.createElement("div");
        holder.innerHTML = html;
        translate(holder);
        keep(section, holder);
        section.replaceChildren(...holder.childNodes);
        shown[name] = html;
      }
      before = section;
    }
    all("[data-timeline]").forEach(showMoment);
    showChoices();
    drawAll();
    age();
  }

  function list(name, before) {
    const link = Object.assign(document.createElement("a"), { href: "#" + name });
    link.append(Object.assign(document.createElement("span"), { textContent: say("nav." + name) }));
    link.firstChild.dataset.t = "nav." + name;
    const contents = document.getElementById("contents");
    const previous = before && contents.querySelector(`a[href="#${before.id}"]`);
    contents.insertBefore(link, previous ? previous.nextSibling : contents.firstChild);
  }

  function poll() {
    if (document.hidden) return;
    const script = document.createElement("script");
    script.src = "report.data.js?" + Date.now();
    script.onload = () => { script.remove(); age(); };
    script.onerror = () => { memory.set("scroll", String(scrollY)); location.reload(); };
    document.head.append(script);
  }

  // ---- begin ----
  showChoices();
  if (!hasAxis(state.axis)) state.axis = "step";
  showLanguage();
  showTheme();
  all("section.panel").forEach((section) => reading.observe(section));
  if (page.live) {
    window.danluUpdate = danluUpdate;
    age();
    setInterval(poll, REFRESH_MS);
    document.addEventListener("visibilitychange", poll);
  }
  if (memory.get("scroll")) {
    scrollTo(0, Number(memory.get("scroll")));
    memory.set("scroll", "");
  }
})();
