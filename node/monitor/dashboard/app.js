// The dashboard shows what the server tells it, once a second over server-sent events. Names of clients and
// subjects come from whoever connects, so everything is put into the page as text, never as markup.

const byID = id => document.getElementById(id);
const svgSpace = "http://www.w3.org/2000/svg";
const slot = 5000; // milliseconds between two samples
const slots = 120;

// history has the samples of each server, the newest last, and when that arrived. Servers' clocks may
// differ, so samples are lined up by their arrival.
const history = new Map();
let overview = null;
let focused = ""; // the ID of a server whose routes are to stand out
let redrawing = false;
let domain = ""; // what the names of all servers end with, from a dot on, which is left out

const shorten = (n, units, base) => {
  let i = 0;
  while (Math.abs(n) >= base && i < units.length - 1) { n /= base; i++; }
  if (i === 0) return (Math.abs(n) < 100 ? Math.round(n * 10) / 10 : Math.round(n)) + units[i];
  return Number(n.toPrecision(3)) + units[i];
};
const count = n => shorten(n || 0, ["", "k", "M", "G", "T"], 1000);
const bytes = n => shorten(n || 0, [" B", " KiB", " MiB", " GiB", " TiB"], 1024);
const rtt = ms => !ms ? "" : ms < 1 ? Math.round(ms * 1000) + " µs" : ms.toPrecision(3) + " ms";
const ago = ms => {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 120) return s + " s";
  if (s < 7200) return Math.round(s / 60) + " min";
  if (s < 172800) return Math.round(s / 3600) + " h";
  return Math.round(s / 86400) + " d";
};

const sum = (list, of) => list.reduce((n, x) => n + of(x), 0);
const last = s => s.figures?.samples?.at(-1);
const isGone = s => s.liveness === "left";

// commonDomain returns the longest end from a dot on that all of several names have.
function commonDomain(names) {
  for (let i = names[0].indexOf("."); names.length > 1 && i > 0; i = names[0].indexOf(".", i + 1)) {
    const end = names[0].slice(i);
    if (/[a-z]/i.test(end) && names.every(n => n.endsWith(end) && n.length > end.length)) return end;
  }
  return "";
}

const brief = name => domain && name.endsWith(domain) ? name.slice(0, -domain.length) : name;

// stateOf is the class and the text of how a server is.
function stateOf(s) {
  switch (s.liveness) {
    case "failed": return ["failed", "failed"];
    case "suspect": return ["suspect", "suspect"];
    case "left": return ["left", "left"];
  }
  if (s.foreign) return ["foreign", "nats-server"];
  if (s.state && s.state !== "active") return ["away", s.state];
  if (s.silent) return ["silent", "does not answer"];
  return ["ok", "alive"];
}

// element makes an HTML element with text and attributes.
function element(name, text = "", attributes = {}) {
  const e = document.createElement(name);
  if (text !== "") e.textContent = text;
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  return e;
}

function drawing(name, attributes = {}, text = "") {
  const e = document.createElementNS(svgSpace, name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== "") e.textContent = text;
  return e;
}

// fill replaces the rows of a table. A cell is a text, or [text, class].
function fill(table, rows) {
  table.tBodies[0].replaceChildren(...rows.map(cells => {
    const row = element("tr");
    for (const cell of cells) {
      const [text, kind] = Array.isArray(cell) ? cell : [cell, ""];
      row.append(element("td", text, kind ? { class: kind } : {}));
    }
    return row;
  }));
  const none = byID(table.id + "-none");
  if (none) none.hidden = rows.length > 0;
  table.parentElement.hidden = rows.length === 0 && none !== null;
}

// remember keeps the samples of an overview.
function remember(servers) {
  const now = performance.now();
  for (const s of servers) {
    const samples = s.figures?.samples;
    if (!samples?.length) continue;
    const known = history.get(s.id);
    if (!known || samples.length > 1) {
      history.set(s.id, { samples: samples.slice(-slots), at: now });
    } else if (known.samples.at(-1).t !== samples[0].t) {
      known.samples.push(samples[0]);
      known.samples.splice(0, known.samples.length - slots);
      known.at = now;
    }
  }
}

// series is the sum over all servers, the newest last. It is undefined where none has told anything.
function series(key) {
  const now = performance.now();
  const values = new Array(slots).fill(undefined);
  for (const { samples, at } of history.values()) {
    const missed = Math.max(0, Math.floor((now - at) / slot - 0.9));
    for (let i = 0; i < samples.length; i++) {
      const k = slots - 1 - missed - i;
      if (k < 0) break;
      values[k] = (values[k] ?? 0) + samples[samples.length - 1 - i][key];
    }
  }
  // What is missing at the end has been lost, what is missing at the beginning has never been.
  const first = values.findIndex(v => v !== undefined);
  return values.map((v, i) => i > first && first >= 0 ? v ?? 0 : v);
}

// stepOf returns a round number, some four of which reach up to a value.
function stepOf(most, base) {
  const unit = base ** Math.max(0, Math.floor(Math.log(most) / Math.log(base)));
  const rough = most / unit / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return unit * power * [1, 2, 2.5, 5, 10].find(n => n * power >= rough);
}

const narrow = 480; // pixels, of a picture that has no room for long texts

// plane gives a picture as many units as it has pixels, so that its texts are as large as others.
function plane(id, height) {
  const width = Math.max(260, Math.round(byID(id).parentElement.clientWidth - 30));
  byID(id).setAttribute("viewBox", `0 0 ${width} ${height}`);
  return width;
}

function drawRates() {
  const unit = document.querySelector("input[name=unit]:checked").value;
  const kinds = ["in", "out"].map(d => [d, series(d + "_" + unit.toLowerCase())]);
  const show = unit === "Bytes" ? bytes : count;
  const most = Math.max(4, ...kinds.flatMap(([, v]) => v.filter(n => n !== undefined)));
  const step = stepOf(most, unit === "Bytes" ? 1024 : 1000);
  const top = Math.ceil(most / step) * step;
  // Beside the mesh it is as high as that.
  const height = Math.max(270, matchMedia("(min-width: 861px)").matches ? byID("mesh").viewBox.baseVal.height - 40 : 0);
  const [left, right, high, low] = [62, plane("rates", height) - 4, 26, height - 26];
  const x = i => left + (right - left) * i / (slots - 1);
  const y = v => low - (low - high) * v / top;
  const parts = [];
  for (let v = 0; v <= top; v += step) {
    parts.push(drawing("line", { class: "axis", x1: left, x2: right, y1: y(v), y2: y(v) }));
    parts.push(drawing("text", { class: "tick", x: left - 8, y: y(v) + 4, "text-anchor": "end" }, show(v)));
  }
  for (let m = 10; m >= 0; m -= right < narrow ? 5 : 2) {
    parts.push(drawing("text", { class: "tick", x: x((slots - 1) * (10 - m) / 10), y: low + 20, "text-anchor": m === 0 ? "end" : m === 10 ? "start" : "middle" },
      m === 0 ? "now" : "-" + m + " min"));
  }
  kinds.forEach(([d, values], i) => {
    const known = values.map((v, i) => [v, i]).filter(([v]) => v !== undefined);
    const points = known.map(([v, i]) => x(i).toFixed(1) + "," + y(v).toFixed(1)).join(" ");
    if (known.length) {
      parts.push(drawing("polygon", { class: "area-" + d, points: `${x(known[0][1]).toFixed(1)},${low} ${points} ${right},${low}` }));
      parts.push(drawing("polyline", { class: d, points }));
    }
    parts.push(drawing("text", { class: "tick key-" + d, x: right - 62 * (1 - i), y: 12, "text-anchor": "end" }, "━ " + d));
  });
  byID("rates").replaceChildren(...parts);
  byID("rates-text").textContent = kinds.map(([d, v]) => `${d}: ${show(v.at(-1))}/s now, ${show(Math.max(0, ...v.filter(n => n !== undefined)))}/s at most`).join("; ");
}

// links returns the pairs of servers with a route, as the two ends tell of it.
function links(servers) {
  const found = new Map();
  const at = new Map(servers.map(s => [s.id, s]));
  for (const s of servers) {
    for (const r of s.figures?.routes ?? []) {
      if (!at.has(r.to)) continue;
      const key = [s.id, r.to].sort().join(" ");
      const l = found.get(key) ?? { ends: [at.get(s.id), at.get(r.to)], told: 0, msgs: 0, bytes: 0, rtt: 0, pending: 0 };
      l.told++;
      l.msgs = Math.max(l.msgs, r.msgs);
      l.bytes = Math.max(l.bytes, r.bytes);
      l.rtt = l.rtt ? (l.rtt + (r.rtt_ms || l.rtt)) / 2 : r.rtt_ms;
      l.pending = Math.max(l.pending, r.pending);
      found.set(key, l);
    }
  }
  for (const l of found.values()) l.oneSided = l.told === 1 && l.ends.every(s => s.figures);
  return [...found.values()];
}

// places puts servers on an ellipse that fills the picture but for room for their names.
function places(servers, width) {
  const n = servers.length;
  const named = n <= mostNamed;
  const height = n === 1 ? 130 : n === 2 ? 170 : n <= 6 ? 300 : n <= 12 ? 380 : 470;
  const letters = Math.max(n > mostTraffic ? 6 : width < narrow ? 10 : 17, ...servers.map(s => brief(s.name).length));
  const side = named ? Math.min(letters * 7.5, width * 0.27, 170) + 24 : 20;
  const above = named ? 46 : 20;
  const units = servers.map((_, i) => {
    const a = 2 * Math.PI * i / n - (n === 2 ? Math.PI : Math.PI / 2);
    return [Math.cos(a), Math.sin(a)];
  });
  const into = (k, from, to) => {
    const all = units.map(u => u[k]);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    return u => high - low < 0.01 ? (from + to) / 2 : from + (to - from) * (u[k] - low) / (high - low);
  };
  const half = Math.min(width / 2 - side, (height / 2 - above) * 1.7);
  const [x, y] = [into(0, width / 2 - half, width / 2 + half), into(1, above, height - above)];
  return { height, named, letters: Math.floor((side - 20) / 7), at: units.map(u => [x(u), y(u), ...u]) };
}

const mostNamed = 24, mostTraffic = 12; // servers, with more of them texts would overlap

// lost reports whether a route leads to a server that has failed, and is only not yet given up.
const lost = l => l.ends.some(s => s.liveness === "failed");

// traffic tells the messages of a server in as few words as there is room for.
function traffic(s, width) {
  const rates = last(s);
  if (!rates) return "";
  const both = [[rates.in_msgs, "in"], [rates.out_msgs, "out"]];
  if (width < narrow) both.splice(rates.in_msgs >= rates.out_msgs ? 1 : 0, 1);
  return both.map(([n, way]) => count(n) + " " + way).join(" · ") + " /s";
}

function drawMesh() {
  const servers = overview.servers.filter(s => !isGone(s));
  const width = plane("mesh", 0);
  const { height, named, letters, at } = places(servers, width);
  plane("mesh", height);
  const where = new Map();
  servers.forEach((s, i) => {
    where.set(s.id, at[i]);
    where.set(s.name, at[i]); // pairs without a route are told by name
  });
  const all = links(servers);
  const thin = all.length > 40 ? 0.35 : 1;
  const parts = [];
  const line = (a, b, kind, width, title) => {
    const [[x1, y1], [x2, y2]] = [where.get(a), where.get(b)];
    const e = drawing("line", { class: kind, x1, y1, x2, y2, "stroke-width": width });
    e.append(drawing("title", {}, title));
    parts.push(e);
    const along = servers.length > 3 ? 0.36 : 0.5; // in the middle many would meet
    return [x1 + (x2 - x1) * along, y1 + (y2 - y1) * along];
  };
  const labels = [];
  for (const l of all) {
    const [a, b] = l.ends;
    const far = focused && a.id !== focused && b.id !== focused;
    const [x, y] = line(a.id, b.id, "link" + (lost(l) ? " lost" : l.oneSided ? " one-sided" : "") + (far ? " far" : "") + (thin < 1 && !focused ? " many" : ""),
      ((1 + Math.min(7, Math.log10(1 + l.msgs))) * thin).toFixed(1),
      `${brief(a.name)} - ${brief(b.name)}: ${rtt(l.rtt) || "RTT unknown"}, ${count(l.msgs)} msgs/s, ${bytes(l.bytes)}/s` +
      (l.pending ? `, ${bytes(l.pending)} wait` : "") + (l.oneSided ? ", only one end knows it" : ""));
    if (!far && !lost(l) && (focused || all.length <= (width < narrow ? 3 : 15))) {
      labels.push([x, y, [rtt(l.rtt), l.msgs && width >= narrow ? count(l.msgs) + "/s" : ""].filter(Boolean).join(" · ")]);
    }
  }
  for (const p of overview.degraded) {
    if (where.has(p.from) && where.has(p.to)) {
      line(p.from, p.to, "link degraded", 2.5, `${brief(p.from)} has no route to ${brief(p.to)}`);
    }
  }
  for (const [x, y, text] of labels) {
    if (text === "") continue;
    const w = text.length * 6.2 + 10;
    parts.push(drawing("rect", { class: "plate", x: x - w / 2, y: y - 9, width: w, height: 18, rx: 9 }));
    parts.push(drawing("text", { class: "rtt", x, y: y + 4 }, text));
  }
  const r = servers.length > 12 ? 9 : 14;
  servers.forEach((s, i) => {
    const [x, y, ux, uy] = at[i];
    const [kind, text] = stateOf(s);
    const routes = s.figures ? `, ${s.figures.routes.length} routes, ${s.figures.connections} connections` : "";
    const g = drawing("g", {
      class: `server ${kind}${s.self ? " self" : ""}${focused && focused !== s.id ? " far" : ""}`, tabindex: 0, role: "button", "data-id": s.id,
      "aria-label": `${s.name}: ${text}${routes}; show its connections`,
    });
    g.append(s.foreign ? drawing("rect", { x: x - r, y: y - r, width: 2 * r, height: 2 * r, rx: 3 }) : drawing("circle", { cx: x, cy: y, r }));
    if (named) {
      const whole = brief(s.name);
      const name = whole.length > letters ? whole.slice(0, letters - 1) + "…" : whole;
      const second = kind === "ok" || kind === "foreign" ? (servers.length <= mostTraffic ? traffic(s, width) : "") : text;
      const beside = servers.length > 1 && Math.abs(ux) > 0.2;
      const attributes = { x: beside ? x + Math.sign(ux) * (r + 7) : x, "text-anchor": !beside ? "middle" : ux > 0 ? "start" : "end" };
      const first = beside ? y + (second ? -2 : 4) + uy * 4 : servers.length > 1 && uy < 0 ? y - r - (second ? 21 : 8) : y + r + 17;
      g.append(drawing("text", { ...attributes, y: first }, name));
      if (second) g.append(drawing("text", { ...attributes, class: "small", y: first + 14 }, second));
    }
    g.append(drawing("title", {}, `${s.name}: ${text}${routes}`));
    parts.push(g);
  });
  // Whoever has the focus is replaced, and loses and gets it again.
  const active = document.activeElement?.getAttribute?.("data-id");
  redrawing = true;
  byID("mesh").replaceChildren(...parts);
  if (active) byID("mesh").querySelector(`[data-id="${CSS.escape(active)}"]`)?.focus();
  redrawing = false;
}

function showServers() {
  const now = overview.now;
  fill(byID("servers"), overview.servers.map(s => {
    const [kind, text] = stateOf(s);
    const f = s.figures;
    return [
      brief(s.name) + (s.self ? " (this one)" : ""), [text, "state " + kind], s.since ? ago(now - s.since) : f ? ago(now - f.start) : "",
      f?.version || s.version || "", s.client || "", [s.self ? "" : rtt(s.rtt_ms), "number"], [f ? String(f.routes.length) : "", "number"],
      [f ? count(f.connections) : "", "number"], [last(s) ? count(last(s).in_msgs) : "", "number"],
      [last(s) ? count(last(s).out_msgs) : "", "number"], [f ? bytes(f.pending) : "", "number"],
    ];
  }));
  const select = document.querySelector("#connections-form select");
  const options = [["", "all servers"], ...overview.servers.filter(s => s.figures).map(s => [s.id, brief(s.name)])];
  if (options.map(o => o.join()).join(";") !== select.dataset.options) {
    const chosen = select.value;
    select.replaceChildren(...options.map(([value, text]) => element("option", text, { value })));
    select.dataset.options = options.map(o => o.join()).join(";");
    select.value = options.some(o => o[0] === chosen) ? chosen : "";
  }
}

function showTotals() {
  const answering = overview.servers.filter(s => s.figures);
  const alive = overview.servers.filter(s => s.liveness === "alive");
  const rate = key => sum(answering, s => last(s)?.[key] ?? 0);
  byID("t-servers").textContent = `${alive.length} of ${overview.servers.filter(s => !isGone(s)).length}`;
  byID("t-connections").textContent = count(sum(answering, s => s.figures.connections));
  byID("t-subscriptions").textContent = count(sum(answering, s => s.figures.subscriptions));
  byID("t-slow").textContent = count(sum(answering, s => s.figures.slow_consumers));
  byID("t-in").textContent = count(rate("in_msgs"));
  byID("t-out").textContent = count(rate("out_msgs"));
  byID("t-in-bytes").textContent = bytes(rate("in_bytes"));
  byID("t-out-bytes").textContent = bytes(rate("out_bytes"));
}

function showAlerts() {
  // What is said aloud has no times, or it would be said again every second.
  const list = [];
  const add = (kind, text, time = "") => list.push({ kind, text, time });
  for (const s of overview.servers) {
    const [kind, text] = stateOf(s);
    const name = brief(s.name);
    if (kind === "failed") add("bad", `${name} has failed`, `${ago(overview.now - s.since)} ago`);
    if (kind === "suspect") add("bad", `${name} may have failed, it does not answer`, `since ${ago(overview.now - s.since)}`);
    if (kind === "silent") add("bad", `${name} does not tell its figures: ${s.silent}`);
    if (kind === "away") add("planned", `${name} is ${text}`);
  }
  for (const p of overview.degraded) add("bad", `${brief(p.from)} has no route to ${brief(p.to)}`, `for ${ago(overview.now - p.since)}`);
  for (const l of links(overview.servers.filter(s => !isGone(s)))) {
    if (l.oneSided && !lost(l)) add("bad", `The route between ${l.ends.map(s => brief(s.name)).join(" and ")} is known to one of them only`);
  }
  for (const d of overview.drift) add("bad", `Servers differ in ${d.what}, see the end of this page`);
  const bad = list.some(a => a.kind === "bad");
  byID("alerts").hidden = list.length === 0;
  byID("alerts").className = bad ? "bad" : "planned";
  byID("alerts-title").textContent = bad ? "What is wrong" : "What is going on";
  byID("alert-list").replaceChildren(...list.map(a => {
    const li = element("li", a.text, { class: a.kind });
    if (a.time) li.append(element("span", ", " + a.time));
    return li;
  }));
  const aloud = list.map(a => a.text).join("; ");
  if (byID("alerts-aloud").textContent !== aloud) byID("alerts-aloud").textContent = aloud;
}

function showRest() {
  const subjects = new Map();
  for (const s of overview.servers) {
    for (const r of s.figures?.subjects ?? []) {
      const key = r.account + " " + r.subject;
      const t = subjects.get(key) ?? { account: r.account, subject: r.subject, msgs: 0, subs: 0 };
      t.msgs += r.msgs;
      t.subs += r.subs;
      subjects.set(key, t);
    }
  }
  fill(byID("subjects"), [...subjects.values()].sort((a, b) => b.msgs - a.msgs).slice(0, 20)
    .map(r => [[r.subject, "wide"], r.account, [count(r.msgs), "number"], [count(r.subs), "number"]]));
  const slow = overview.servers.flatMap(s => (s.figures?.slow ?? []).map(c => ({ ...c, server: brief(s.name) })));
  slow.sort((a, b) => (b.stop || Infinity) - (a.stop || Infinity));
  fill(byID("slow"), slow.slice(0, 30).map(c => [
    [c.name || "cid " + c.cid, "wide"], c.server, c.stop ? ago(overview.now - c.stop) + " ago" : "now",
    c.stop ? c.reason : bytes(c.pending) + " wait",
  ]));
  fill(byID("drift"), overview.drift.flatMap(differences));
}

// differences are the settings of a section in which servers differ, or if none of them has told any, what
// they gossip of it.
function differences(d) {
  const told = overview.servers.filter(s => s.figures?.settings?.[d.what]);
  const rows = [];
  for (const name of new Set(told.flatMap(s => Object.keys(s.figures.settings[d.what])))) {
    const groups = new Map();
    for (const s of told) {
      const value = s.figures.settings[d.what][name] ?? "(unknown to it)";
      groups.set(value, [...(groups.get(value) ?? []), brief(s.name)]);
    }
    if (groups.size > 1) {
      for (const [value, names] of groups) rows.push([`${d.what}: ${name}`, [value, "wide"], [names.join(", "), "wide"]]);
    }
  }
  return rows.length ? rows : Object.entries(d.values).map(([value, names]) => [d.what, value, [names.map(brief).join(", "), "wide"]]);
}

function show() {
  byID("cluster").textContent = overview.cluster || "shoal";
  byID("self").textContent = overview.name;
  domain = commonDomain(overview.servers.map(s => s.name));
  document.title = (overview.cluster || overview.name) + " - shoal";
  showAlerts();
  showTotals();
  drawMesh();
  drawRates();
  showServers();
  showRest();
}

// Connections are asked for, rather than sent: there may be very many.
const columns = [
  ["name", "", c => [c.name || "", "wide"]], ["server", "", c => brief(c.server)], ["cid", "cid", c => [String(c.cid), "number"]],
  ["address", "", c => c.ip ? c.ip + ":" + c.port : ""], ["account", "", c => c.account + (c.user ? " / " + c.user : "")],
  ["library", "", c => [c.lang, c.version].filter(Boolean).join(" ")], ["subs", "subs", c => [count(c.subscriptions), "number"]],
  ["in msgs", "msgs_from", c => [count(c.in_msgs), "number"]], ["out msgs", "msgs_to", c => [count(c.out_msgs), "number"]],
  ["in bytes", "bytes_from", c => [bytes(c.in_bytes), "number"]], ["out bytes", "bytes_to", c => [bytes(c.out_bytes), "number"]],
  ["pending", "pending", c => [bytes(c.pending), "number"]], ["RTT", "rtt", c => [rtt(c.rtt_ms), "number"]],
  ["idle", "idle", c => [ago(overview.now - c.last), "number"]], ["age", "uptime", c => [ago(overview.now - c.start), "number"]],
];
let order = "msgs_to";
let asking = null;

function headConnections() {
  const row = byID("connections").tHead.rows[0];
  row.replaceChildren(...columns.map(([title, key]) => {
    const th = element("th", key ? "" : title, key ? { scope: "col", class: "number" } : { scope: "col" });
    if (key) {
      const b = element("button", title, { type: "button" });
      b.addEventListener("click", () => { order = key; headConnections(); askConnections(); row.querySelector("[aria-sort] button").focus(); });
      th.append(b);
      if (key === order) th.setAttribute("aria-sort", "descending");
    }
    return th;
  }));
}

async function askConnections() {
  if (!overview || document.hidden) return;
  asking?.abort();
  const mine = asking = new AbortController();
  const form = new FormData(byID("connections-form"));
  const query = new URLSearchParams({ sort: order, filter: form.get("filter"), server: form.get("server") });
  try {
    const answer = await fetch(new URL("connections?" + query, import.meta.url), { signal: AbortSignal.any([mine.signal, AbortSignal.timeout(10000)]) });
    if (!answer.ok) throw new Error(await answer.text());
    const page = await answer.json();
    fill(byID("connections"), page.connections.map(c => columns.map(([, , of]) => of(c))));
    byID("connections-count").textContent = `${page.connections.length} of ${page.total}` +
      (page.silent.length ? `; no answer from ${page.silent.map(brief).join(", ")}` : "");
  } catch (e) {
    if (e.name !== "AbortError") byID("connections-count").textContent = "cannot be shown: " + e.message;
  } finally {
    if (asking === mine) asking = null;
  }
}

// What was told last must not look as if it were still so.
let heard = performance.now(); // when the server has told something, or was asked anew
let told = ""; // the time of day of what is shown
let events = null;

function live(on) {
  const text = on ? "live" : "this server does not answer" + (told && ", all this is how it was at " + told);
  if (byID("live").textContent !== text) byID("live").textContent = text;
  document.body.classList.toggle("live", on);
  document.body.classList.toggle("stale", !on);
}

function listen() {
  events?.close();
  events = new EventSource(new URL("events", import.meta.url));
  const mine = events;
  mine.addEventListener("overview", e => {
    const first = overview === null;
    heard = performance.now();
    told = new Date().toLocaleTimeString();
    overview = JSON.parse(e.data);
    overview.servers.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
    remember(overview.servers);
    live(true);
    show();
    if (first) askConnections();
  });
  mine.addEventListener("error", () => {
    live(false);
    // A browser tries again by itself only where there was an answer before.
    if (mine.readyState === EventSource.CLOSED && mine === events) setTimeout(listen, 1000);
  });
}

// A server that hangs, or that no packets reach, ends no connection.
function watch() {
  const silent = performance.now() - heard;
  if (silent > 4000) live(false);
  if (silent > 20000) {
    heard = performance.now() - 5000;
    listen();
  }
}

function choose(e) {
  const g = e.target.closest?.("[data-id]");
  if (!g || e.type === "keydown" && e.key !== "Enter" && e.key !== " ") return;
  e.preventDefault();
  const select = document.querySelector("#connections-form select");
  if ([...select.options].some(o => o.value === g.dataset.id)) {
    select.value = g.dataset.id;
    askConnections();
    byID("connections-title").scrollIntoView();
  }
}

function stand(e) {
  if (redrawing) return;
  const id = e.type === "mouseout" || e.type === "focusout" ? "" : e.target.closest?.("[data-id]")?.dataset.id ?? "";
  if (id === focused) return;
  focused = id;
  if (overview) drawMesh();
}

const mesh = byID("mesh");
mesh.addEventListener("click", choose);
mesh.addEventListener("keydown", choose);
for (const type of ["mouseover", "mouseout", "focusin", "focusout"]) mesh.addEventListener(type, stand);
for (const input of document.querySelectorAll("input[name=unit]")) input.addEventListener("change", () => overview && drawRates());
byID("connections-form").addEventListener("input", askConnections);
byID("connections-form").addEventListener("submit", e => { e.preventDefault(); askConnections(); });
headConnections();
setInterval(() => asking || askConnections(), 2000);
setInterval(watch, 1000);
addEventListener("resize", () => overview && (drawMesh(), drawRates()));
listen();
