"use strict";
(() => {
  const chart = document.getElementById("chart");
  document.documentElement.classList.add("scripted");

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      getSelection().selectAllChildren(code);
      try { await navigator.clipboard.writeText(code.textContent); } catch { document.execCommand("copy"); }
      button.textContent = "Copied";
    });
  }
  if (!chart) return;

  const total = Number(chart.dataset.seconds);
  const failed = Number(chart.dataset.failed ?? total);
  const axis = document.getElementById("axis");
  const shortest = total / 5000;
  let from = 0, span = total;

  const label = (seconds) => {
    if (Math.abs(seconds) < 1e-9) return "0";
    if (seconds >= 1) return +seconds.toPrecision(4) + " s";
    return seconds >= 0.001 ? +(seconds * 1e3).toPrecision(4) + " ms" : Math.round(seconds * 1e6) + " us";
  };
  const drawAxis = () => {
    const rough = span / Math.max(2, Math.min(10, axis.clientWidth / 90));
    const magnitude = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((each) => each * magnitude).find((each) => each >= rough);
    axis.replaceChildren();
    for (let n = Math.ceil(from / step); n * step <= from + span; n++) {
      const tick = document.createElement("span");
      tick.className = "tick";
      tick.style.setProperty("--b", n * step);
      tick.textContent = label(n * step);
      axis.append(tick);
    }
  };
  const show = (start, seconds) => {
    span = Math.min(total, Math.max(shortest, seconds));
    from = Math.min(total - span, Math.max(0, start));
    chart.style.setProperty("--from", from);
    chart.style.setProperty("--span", span);
    drawAxis();
  };
  const zoom = (factor, middle = from + span / 2) => {
    const seconds = Math.min(total, Math.max(shortest, span * factor));
    show(middle - (middle - from) * seconds / span, seconds);
  };
  const zooms = {
    in: () => zoom(0.5), out: () => zoom(2), all: () => show(0, total),
    fail: () => show(failed - total / 12, total / 8),
  };
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => zooms[button.dataset.zoom]());
  }
  const keys = {
    "+": zooms.in, "=": zooms.in, "-": zooms.out, "0": zooms.all, f: zooms.fail,
    ArrowLeft: () => show(from - span / 5, span), ArrowRight: () => show(from + span / 5, span),
  };
  chart.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  const secondsAt = (event) => {
    const box = axis.getBoundingClientRect();
    return from + span * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  chart.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, secondsAt(event));
  }, { passive: false });

  const layer = chart.querySelector(".over-lanes");
  const selection = Object.assign(document.createElement("div"), { className: "selection" });
  let begun = null;
  chart.addEventListener("dragstart", (event) => event.preventDefault());
  chart.addEventListener("pointerdown", (event) => { if (event.button === 0 && event.pointerType === "mouse") begun = secondsAt(event); });
  addEventListener("pointermove", (event) => {
    if (begun === null) return;
    const now = secondsAt(event);
    if (Math.abs(now - begun) < span / 100) return;
    selection.style.setProperty("--b", Math.min(begun, now));
    selection.style.setProperty("--w", Math.abs(now - begun));
    layer.append(selection);
  });
  addEventListener("pointerup", (event) => {
    if (begun === null) return;
    const ended = secondsAt(event), start = begun;
    begun = null;
    if (!selection.isConnected) return;
    selection.remove();
    addEventListener("click", (click) => click.preventDefault(), { once: true, capture: true });
    show(Math.min(start, ended), Math.abs(ended - start));
  });

  const ranks = ["debug", "info", "warning", "error", "critical"];
  const [byComponent, byLevel, byText] = ["by-component", "by-level", "by-text"].map((id) => document.getElementById(id));
  const rows = [...document.querySelectorAll("#events tbody tr")];
  const shown = document.getElementById("shown");
  const untouched = shown.textContent;
  const filter = () => {
    const who = byComponent.value, least = ranks.indexOf(byLevel.value), text = byText.value.toLowerCase();
    let count = 0;
    for (const row of rows) {
      const fits = (!who || row.dataset.who === who) && ranks.indexOf(row.dataset.level) >= least &&
        (!text || row.textContent.toLowerCase().includes(text));
      row.hidden = !fits;
      count += fits;
    }
    for (const lane of document.querySelectorAll("[data-lane]")) {
      lane.hidden = Boolean(who) && lane.dataset.lane !== who;
      lane.style.display = lane.hidden ? "none" : "";
    }
    for (const mark of document.querySelectorAll(".mark, .span")) {
      const level = mark.dataset.level ? ranks.indexOf(mark.dataset.level) : 9;
      mark.classList.toggle("off", level < least || (Boolean(text) && !mark.title.toLowerCase().includes(text)));
    }
    shown.textContent = who || least >= 0 || text ? `${count} of ${rows.length} rows` : untouched;
  };
  for (const control of [byComponent, byLevel, byText]) control.addEventListener("input", filter);
  document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => {
    const row = document.getElementById(location.hash.slice(1));
    if (row?.hidden) { byComponent.value = byLevel.value = byText.value = ""; filter(); row.scrollIntoView({ block: "center" }); }
    const details = row?.querySelector("details");
    if (details) details.open = true;
  });
  addEventListener("resize", drawAxis);
  drawAxis();
})();
