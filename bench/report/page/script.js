"use strict";
(() => {
  const root = document.documentElement;
  const words = document.body.dataset;
  const byId = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const fill = (template, values) => template.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
  const say = (text) => { byId("spoken").textContent = text; };

  // Theme: the system's until the reader chooses. Storage may be forbidden for files.
  const theme = byId("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = { get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("theme", value); } catch { /* the choice lasts as long as the page */ } } };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
  if (["light", "dark"].includes(stored.get())) root.dataset.theme = stored.get();
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    stored.set(root.dataset.theme);
    showTheme();
  });
  system.addEventListener("change", showTheme);
  showTheme();

  // Tables: sort by a column, filter by text; one filter of models for all.
  const MISSING = "–";
  const order = new Intl.Collator(document.documentElement.lang, { numeric: true, sensitivity: "base" });
  const known = new Set(all("#names option").map((option) => option.value));

  const keyOf = (row, column, numeric) => {
    const cell = row.cells[column];
    if (numeric) return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
    const text = cell.textContent.trim();
    return text === MISSING || text === "" ? null : text;
  };

  const sortBy = (grid, head) => {
    const column = head.cellIndex;
    const numeric = head.classList.contains("n");
    const [first, second] = numeric ? ["descending", "ascending"] : ["ascending", "descending"];
    const next = { none: first, [first]: second, [second]: "none" }[head.getAttribute("aria-sort")];
    all("thead th", grid.element).forEach((th) => th.setAttribute("aria-sort", th === head ? next : "none"));
    const sign = next === "descending" ? -1 : 1;
    const compare = (a, b) => {
      const [x, y] = [keyOf(a, column, numeric), keyOf(b, column, numeric)];
      // What has no value comes last either way.
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (numeric ? x - y : order.compare(x, y));
    };
    grid.body.append(...(next === "none" ? grid.rows : [...grid.rows].sort(compare)));
    const name = head.textContent.trim();
    say(next === "none" ? words.original : fill(words.sorted, { column: name }));
  };

  const namesOf = (row) => (row.dataset.models ? row.dataset.models.split(" ") : []);
  const isNamed = (row, wanted) =>
    wanted.some((word) => namesOf(row).some((name) => (known.has(word) ? name === word : name.includes(word))));

  const grids = all(".grid").map((element) => {
    const body = element.querySelector("tbody");
    const rows = [...body.rows];
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    return { element, body, rows, texts, filter: element.querySelector(".filter"),
      shown: element.querySelector(".shown"), none: element.querySelector(".none"), byModel: rows.some((row) => row.dataset.models) };
  });

  const models = byId("models");
  const apply = (grid) => {
    const terms = grid.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = grid.byModel ? models.value.toLowerCase().split(/[\s,;]+/).filter(Boolean) : [];
    let shown = 0;
    for (const row of grid.rows) {
      row.hidden = !(terms.every((term) => grid.texts.get(row).includes(term)) && (!wanted.length || isNamed(row, wanted)));
      shown += !row.hidden;
    }
    const text = terms.length || wanted.length ? fill(words.shown, { shown, total: grid.rows.length }) : "";
    if (grid.shown.textContent !== text) grid.shown.textContent = text;
    grid.none.hidden = shown > 0 || !grid.rows.length;
  };

  for (const grid of grids) {
    all("thead th", grid.element).forEach((th) => th.querySelector("button").addEventListener("click", () => sortBy(grid, th)));
    grid.filter.addEventListener("input", () => apply(grid));
    apply(grid);
  }
  models.addEventListener("input", () => grids.forEach(apply));

  // What scrolls can be reached and scrolled by keyboard, and fades where it goes on.
  // A fraction of a pixel of a border is no column to scroll to.
  const fade = (box) => box.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 4);
  const watch = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    const scrolls = target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight;
    if (scrolls) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
    fade(target);
  }));
  for (const box of all(".scroll, .drawing")) {
    watch.observe(box);
    box.addEventListener("scroll", () => fade(box), { passive: true });
  }

  // What a sentence rests on opens beside its mark.
  const place = (box, left, top, above) => {
    const edge = 8;
    const { width, height } = box.getBoundingClientRect();
    const x = Math.max(edge, Math.min(left, innerWidth - width - edge));
    const y = top + height + edge > innerHeight ? Math.max(edge, above - height) : top;
    Object.assign(box.style, { position: "fixed", margin: "0", left: `${x}px`, top: `${y}px`, right: "auto", bottom: "auto" });
  };
  for (const box of all(".cells")) {
    const mark = document.querySelector(`[popovertarget="${box.id}"]`);
    box.addEventListener("toggle", (event) => {
      mark.setAttribute("aria-expanded", String(event.newState === "open"));
      if (event.newState !== "open") return;
      const at = mark.getBoundingClientRect();
      place(box, at.left - 12, at.bottom + 6, at.top - 6);
    });
    mark.setAttribute("aria-expanded", "false");
  }
  addEventListener("scroll", () => all(".cells:popover-open").forEach((box) => box.hidePopover()), { passive: true });

  // Hover values of figures; by keyboard with the arrows once a figure has the focus.
  const tip = byId("tip");
  const hideTip = () => { tip.hidden = true; };
  const showTip = (text, left, top, above) => {
    tip.textContent = text;
    tip.hidden = false;
    place(tip, left, top, above);
  };
  for (const svg of all(".drawing > svg")) {
    for (const title of all("title", svg)) {
      if (title.parentNode === svg) continue;
      // Ours replaces the browser's, which is slow and cannot be reached by keyboard.
      title.parentNode.dataset.tip = title.textContent;
      title.remove();
    }
    const marks = all("[data-tip]", svg);
    if (!marks.length) continue;
    svg.addEventListener("pointermove", (event) => {
      const mark = event.target.closest("[data-tip]");
      if (mark) showTip(mark.dataset.tip, event.clientX + 14, event.clientY + 14, event.clientY - 8);
      else hideTip();
    });
    svg.addEventListener("pointerleave", hideTip);
    let at = -1;
    const leave = () => { marks[at]?.classList.remove("on"); hideTip(); };
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("blur", leave);
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") leave();
      if (!step) return;
      event.preventDefault();
      leave();
      at = at < 0 && step < 0 ? marks.length - 1 : (at + step + marks.length) % marks.length;
      marks[at].classList.add("on");
      const box = marks[at].getBoundingClientRect();
      showTip(marks[at].dataset.tip, box.right + 6, box.bottom + 6, box.top - 6);
      say(marks[at].dataset.tip);
    });
  }

  // The contents follow the reader.
  const nav = byId("contents");
  const links = new Map(all("a", nav).map((link) => [link.hash.slice(1), link]));
  const spy = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((e) => e.isIntersecting)) {
      links.forEach((link, id) => (id === entry.target.id ? link.setAttribute("aria-current", "location") : link.removeAttribute("aria-current")));
    }
  }, { rootMargin: "-15% 0px -80% 0px" });
  all("main > section").forEach((section) => spy.observe(section));
  nav.addEventListener("click", (event) => {
    if (event.target.closest("a") && nav.matches(":popover-open")) nav.hidePopover();
  });
})();
