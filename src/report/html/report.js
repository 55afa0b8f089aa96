"use strict";
(() => {
const D = JSON.parse(document.getElementById("data").textContent);
const $ = (q) => document.querySelector(q);
const el = (tag, attrs = {}, ...kids) => {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) k.startsWith("on") ? e.addEventListener(k.slice(2), v) : v === false || v == null ? 0 : e.setAttribute(k, v === true ? "" : v);
  e.append(...kids.filter((k) => k != null)); return e;
};
const s = (tag, attrs = {}, ...kids) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, v] of Object.entries(attrs)) k.startsWith("on") ? e.addEventListener(k.slice(2), v) : e.setAttribute(k, v);
  e.append(...kids.filter((k) => k != null)); return e;
};
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/* Numbers */
const PRE = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"], [1e-12, "p"], [1e-15, "f"]];
const digits = (v, n = 3) => { const a = Math.abs(v); return a === 0 ? "0" : a >= 10 ** n ? Math.round(v).toString().replace(/\B(?=(\d{3})+$)/g, "\u202f") : String(+v.toPrecision(n)); };
const fmt = (v, unit = "", n = 3) => {
  if (v == null || Number.isNaN(v)) return "n/a";
  if (typeof v !== "number") return String(v);
  if (unit === "share") return digits(100 * v, n) + " %";
  if (unit === "B") { let i = 0, x = v; while (Math.abs(x) >= 1024 && i < 5) { x /= 1024; i++; } return digits(x, n) + " " + ["B", "KiB", "MiB", "GiB", "TiB", "PiB"][i]; }
  if (unit === "" || unit === "mm²") return digits(v, n) + (unit ? "\u2009" + unit : "");
  if (v === 0) return "0\u2009" + unit;
  const p = PRE.find(([f]) => Math.abs(v) >= f * 0.9995) || PRE[PRE.length - 1];
  return digits(v / p[0], n) + "\u2009" + p[1] + unit;
};
const pct = (r) => (r >= 0 ? "+" : "−") + digits(Math.abs(100 * r), 3) + " %";

/* Columns: axes, then metrics. Points lie column by column. */
const cols = D.columns, P = D.points, N = P ? P.index.length : 0;
const raw = (c, i) => { const col = cols[c], v = P.values[c][i]; return col.choices ? col.choices[v] : v; };
const num = (c, i) => { const col = cols[c], v = P.values[c][i]; return col.choices ? (col.numbers ? col.numbers[v] : v) : v; };
const show = (c, i) => (cols[c].choices ? String(raw(c, i)) : fmt(raw(c, i), cols[c].unit));
const metrics = cols.map((c, i) => i).filter((i) => !cols[i].choices);
const axes = cols.map((c, i) => i).filter((i) => cols[i].choices);
const colOf = (key) => cols.findIndex((c) => c.key === key);
const isFront = new Uint8Array(N), place = new Map();
if (P) { for (const f of P.front) isFront[f] = 1; P.index.forEach((p, i) => place.set(p, i)); }
const goals = (D.objectives || []).map(colOf).filter((c) => c >= 0);
const S = { sel: null, pins: [], ranges: {}, x: goals[0] ?? metrics[0], y: goals[1] ?? metrics[1] ?? metrics[0], color: "bound", logx: true, logy: true, sort: goals[0] ?? 0, desc: false, rows: "front", run: 0, what: "latency_s", theme: null, metric: null };
if (P) S.sel = P.knee ?? P.front[0] ?? 0;
const passes = (i) => Object.entries(S.ranges).every(([c, [lo, hi]]) => { const v = num(+c, i); return v >= lo && v <= hi; });

/* Small helpers of charts */
const nice = (lo, hi, log) => {
  if (!(hi > lo)) { const d = Math.abs(lo) * 0.1 || 1; lo -= d; hi += d; if (log && lo <= 0) lo = hi / 2; }
  if (log) { const f = (hi / lo) ** 0.04; return [lo / f, hi * f]; }
  const d = (hi - lo) * 0.05; return [lo - d, hi + d];
};
const ticks = (lo, hi, log, n = 6) => {
  const out = [];
  if (log && hi / lo > 3) {
    const dec = Math.log10(hi / lo);
    for (let e = Math.floor(Math.log10(lo)); e <= Math.log10(hi); e++) for (const m of dec > 3 ? [1] : dec > 1.3 ? [1, 2, 5] : [1, 1.5, 2, 3, 5, 7]) { const v = m * 10 ** e; if (v >= lo && v <= hi) out.push(v); }
    return out;
  }
  const raw = (hi - lo) / n, mag = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 2.5, 5, 10].map((m) => m * mag).find((v) => v >= raw);
  for (let v = Math.ceil(lo / step) * step; v <= hi; v += step) out.push(+v.toPrecision(12));
  return out;
};
const scale = (lo, hi, a, b, log) => log ? (v) => a + (b - a) * Math.log(v / lo) / Math.log(hi / lo) : (v) => a + (b - a) * (v - lo) / (hi - lo);
const axisX = (g, x, lo, hi, log, unit, y0, y1, name) => {
  for (const t of ticks(lo, hi, log)) { g.append(s("line", { class: "gridline", x1: x(t), x2: x(t), y1: y1, y2: y0 }), s("text", { x: x(t), y: y0 + 15, "text-anchor": "middle", class: "soft" }, fmt(t, unit))); }
  g.append(s("text", { x: (x(lo) + x(hi)) / 2, y: y0 + 32, "text-anchor": "middle" }, name));
};
const axisY = (g, y, lo, hi, log, unit, x0, x1, name) => {
  for (const t of ticks(lo, hi, log)) { g.append(s("line", { class: "gridline", x1: x0, x2: x1, y1: y(t), y2: y(t) }), s("text", { x: x0 - 6, y: y(t) + 4, "text-anchor": "end", class: "soft" }, fmt(t, unit))); }
  g.append(s("text", { x: x0 - 52, y: y(hi) - 10 }, name));
};
const tip = el("div", { id: "tip", role: "status" });
const hideTip = () => { tip.style.display = "none"; };
const showTip = (ev, ...body) => {
  tip.replaceChildren(...body); tip.style.display = "block";
  const r = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(ev.clientX + 14, innerWidth - r.width - 8)) + "px";
  tip.style.top = Math.max(4, Math.min(ev.clientY + 14, innerHeight - r.height - 8)) + "px";
};
const table = (head, rows) => el("table", {}, el("thead", {}, el("tr", {}, ...head.map((h, i) => el("th", { scope: "col", class: i ? null : "text" }, h)))), el("tbody", {}, ...rows.map((r) => el("tr", {}, ...r.map((c, i) => el("td", { class: i ? null : "text" }, c))))));
const fallback = (label, head, rows) => el("details", {}, el("summary", {}, label), el("div", { class: "scroll" }, table(head, rows)));
const explain = (name, value, text) => {
  const d = $("#why"); d.replaceChildren(el("h2", {}, name), el("p", { class: "verdict" }, value), ...text.filter(Boolean).map((t) => el("p", {}, t)), el("p", {}, el("button", { onclick: () => d.close() }, "Close"))); d.showModal();
};
const number = (name, value, text) => el("span", { class: "num", tabindex: 0, role: "button", title: text[0] || "", onclick: (e) => { e.stopPropagation(); explain(name, value, text); }, onkeydown: (e) => { if (e.key === "Enter" && !e.target.closest("tr")) explain(name, value, text); } }, value);
const legend = (items) => el("div", { class: "legend" }, ...items.map(([color, text]) => el("span", {}, el("i", { style: "background:" + color }), text)));
const palette = (k) => css("--c" + (k % 8));

/* The stored runs of a design, if any */
const designOf = (i) => P ? (D.designs || []).find((d) => d.point === P.index[i]) : D.designs[0];
const shown = () => designOf(S.sel) || (D.designs || [])[0];
const runOf = () => { const d = shown(); return d && d.runs[Math.min(S.run, d.runs.length - 1)]; };
const nameOf = (i) => "#" + P.index[i];
const describe = (i) => axes.map((c) => cols[c].label + " " + show(c, i)).join(" · ");

/* 1 Key figures */
function keyFigures() {
  const box = $("#p1 .body"); box.replaceChildren();
  const cards = el("div", { class: "cards" });
  if (P) {
    const i = S.sel, base = S.pins[0];
    $("#p1 h2 small").textContent = "design " + nameOf(i) + (i === P.knee ? " (knee)" : "") + " · " + describe(i) + (P.feasible[i] ? "" : " · infeasible: " + D.reasons[P.reason[i]]);
    for (const c of metrics) {
      const v = raw(c, i); if (v == null) continue;
      const worst = P.worst[c] && P.worst[c][i];
      const text = [cols[c].doc, "Mean over the workload mix" + (worst != null && worst !== v ? "; the workload that does worst has " + fmt(worst, cols[c].unit) : "") + ".", rangeText(c)];
      cards.append(el("div", { class: "card" + (goals.includes(c) ? " main" : "") }, el("span", {}, cols[c].label), el("b", {}, number(cols[c].label, fmt(v, cols[c].unit), text)),
        el("span", {}, base != null && base !== i ? pct(v / raw(c, base) - 1) + " to " + nameOf(base) : worst != null && worst !== v ? "worst " + fmt(worst, cols[c].unit) : goals.includes(c) ? "objective" : "\u00a0")));
    }
  } else {
    const r = runOf(), t = r.totals; $("#p1 h2 small").textContent = r.name + " on " + r.chip;
    for (const m of D.runMetrics) { const v = t[m.key]; if (v == null) continue; cards.append(el("div", { class: "card" + (m.main ? " main" : "") }, el("span", {}, m.label), el("b", {}, number(m.label, fmt(v, m.unit), [m.doc, rangeOf(r, m.key)])), el("span", {}, m.key === "latency_s" && t.latency_error != null ? "± " + fmt(t.latency_error, "share", 2) + ", grade " + t.grade : "\u00a0"))); }
  }
  box.append(cards);
}
const rangeOf = (r, key) => (key.endsWith("_s") && r.totals.latency_error != null ? "Expected error ± " + fmt(r.totals.latency_error, "share", 2) + " (grade " + r.totals.grade + ", " + fmt(r.totals.measured_share, "share", 2) + " of the time in measured kernels)." : null);
const rangeText = (c) => { const r = runOf(); return r && rangeOf(r, cols[c].key); };

/* 2 Pareto scatter */
const options = (list, value) => list.map((c) => el("option", { value: c, selected: c === value }, typeof c === "number" ? cols[c].label : "binding constraint"));
function scatter() {
  const W = 720, H = 430, L = 70, R = 18, T = 26, B = 44, box = $("#p2 .body");
  const ok = (i) => Number.isFinite(num(S.x, i)) && Number.isFinite(num(S.y, i));
  const all = []; for (let i = 0; i < N; i++) if (ok(i)) all.push(i);
  if (!all.length) { box.replaceChildren(el("p", { class: "note" }, "No point has both figures.")); return; }
  const feas = all.filter((i) => P.feasible[i]), span = (c, set) => { let lo = Infinity, hi = -Infinity; for (const i of set) { const v = num(c, i); if (v < lo) lo = v; if (v > hi) hi = v; } return [lo, hi]; };
  const set = feas.length ? feas : all; let [x0, x1] = span(S.x, set), [y0, y1] = span(S.y, set);
  const lx = S.logx && x0 > 0, ly = S.logy && y0 > 0; [x0, x1] = nice(x0, x1, lx); [y0, y1] = nice(y0, y1, ly);
  const x = scale(x0, x1, L, W - R, lx), y = scale(y0, y1, H - B, T, ly);
  const svg = s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `Scatter of ${cols[S.y].label} over ${cols[S.x].label}` });
  axisX(svg, x, x0, x1, lx, cols[S.x].unit, H - B, T, cols[S.x].label + better(S.x)); axisY(svg, y, y0, y1, ly, cols[S.y].unit, L, W - R, cols[S.y].label + better(S.y));
  const inside = (i) => { const a = num(S.x, i), b = num(S.y, i); return a >= x0 && a <= x1 && b >= y0 && b <= y1; };
  const others = all.filter((i) => !isFront[i] && inside(i)), step = Math.ceil(others.length / 2500);
  const color = colorer(); const g = s("g");
  others.forEach((i, k) => { if (k % step === 0) g.append(s("circle", { cx: x(num(S.x, i)).toFixed(1), cy: y(num(S.y, i)).toFixed(1), r: 2.4, fill: P.feasible[i] ? color(i) : css("--bad"), opacity: passes(i) ? 0.55 : 0.08 })); });
  const front = all.filter((i) => isFront[i] && inside(i)).sort((a, b) => num(S.x, a) - num(S.x, b));
  for (const i of front) g.append(s("circle", { cx: x(num(S.x, i)), cy: y(num(S.y, i)), r: 4.6, fill: color(i), stroke: css("--panel"), "stroke-width": 1.2, opacity: passes(i) ? 1 : 0.15, "data-front": i }));
  svg.append(g);
  const mark = (i, stroke, text, dy) => { if (i == null || !ok(i) || !inside(i)) return; const cx = x(num(S.x, i)), cy = y(num(S.y, i)); const end = cx > W - 130; svg.append(s("circle", { cx, cy, r: 8, fill: "none", stroke, "stroke-width": 2 }), s("text", { x: cx + (end ? -12 : 12), y: cy + dy, "text-anchor": end ? "end" : "start", "font-weight": 600 }, text)); };
  mark(P.knee, css("--knee"), "knee", -6); S.pins.forEach((p, k) => mark(p, css("--pin"), k ? "pinned B" : "pinned A", 16)); if (S.sel !== P.knee) mark(S.sel, css("--accent"), nameOf(S.sel), -6);
  const find = (ev) => { const r = svg.getBoundingClientRect(), px = (ev.clientX - r.left) * W / r.width, py = (ev.clientY - r.top) * H / r.height; let best = null, d = 18 * 18; for (const i of all) { if (!inside(i) || !passes(i)) continue; const e = (x(num(S.x, i)) - px) ** 2 + (y(num(S.y, i)) - py) ** 2 - (isFront[i] ? 40 : 0); if (e < d) { d = e; best = i; } } return best; };
  svg.addEventListener("mousemove", (ev) => { const i = find(ev); i == null ? hideTip() : pointTip(ev, i); }); svg.addEventListener("mouseleave", hideTip);
  svg.addEventListener("click", (ev) => { const i = find(ev); if (i != null) ev.shiftKey ? pin(i) : select(i); });
  const pick = (key, list) => el("select", { "aria-label": key, onchange: (e) => { S[key] = Number.isNaN(+e.target.value) ? e.target.value : +e.target.value; scatter(); } }, ...options(list, S[key]));
  const toggle = (key, text) => el("button", { "aria-pressed": String(S[key]), onclick: () => { S[key] = !S[key]; scatter(); } }, text);
  const nums = metrics.filter((c) => all.some((i) => Number.isFinite(num(c, i))));
  $("#p2 h2 .ctl").replaceChildren(el("label", {}, "x ", pick("x", nums)), toggle("logx", "log x"), el("label", {}, "y ", pick("y", nums)), toggle("logy", "log y"), el("label", {}, "color ", pick("color", ["bound", ...nums, ...axes])));
  box.replaceChildren(svg, colorLegend(), el("p", { class: "note" }, `${P.front.length} on the front of ${D.total} points${step > 1 ? `; every ${step}th of the others drawn` : ""}. Click selects, shift-click pins.`));
}
const better = (c) => cols[c].better ? (cols[c].better === "higher" ? "  (higher is better)" : "  (lower is better)") : "";
function colorer() {
  if (S.color === "bound") return (i) => isFront[i] ? css("--front") : css("--pale");
  const c = S.color; if (cols[c].choices) return (i) => palette(P.values[c][i]);
  let lo = Infinity, hi = -Infinity; for (let i = 0; i < N; i++) { const v = num(c, i); if (P.feasible[i] && v < lo) lo = v; if (P.feasible[i] && v > hi) hi = v; }
  const log = lo > 0 && hi / lo > 8; return (i) => ramp(log ? Math.log(num(c, i) / lo) / Math.log(hi / lo) : (num(c, i) - lo) / (hi - lo || 1));
}
const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const ramp = (t) => { t = Math.max(0, Math.min(1, t)) * 4; const k = Math.min(3, Math.floor(t)), f = t - k; return `rgb(${RAMP[k].map((a, j) => Math.round(a + (RAMP[k + 1][j] - a) * f)).join(",")})`; };
function colorLegend() {
  if (S.color === "bound") return legend([[css("--front"), "on the front"], [css("--pale"), "feasible"], ...(D.infeasible || []).map(([n, k]) => [css("--bad"), `infeasible: ${n} (${k})`])]);
  const c = S.color; if (cols[c].choices) return legend(cols[c].choices.map((t, k) => [palette(k), t]));
  return el("div", { class: "legend" }, "low ", el("span", { style: `width:160px;height:10px;background:linear-gradient(90deg,${[0, .25, .5, .75, 1].map(ramp).join(",")})` }), "high " + cols[c].label);
}
function pointTip(ev, i) {
  const base = S.pins[0], rows = [...axes.map((c) => [cols[c].label, show(c, i), ""]), ...metrics.filter((c) => raw(c, i) != null).map((c) => [cols[c].label, show(c, i), base != null && base !== i ? pct(raw(c, i) / raw(c, base) - 1) : ""])];
  showTip(ev, el("b", {}, nameOf(i) + (isFront[i] ? " · on the front" : P.feasible[i] ? "" : " · infeasible: " + D.reasons[P.reason[i]])), table(["", "", base != null ? "to A" : ""], rows));
}

/* 3 Parallel coordinates */
function parallel() {
  const W = 720, H = 430, T = 62, B = 26, box = $("#p3 .body");
  const dims = [...axes, ...new Set([...goals, ...metrics.filter((c) => ["average_power_w", "area_mm2"].includes(cols[c].key))])].filter((c) => { const seen = new Set(); for (let i = 0; i < N && seen.size < 2; i++) if (Number.isFinite(num(c, i))) seen.add(num(c, i)); return seen.size > 1; });
  const svg = s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Parallel coordinates; drag along an axis to filter" });
  if (dims.length < 2) { box.replaceChildren(el("p", { class: "note" }, "Fewer than two columns vary.")); return; }
  const X = (k) => 50 + k * (W - 100) / (dims.length - 1), Y = {};
  for (const c of dims) {
    let lo = Infinity, hi = -Infinity; for (let i = 0; i < N; i++) { const v = num(c, i); if (!Number.isFinite(v) || !(P.feasible[i] || cols[c].choices)) continue; if (v < lo) lo = v; if (v > hi) hi = v; }
    const log = lo > 0 && hi / lo > 4; Y[c] = { lo, hi, log, f: scale(lo, hi > lo ? hi : lo + 1, H - B, T, log), back: (py) => { const t = (H - B - py) / (H - B - T); return log ? lo * (hi / lo) ** t : lo + (hi - lo) * t; } };
  }
  const live = []; for (let i = 0; i < N; i++) if (P.feasible[i] && passes(i)) live.push(i);
  const rest = live.filter((i) => !isFront[i]), step = Math.ceil(rest.length / 700), color = colorer();
  const path = (i) => dims.map((c, k) => `${k ? "L" : "M"}${X(k).toFixed(1)} ${Y[c].f(Math.min(Math.max(num(c, i), Y[c].lo), Y[c].hi)).toFixed(1)}`).join("");
  const lines = s("g", { fill: "none" });
  rest.forEach((i, k) => { if (k % step === 0) lines.append(s("path", { d: path(i), stroke: css("--pale"), opacity: 0.25 })); });
  for (const i of live) if (isFront[i]) lines.append(s("path", { d: path(i), stroke: color(i), "stroke-width": 1.5, opacity: 0.85, onmousemove: (ev) => pointTip(ev, i), onmouseleave: hideTip, onclick: () => select(i) }));
  if (S.sel != null && P.feasible[S.sel]) lines.append(s("path", { d: path(S.sel), stroke: css("--knee"), "stroke-width": 2.6 }));
  svg.append(lines);
  dims.forEach((c, k) => {
    const a = Y[c], g = s("g"), label = cols[c].label.length > 15 ? cols[c].label.slice(0, 14) + "…" : cols[c].label;
    g.append(s("line", { class: "axis", x1: X(k), x2: X(k), y1: T, y2: H - B, "stroke-width": 1.5 }), s("text", { x: X(k), y: k % 2 ? T - 40 : T - 24, "text-anchor": "middle", "font-weight": 600 }, label, s("title", {}, cols[c].label)));
    const end = (v, y) => g.append(s("text", { x: X(k), y, "text-anchor": "middle", class: "soft" }, cols[c].choices ? (cols[c].numbers ? cols[c].choices[cols[c].numbers.indexOf(v)] ?? "" : cols[c].choices[v] ?? "") : fmt(v, cols[c].unit)));
    end(a.hi, T - 8); end(a.lo, H - B + 16);
    const range = S.ranges[c]; if (range) g.append(s("rect", { x: X(k) - 8, width: 16, y: Math.min(a.f(Math.min(range[1], a.hi)), H - B), height: Math.max(3, a.f(Math.max(range[0], a.lo)) - a.f(Math.min(range[1], a.hi))), fill: css("--accent"), opacity: 0.3 }));
    const hit = s("rect", { x: X(k) - 16, width: 32, y: T - 6, height: H - B - T + 12, fill: "transparent", cursor: "ns-resize", "data-axis": cols[c].key });
    let from = null; const at = (ev) => { const r = svg.getBoundingClientRect(); return Math.max(T, Math.min(H - B, (ev.clientY - r.top) * H / r.height)); };
    hit.addEventListener("pointerdown", (ev) => { from = at(ev); if (ev.isTrusted) hit.setPointerCapture(ev.pointerId); });
    hit.addEventListener("pointerup", (ev) => { if (from == null) return; const to = at(ev), lo = a.back(Math.max(from, to)), hi = a.back(Math.min(from, to)); if (Math.abs(from - to) < 4) delete S.ranges[c]; else S.ranges[c] = [lo * (lo > 0 ? 1 - 1e-9 : 1), hi * (1 + 1e-9)]; from = null; filtered(); });
    g.append(hit); svg.append(g);
  });
  const reset = el("button", { onclick: () => { S.ranges = {}; filtered(); } }, "Clear filters");
  const top = el("input", { type: "range", min: 1, max: 100, value: S.top ?? 100, "aria-label": "Best percent by the first objective", onchange: (e) => topShare(+e.target.value) });
  $("#p3 h2 .ctl").replaceChildren(el("label", {}, "best ", top, " " + (S.top ?? 100) + " %"), reset);
  box.replaceChildren(svg, el("p", { class: "note" }, `${live.length} of ${P.feasible.reduce((a, b) => a + b, 0)} feasible designs pass. Drag along an axis to filter, click it to clear.`));
}
function topShare(share) {
  S.top = share; const c = goals[0]; if (c == null) return;
  const v = []; for (let i = 0; i < N; i++) if (P.feasible[i]) v.push(num(c, i)); v.sort((a, b) => a - b); if (cols[c].better === "higher") v.reverse();
  if (share >= 100) delete S.ranges[c]; else { const cut = v[Math.max(0, Math.ceil(v.length * share / 100) - 1)]; S.ranges[c] = cols[c].better === "higher" ? [cut, Infinity] : [-Infinity, cut]; }
  filtered();
}

/* 4 Designs */
function designs() {
  const box = $("#p4 .body"), list = [];
  for (let i = 0; i < N; i++) if (passes(i) && (S.rows === "all" || (S.rows === "front" ? isFront[i] : P.feasible[i]))) list.push(i);
  const c = S.sort; list.sort((a, b) => { const d = num(c, a) - num(c, b); return (S.desc ? -d : d) || a - b; });
  const most = 200, head = [...axes, ...metrics.filter((m) => list.some((i) => raw(m, i) != null))];
  const body = list.slice(0, most).map((i) => el("tr", { tabindex: 0, "data-point": i, "aria-selected": String(i === S.sel), class: P.feasible[i] ? null : "out", onclick: (e) => e.shiftKey ? pin(i) : select(i), onkeydown: (e) => rowKey(e, i) },
    el("td", { class: "text" }, nameOf(i) + (i === P.knee ? " knee" : "") + (S.pins.includes(i) ? (S.pins[0] === i ? " A" : " B") : "")), ...head.map((k) => el("td", { class: cols[k].choices ? "text" : null }, cols[k].choices ? show(k, i) : number(cols[k].label, show(k, i), [cols[k].doc, rangeText(k)])))));
  const th = (k) => el("th", { scope: "col", class: cols[k].choices ? "text" : null, "aria-sort": S.sort === k ? (S.desc ? "descending" : "ascending") : "none" }, el("button", { onclick: () => { S.desc = S.sort === k ? !S.desc : false; S.sort = k; designs(); } }, cols[k].label + (S.sort === k ? (S.desc ? " ▾" : " ▴") : "")));
  const mode = (m, text) => el("button", { "aria-pressed": String(S.rows === m), onclick: () => { S.rows = m; designs(); } }, text);
  $("#p4 h2 .ctl").replaceChildren(mode("front", "front"), mode("feasible", "feasible"), mode("all", "all"), el("button", { onclick: () => pin(S.sel) }, "Pin selected"), el("button", { onclick: () => { S.pins = []; all(); } }, "Unpin"));
  $("#p4 h2 small").textContent = `${list.length} match${list.length > most ? `, ${most} shown` : ""}`;
  box.replaceChildren(el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { class: "text" }, "design"), ...head.map(th))), el("tbody", {}, ...body))), ...waterfall());
}
function rowKey(e, i) {
  const go = (row) => { if (row) { select(+row.dataset.point); const again = document.querySelector(`tr[data-point="${row.dataset.point}"]`); if (again) again.focus(); } };
  if (e.key === "ArrowDown") { e.preventDefault(); go(e.currentTarget.nextElementSibling); }
  if (e.key === "ArrowUp") { e.preventDefault(); go(e.currentTarget.previousElementSibling); }
  if (e.key === "Enter") { pin(i); const again = document.querySelector(`tr[data-point="${i}"]`); if (again) again.focus(); }
}
function waterfall() {
  if (S.pins.length < 2) return [el("p", { class: "note" }, "Pin two designs (shift-click, or Enter on a row) to see what makes the difference.")];
  const [a, b] = S.pins, rows = metrics.filter((c) => raw(c, a) != null && raw(c, b) != null && raw(c, a) !== 0).map((c) => [cols[c].label, show(c, a), show(c, b), pct(raw(c, b) / raw(c, a) - 1)]);
  const changed = axes.filter((c) => raw(c, a) !== raw(c, b)).map((c) => `${cols[c].label} ${show(c, a)} → ${show(c, b)}`).join(" · ");
  const out = [el("h2", { style: "margin-top:12px" }, `${nameOf(a)} (A) → ${nameOf(b)} (B)`, el("small", {}, changed)), table(["", "A", "B", "change"], rows)];
  const da = designOf(a), db = designOf(b);
  if (!da || !db) { out.push(el("p", { class: "note" }, "Operators of one of them are not stored; the knee, the ends and some more of the front have them.")); return out; }
  const ra = da.runs[S.run] || da.runs[0], rb = db.runs[S.run] || db.runs[0], by = new Map();
  const sum = (r, sign) => { for (const o of r.operators) { const k = o.phase + " · " + o.kind; by.set(k, (by.get(k) || 0) + sign * o.latency_s * o.count); } };
  sum(ra, -1); sum(rb, 1);
  const parts = [...by].filter(([, v]) => Math.abs(v) > 1e-15).sort((p, q) => Math.abs(q[1]) - Math.abs(p[1])), ta = ra.totals.latency_s, tb = rb.totals.latency_s;
  const keep = parts.slice(0, 8), left = parts.slice(8).reduce((t, p) => t + p[1], 0); if (left) keep.push(["others", left]);
  const W = 900, rowH = 22, H = (keep.length + 2) * rowH + 26, L = 190, R = 110, lo = Math.min(ta, tb, ...keep.reduce((acc, p) => [...acc, acc[acc.length - 1] + p[1]], [ta])) , hi = Math.max(ta, tb, ...keep.reduce((acc, p) => [...acc, acc[acc.length - 1] + p[1]], [ta]));
  const x = scale(Math.min(lo * 0.9, lo), hi, L, W - R, false), svg = s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Waterfall of time between the pinned designs", style: "max-width:900px;margin-top:10px" });
  let at = ta; const bar = (k, name, from, to, fill, text) => svg.append(s("text", { x: L - 8, y: k * rowH + 16, "text-anchor": "end" }, name), s("rect", { x: Math.min(x(from), x(to)), y: k * rowH + 4, width: Math.max(1.5, Math.abs(x(to) - x(from))), height: rowH - 7, rx: 2, fill }), s("text", { x: Math.max(x(from), x(to)) + 6, y: k * rowH + 16, class: "soft" }, text));
  bar(0, "time of A", Math.min(lo * 0.9, lo), ta, css("--pale"), fmt(ta, "s"));
  keep.forEach(([name, v], k) => { bar(k + 1, name, at, at + v, v > 0 ? css("--c5") : css("--good"), (v > 0 ? "+" : "−") + fmt(Math.abs(v), "s")); at += v; });
  bar(keep.length + 1, "time of B", Math.min(lo * 0.9, lo), tb, css("--pale"), fmt(tb, "s")); out.push(svg); return out;
}

/* 5 Roofline */
function roofline() {
  const box = $("#p5 .body"), r = runOf(); if (!r) { box.replaceChildren(el("p", { class: "note" }, "No details are stored.")); return; }
  $("#p5 h2 small").textContent = runName(r);
  const main = r.memory.memory, ops = r.operators.filter((o) => o.flops > 0 && o.bytes > 0 && o.latency_s > 0), peaks = Object.entries(r.roofs.peak_op_per_s), bws = Object.entries(r.roofs.bandwidth_byte_per_s).filter(([, v]) => v);
  if (!ops.length || !peaks.length) { box.replaceChildren(el("p", { class: "note" }, "No operator has arithmetic.")); return; }
  const bw = r.roofs.bandwidth_byte_per_s[main], W = 720, H = 400, L = 78, R = 20, T = 26, B = 44;
  const xs = ops.map((o) => o.flops / o.bytes), ys = ops.map((o) => o.flops / o.latency_s), top = Math.max(...peaks.map((p) => p[1]));
  const [x0, x1] = [Math.min(...xs, top / bw / 20) / 2, Math.max(...xs, top / bw * 4) * 2], [y0, y1] = [Math.min(...ys) / 2, top * 2], x = scale(x0, x1, L, W - R, true), y = scale(y0, y1, H - B, T, true);
  const svg = s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Roofline" }); axisX(svg, x, x0, x1, true, "", H - B, T, "operations per byte of " + main); axisY(svg, y, y0, y1, true, "op/s", L, W - R, "operations per second");
  const used = new Set(ops.map((o) => o.dtype)); peaks.forEach(([n, p], k) => { const at = Math.max(x0, p / bw); if (k > 2 && !used.has(n)) return; svg.append(s("line", { x1: x(at), x2: x(x1), y1: y(p), y2: y(p), stroke: css("--soft") }), s("text", { x: x(x1) - 2, y: y(p) - 4, "text-anchor": "end" }, `${n} ${fmt(p, "op/s")}`)); });
  for (const [n, b] of bws) { const from = Math.max(x0, y0 / b), to = Math.min(x1, top / b); if (!(to > from)) continue; svg.append(s("line", { x1: x(from), y1: y(from * b), x2: x(to), y2: y(to * b), stroke: n === main ? css("--ink") : css("--line"), "stroke-width": n === main ? 1.6 : 1 })); if (n === main) { const m = Math.sqrt(from * to); svg.append(s("text", { x: x(m) - 6, y: y(m * b) - 6, "text-anchor": "end" }, `${n} ${fmt(b, "B/s")}`)); } }
  const whole = ops.reduce((t, o) => t + o.latency_s * o.count, 0), kinds = [...new Set(ops.map((o) => o.phase + " · " + o.kind))];
  ops.forEach((o, k) => svg.append(s("circle", { cx: x(xs[k]), cy: y(ys[k]), r: 3 + 16 * Math.sqrt(o.latency_s * o.count / whole), fill: palette(kinds.indexOf(o.phase + " · " + o.kind)), opacity: 0.65, stroke: css("--panel"), onmousemove: (ev) => showTip(ev, el("b", {}, o.name), table(["", ""], [["phase", o.phase], ["time", fmt(o.latency_s, "s") + " × " + o.count], ["share", fmt(o.latency_s * o.count / whole, "share")], ["bound", o.bound], ["speed of light", fmt(o.roofline_latency_s / o.latency_s, "share")], ["energy", fmt(o.energy_j, "J")]])), onmouseleave: hideTip })));
  box.replaceChildren(svg, legend(kinds.map((n, k) => [palette(k), n])), fallback("table", ["operator", "phase", "op/byte", "op/s", "time share", "bound"], ops.map((o, k) => [o.name, o.phase, digits(xs[k]), fmt(ys[k], "op/s"), fmt(o.latency_s * o.count / whole, "share"), o.bound])));
}
const runName = (r) => r.name + " on " + r.chip + (P ? ", design " + "#" + shown().point + (designOf(S.sel) ? "" : " (no details stored for " + nameOf(S.sel) + ")") : "");

/* 6 Where time and energy go */
function breakdown() {
  const box = $("#p6 .body"), r = runOf(); if (!r) return box.replaceChildren(el("p", { class: "note" }, "No details are stored."));
  const what = { latency_s: ["time", "s"], energy_j: ["energy", "J"], bytes: ["bytes", "B"] };
  $("#p6 h2 .ctl").replaceChildren(...Object.entries(what).map(([k, [n]]) => el("button", { "aria-pressed": String(S.what === k), onclick: () => { S.what = k; breakdown(); } }, n)), ...(shown().runs.length > 1 ? [el("select", { "aria-label": "workload", onchange: (e) => { S.run = +e.target.value; details(); } }, ...shown().runs.map((q, k) => el("option", { value: k, selected: k === S.run }, q.name)))] : []));
  const unit = what[S.what][1], phases = r.phases.map((p) => p.phase), groups = phases.map((ph) => {
    let parts;
    if (S.what === "energy_j") { const p = r.phases.find((q) => q.phase === ph); parts = [...Object.entries(p.energy_parts_j), ["static", p.static_energy_j]].filter(([, v]) => v > 0); }
    else { const by = new Map(); for (const o of r.operators) if (o.phase === ph) by.set(o.kind, (by.get(o.kind) || 0) + (o[S.what] || 0) * o.count); parts = [...by].filter(([, v]) => v > 0); }
    return [ph, parts.sort((a, b) => b[1] - a[1])];
  });
  const names = [...new Set(groups.flatMap(([, p]) => p.map(([n]) => n)))], W = 720, rowH = 54, L = 84, R = 86, H = groups.length * rowH + 10;
  const top = Math.max(...groups.map(([, p]) => p.reduce((t, [, v]) => t + v, 0))) || 1, svg = s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Where " + what[S.what][0] + " goes" });
  groups.forEach(([ph, parts], k) => {
    let at = L; const sum = parts.reduce((t, [, v]) => t + v, 0); svg.append(s("text", { x: L - 8, y: k * rowH + 27, "text-anchor": "end" }, ph));
    for (const [n, v] of parts) { const w = v / top * (W - L - R); svg.append(s("rect", { x: at, y: k * rowH + 8, width: Math.max(0.5, w), height: 30, fill: palette(names.indexOf(n)), onmousemove: (ev) => showTip(ev, el("b", {}, n), table(["", ""], [[what[S.what][0], fmt(v, unit)], ["share of " + ph, fmt(v / sum, "share")]])), onmouseleave: hideTip })); if (w > 70) svg.append(s("text", { x: at + 6, y: k * rowH + 27, style: "fill:#fff", "pointer-events": "none" }, (n.length * 6.4 < w - 46 ? n + " " : "") + fmt(v / sum, "share", 2))); at += w; }
    svg.append(s("text", { x: at + 6, y: k * rowH + 27 }, fmt(sum, unit)));
  });
  const ops = [...r.operators].sort((a, b) => b.latency_s * b.count - a.latency_s * a.count);
  box.replaceChildren(svg, legend(names.map((n, k) => [palette(k), n])), el("div", { class: "scroll", style: "max-height:230px;margin-top:8px" }, table(["operator", "phase", "×", "time", "speed of light", "energy", "bound"], ops.slice(0, 40).map((o) => [o.name, o.phase, digits(o.count), number(o.name, fmt(o.latency_s, "s"), [`Time of one execution: the longest of the busy times of engines, memories and links (here ${o.bound}), what nothing hides, and its launch.`, `Roofline ${fmt(o.roofline_latency_s, "s")}: compulsory work at peak rates.`, o.mapping]), fmt(o.latency_s > 0 ? o.roofline_latency_s / o.latency_s : null, "share"), fmt(o.energy_j, "J"), o.bound]))));
}

/* 7 Memory */
function memory() {
  const box = $("#p7 .body"), d = shown(); if (!d) return box.replaceChildren(el("p", { class: "note" }, "No details are stored."));
  const out = [];
  for (const r of d.runs) {
    const m = r.memory, cap = m.capacity_bytes, parts = Object.entries(m.parts).filter(([, v]) => v > 0), whole = Math.max(m.required_bytes, cap || 0);
    out.push(el("p", {}, el("b", {}, r.name), ` in ${m.memory}: `, number("memory", fmt(m.required_bytes, "B"), ["Weights, caches, the largest live activations of any step and what the runtime keeps."]), cap ? ` of ${fmt(cap, "B")}` : "", m.fits ? "" : ` · short by ${fmt(m.short_bytes, "B")}`));
    out.push(el("div", { class: "bar", title: "share of capacity" }, ...parts.map(([n, v], k) => el("i", { style: `width:${100 * v / whole}%;background:${palette(k)}`, title: `${n} ${fmt(v, "B")}` }))), legend(parts.map(([n, v], k) => [palette(k), `${n.replace(/_bytes$/, "").replace(/_/g, " ")} ${fmt(v, "B")}`])));
    out.push(table(["memory", "bandwidth", "moved", "busy"], Object.entries(r.roofs.bandwidth_byte_per_s).map(([n, b]) => [n, fmt(b, "B/s"), fmt(r.totals.bytes[n], "B"), fmt(b && r.totals.latency_s > 0 ? r.totals.bytes[n] / b / r.totals.latency_s : null, "share")])));
  }
  box.replaceChildren(...out);
}

/* 8 Sensitivity */
function tornado() {
  const box = $("#p8 .body"), A = D.analysis; if (!A || !A.designs || !A.designs.length) return box.replaceChildren(el("p", { class: "note" }, P ? "No analysis is stored. `wattline sweep FILE --analyze` makes it." : "A sweep has it: `wattline sweep FILE --analyze`."));
  const d = A.designs.find((q) => P && q.point === P.index[S.sel]) || A.designs[0], keys = [...new Set(d.elasticities.flatMap((e) => Object.keys(e.metrics)))];
  const key = keys.includes(S.metric) ? S.metric : (D.objectives || []).find((k) => keys.includes(k)) ?? keys[0], c = colOf(key), label = c >= 0 ? cols[c].label : key, unit = c >= 0 ? cols[c].unit : "";
  $("#p8 h2 small").textContent = `design #${d.point}${d.why ? " (" + d.why + ")" : ""}`;
  $("#p8 h2 .ctl").replaceChildren(el("select", { "aria-label": "metric", onchange: (e) => { S.metric = e.target.value; tornado(); } }, ...keys.map((k) => el("option", { value: k, selected: k === key }, colOf(k) >= 0 ? cols[colOf(k)].label : k))));
  const rows = d.elasticities.map((e) => ({ e, m: e.metrics[key] })).filter((r) => r.m && r.m.base).map((r) => ({ ...r, lo: r.m.low == null ? 0 : r.m.low / r.m.base - 1, hi: r.m.high == null ? 0 : r.m.high / r.m.base - 1 })).filter((r) => Math.max(Math.abs(r.lo), Math.abs(r.hi)) > 1e-4).sort((a, b) => Math.max(Math.abs(b.lo), Math.abs(b.hi)) - Math.max(Math.abs(a.lo), Math.abs(a.hi))).slice(0, 12);
  if (!rows.length) return box.replaceChildren(el("p", { class: "note" }, "No parameter moves " + label + " by more than 0.01 %."));
  const span = Math.max(0.01, ...rows.flatMap((r) => [Math.abs(r.lo), Math.abs(r.hi)])), W = 720, L = 210, R = 60, rowH = 26, H = rows.length * rowH + 34, x = scale(-span, span, L, W - R, false), svg = s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Tornado of " + label });
  for (const t of ticks(-span, span, false, 5)) svg.append(s("line", { class: "gridline", x1: x(t), x2: x(t), y1: 0, y2: H - 30 }), s("text", { x: x(t), y: H - 14, "text-anchor": "middle", class: "soft" }, pct(t)));
  rows.forEach((r, k) => { const y = k * rowH + 4, bar = (v, fill, text) => svg.append(s("rect", { x: Math.min(x(0), x(v)), y, width: Math.max(0.5, Math.abs(x(v) - x(0))), height: rowH - 8, fill, onmousemove: (ev) => showTip(ev, el("b", {}, r.e.parameter), table(["", "", ""], [[text, fmt(v === r.lo ? r.m.low : r.m.high, unit), pct(v)], ["now " + r.e.value, fmt(r.m.base, unit), ""]])), onmouseleave: hideTip })); svg.append(s("text", { x: L - 8, y: y + 13, "text-anchor": "end" }, r.e.parameter.replace(/^chip\./, ""))); bar(r.lo, css("--c1"), r.e.low); bar(r.hi, css("--c0"), r.e.high); });
  svg.append(s("line", { x1: x(0), x2: x(0), y1: 0, y2: H - 30, stroke: css("--ink") }));
  const idle = d.no_effect && d.no_effect.length ? [el("p", { class: "note" }, "No effect: " + d.no_effect.join(", "))] : [], up = (d.upgrades || []).slice(0, 3).map((u) => `${u.parameter}: ${pct(-u.gain)} ${u.metric.replace(/_(s|j|w)$/, "")} per ${u.per}`);
  box.replaceChildren(svg, legend([[css("--c1"), "25 % less"], [css("--c0"), "25 % more"]]), ...idle, ...(up.length ? [el("p", { class: "note" }, "Next best upgrades: " + up.join(" · "))] : []), whatIf(rows, label, unit), fallback("table", ["parameter", "low", label, "high", label, "elasticity"], rows.map((r) => [r.e.parameter, r.e.low, fmt(r.m.low, unit), r.e.high, fmt(r.m.high, unit), digits(r.m.elasticity ?? NaN)])));
}
function whatIf(rows, label, unit) {
  if (!rows.length) return null;
  const base = rows[0].m.base, f = rows.slice(0, 3).map(() => 1), out = el("b", {}, fmt(base, unit));
  const update = () => { let v = base; rows.slice(0, 3).forEach((r, k) => { const e = r.m.elasticity; if (e != null) v *= f[k] ** e; }); out.textContent = fmt(v, unit); };
  return el("details", {}, el("summary", {}, "what if (from the elasticities; small changes only)"), ...rows.slice(0, 3).map((r, k) => { const t = el("span", {}, "100 %"); return el("p", {}, el("label", {}, r.e.parameter + " ", el("input", { type: "range", min: 50, max: 150, value: 100, oninput: (e) => { f[k] = e.target.value / 100; t.textContent = e.target.value + " %"; update(); } }), " ", t)); }), el("p", {}, label + " ≈ ", out));
}

/* 9 Mix and drift */
function mix() {
  const box = $("#p9 .body"), A = D.analysis || {}, out = [];
  if (D.jobs && D.jobs.length) out.push(el("p", { class: "note" }, "Mix: " + D.jobs.map((j) => `${j.name} ${fmt(j.weight, "share")}`).join(" · ")));
  if (A.workloads && A.workloads.length) out.push(table(["workload", "best for it", "its figure", "regret of the selected design"], A.workloads.flatMap((w) => Object.entries(w.best || {}).map(([k, b]) => { const c = colOf(k), g = (w.regret || []).find((q) => P && q.point === P.index[S.sel] && q.metric === k); return [w.name, "#" + b.point, fmt(b.value, c >= 0 ? cols[c].unit : "") + " " + (c >= 0 ? cols[c].label : k), g ? pct(g.regret) : "n/a"]; }))));
  for (const d of A.drift || []) { const row = (d.rows || []).find((q) => P && q.point === P.index[S.sel]); out.push(el("p", {}, el("b", {}, d.name), d.change ? " (" + d.change + "): " : ": ", row ? (row.feasible ? "the selected design survives: " : "the selected design fails (" + (row.violated || []).join("; ") + "): ") + Object.entries(row.metrics || {}).map(([k, v]) => { const c = colOf(k); return `${c >= 0 ? cols[c].label : k} ${fmt(v, c >= 0 ? cols[c].unit : "")}`; }).join(", ") : `${(d.rows || []).filter((q) => q.feasible).length} of ${(d.rows || []).length} designs survive`, d.front ? ` · best then: ${d.front.map((p) => "#" + p).join(", ")}` : "")); }
  if (!A.workloads && !A.drift) out.push(el("p", { class: "note" }, P ? "`wattline sweep FILE --analyze` compares workloads and drifts." : "A sweep compares workloads."));
  box.replaceChildren(...out);
}

/* 10 Honesty */
function honesty() {
  const box = $("#p10 .body"), out = [], d = shown();
  for (const r of d ? d.runs : []) {
    const t = r.totals, c = t.coverage;
    out.push(el("p", {}, el("b", {}, r.name), `: figures cover ${fmt(c.macs, "share")} of the operators, ${fmt(c.bytes, "share")} of the bytes, ${fmt(c.energy, "share")} of the energy. `, t.latency_error != null ? `Time ± ${fmt(t.latency_error, "share", 2)}, grade ${t.grade}; ${fmt(t.measured_share, "share")} of it in kernels that were measured.` : "No kernel of this chip was measured: the time has no grade."));
  }
  const assumed = d ? d.runs[0].assumed : []; if (assumed.length) out.push(el("details", {}, el("summary", {}, `${assumed.length} assumed parameters`), el("ul", {}, ...assumed.map((a) => el("li", {}, `${a.key} = ${a.value}${a.reason ? ": " + a.reason : ""}`)))));
  if (D.warnings.length) out.push(el("p", {}, "Warnings"), el("ul", {}, ...D.warnings.map((w) => el("li", {}, w))));
  if (D.inputs.length) out.push(el("details", {}, el("summary", {}, "inputs and their digests"), el("ul", {}, ...D.inputs.map(([n, h]) => el("li", {}, n + "  " + h)))));
  if (D.left_out) out.push(el("p", { class: "note" }, `${D.left_out} dominated points were left out of this page; all are in points.csv.`));
  box.replaceChildren(...out);
}

/* Wiring */
const save = (name, type, text) => { const a = el("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name }); a.click(); URL.revokeObjectURL(a.href); };
const csvText = () => { if (!P) return runOf().operators.map((o) => [o.phase, JSON.stringify(o.name), o.count, o.latency_s, o.energy_j ?? ""].join(",")).join("\n"); const rows = [["point", ...cols.map((c) => c.key), "feasible", "on_front"].join(",")]; for (let i = 0; i < N; i++) if (passes(i)) rows.push([P.index[i], ...cols.map((c, k) => cols[k].choices ? JSON.stringify(show(k, i)) : raw(k, i) ?? ""), P.feasible[i], isFront[i]].join(",")); return rows.join("\n") + "\n"; };
const svgText = () => { const q = $(P ? "#p2 svg" : "#p5 svg").cloneNode(true); q.setAttribute("xmlns", "http://www.w3.org/2000/svg"); const st = s("style"); st.textContent = `text{font:11.5px sans-serif;fill:${css("--ink")}}.soft{fill:${css("--soft")}}.gridline{stroke:${css("--grid")}}.axis{stroke:${css("--line")}}`; q.prepend(st); return new XMLSerializer().serializeToString(q); };
function select(i) { S.sel = i; S.run = Math.min(S.run, ((shown() || {}).runs || [0]).length - 1); all(); }
function pin(i) { const k = S.pins.indexOf(i); if (k >= 0) S.pins.splice(k, 1); else { S.pins.push(i); if (S.pins.length > 2) S.pins.splice(1, 1); } all(); }
function filtered() { scatter(); parallel(); designs(); }
function details() { roofline(); breakdown(); memory(); tornado(); mix(); honesty(); }
function all() { keyFigures(); if (P) { scatter(); parallel(); designs(); } details(); }
function theme(t) { S.theme = t; document.documentElement.dataset.theme = t; all(); }
document.body.append(tip);
$("#theme").addEventListener("click", () => theme(S.theme === "dark" ? "light" : "dark"));
$("#copy").addEventListener("click", (e) => { const done = () => { e.target.textContent = "copied"; setTimeout(() => { e.target.textContent = "Copy command"; }, 1200); }; navigator.clipboard ? navigator.clipboard.writeText(D.command).then(done, () => {}) : done(); });
$("#csv").addEventListener("click", () => save(D.name + ".csv", "text/csv", csvText())); $("#json").addEventListener("click", () => save(D.name + ".json", "application/json", JSON.stringify(D))); $("#svg").addEventListener("click", () => save(D.name + ".svg", "image/svg+xml", svgText()));
document.addEventListener("keydown", (e) => { if (e.key === "Escape" && !$("#why").open) { S.ranges = {}; S.pins = []; S.top = 100; hideTip(); all(); } });
theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (e) => theme(e.matches ? "dark" : "light"));
window.wattline = { state: S, select, pin, data: D };
})();
