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

const shorten = (n, units, base) => {
  let i = 0;
  while (Math.abs(n) >= base && i < units.length - 1) { n /= base; i++; }
  return (i === 0 ? Math.round(n * 10) / 10 : n.toPrecision(3)) + units[i];
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

// series is the sum over all servers, the newest last.
function series(key) {
  const now = performance.now();
  const values = new Array(slots).fill(0);
  for (const { samples, at } of history.values()) {
    const missed = Math.max(0, Math.floor((now - at) / slot - 0.9));
    for (let i = 0; i < samples.length; i++) {
      const k = slots - 1 - missed - i;
      if (k < 0) break;
      values[k] += samples[samples.length - 1 - i][key];
    }
  }
  return values;
}

function drawRates() {
  const unit = document.querySelector("input[name=unit]:checked").value;
  const kinds = ["in", "out"].map(d => [d, series(d + "_" + unit.toLowerCase())]);
  const show = unit === "Bytes" ? bytes : count;
  const top = Math.max(1, ...kinds.flatMap(([, v]) => v)) * 1.1;
  const [left, right, high, low] = [64, 630, 20, 270];
  const x = i => left + (right - left) * i / (slots - 1);
  const y = v => low - (low - high) * v / top;
  const parts = [];
  for (let i = 0; i <= 4; i++) {
    const v = top * i / 4;
    parts.push(drawing("line", { class: "axis", x1: left, x2: right, y1: y(v), y2: y(v) }));
    parts.push(drawing("text", { class: "tick", x: left - 6, y: y(v) + 4, "text-anchor": "end" }, show(v)));
  }
  for (let m = 10; m >= 0; m -= 2) {
    parts.push(drawing("text", { class: "tick", x: x((slots - 1) * (10 - m) / 10), y: low + 20, "text-anchor": m === 0 ? "end" : "middle" },
      m === 0 ? "now" : "-" + m + " min"));
  }
  kinds.forEach(([d, values], i) => {
    parts.push(drawing("polyline", { class: d, points: values.map((v, i) => x(i).toFixed(1) + "," + y(v).toFixed(1)).join(" ") }));
    parts.push(drawing("text", { class: "tick key-" + d, x: right - 110 + i * 60, y: 10 }, (d === "in" ? "━ in" : "━ out")));
  });
  byID("rates").replaceChildren(...parts);
  byID("rates-text").textContent = kinds.map(([d, v]) => `${d}: ${show(v.at(-1))}/s now, ${show(Math.max(...v))}/s at most`).join("; ");
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

function drawMesh() {
  const servers = overview.servers.filter(s => !isGone(s));
  const where = new Map();
  const [cx, cy] = [320, 225];
  servers.forEach((s, i) => {
    const a = 2 * Math.PI * i / servers.length - Math.PI / 2;
    const place = servers.length === 1 ? [cx, cy] : [cx + 250 * Math.cos(a), cy + 175 * Math.sin(a)];
    where.set(s.id, place);
    where.set(s.name, place); // pairs without a route are told by name
  });
  const parts = [];
  const line = (a, b, kind, width, title) => {
    const [[x1, y1], [x2, y2]] = [where.get(a), where.get(b)];
    const e = drawing("line", { class: kind, x1, y1, x2, y2, "stroke-width": width });
    e.append(drawing("title", {}, title));
    parts.push(e);
    const along = servers.length > 2 ? 0.36 : 0.5; // in the middle many would meet
    return [x1 + (x2 - x1) * along, y1 + (y2 - y1) * along];
  };
  const all = links(servers);
  const labels = [];
  for (const l of all) {
    const [a, b] = l.ends;
    const far = focused && a.id !== focused && b.id !== focused;
    const [x, y] = line(a.id, b.id, "link" + (l.oneSided ? " one-sided" : "") + (far ? " far" : ""),
      (1 + Math.min(7, Math.log10(1 + l.msgs))).toFixed(1),
      `${a.name} - ${b.name}: ${rtt(l.rtt) || "RTT unknown"}, ${count(l.msgs)} msgs/s, ${bytes(l.bytes)}/s` +
      (l.pending ? `, ${bytes(l.pending)} wait` : "") + (l.oneSided ? ", only one end knows it" : ""));
    const named = all.length <= 15 || focused && !far;
    if (named && !far) labels.push([x, y, [rtt(l.rtt), l.msgs ? count(l.msgs) + "/s" : ""].filter(Boolean).join(" · ")]);
  }
  for (const p of overview.degraded) {
    if (where.has(p.from) && where.has(p.to)) {
      line(p.from, p.to, "link degraded", 2, `${p.from} has no route to ${p.to}`);
    }
  }
  for (const [x, y, text] of labels) parts.push(drawing("text", { class: "rtt", x, y: y + 4 }, text));
  for (const s of servers) {
    const [x, y] = where.get(s.id);
    const [kind, text] = stateOf(s);
    const routes = s.figures ? `, ${s.figures.routes.length} routes, ${s.figures.connections} connections` : "";
    const g = drawing("g", {
      class: `server ${kind}${s.self ? " self" : ""}`, tabindex: 0, role: "button", "data-id": s.id,
      "aria-label": `${s.name}: ${text}${routes}; show its connections`,
    });
    const r = servers.length > 24 ? 8 : 15;
    g.append(s.foreign ? drawing("rect", { x: x - r, y: y - r, width: 2 * r, height: 2 * r }) : drawing("circle", { cx: x, cy: y, r }));
    const below = y >= cy - 1;
    if (servers.length <= 24) {
      const name = s.name.length > 22 ? s.name.slice(0, 20) + "…" : s.name;
      g.append(drawing("text", { x, y: below ? y + 31 : y - 24 }, name));
      const second = kind === "ok" || kind === "foreign" ? (last(s) ? count(last(s).in_msgs) + " in/s" : "") : text;
      g.append(drawing("text", { class: "small", x, y: below ? y + 45 : y - 38 }, second));
    }
    g.append(drawing("title", {}, `${s.name}: ${text}${routes}`));
    parts.push(g);
  }
  const active = document.activeElement?.getAttribute?.("data-id");
  byID("mesh").replaceChildren(...parts);
  if (active) byID("mesh").querySelector(`[data-id="${CSS.escape(active)}"]`)?.focus();
}

function showServers() {
  const now = overview.now;
  fill(byID("servers"), overview.servers.map(s => {
    const [kind, text] = stateOf(s);
    const f = s.figures;
    return [
      s.name + (s.self ? " (this one)" : ""), [text, "state " + kind], s.since ? ago(now - s.since) : f ? ago(now - f.start) : "",
      f?.version || s.version || "", s.client || "", [s.self ? "" : rtt(s.rtt_ms), "number"], [f ? String(f.routes.length) : "", "number"],
      [f ? count(f.connections) : "", "number"], [last(s) ? count(last(s).in_msgs) : "", "number"],
      [last(s) ? count(last(s).out_msgs) : "", "number"], [f ? bytes(f.pending) : "", "number"],
    ];
  }));
  const select = document.querySelector("#connections-form select");
  const options = [["", "all servers"], ...overview.servers.filter(s => s.figures).map(s => [s.id, s.name])];
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
  const list = [];
  for (const s of overview.servers) {
    const [kind, text] = stateOf(s);
    if (kind === "failed" || kind === "suspect") list.push(`${s.name} is ${text}, since ${ago(overview.now - s.since)}`);
    if (kind === "silent") list.push(`${s.name} does not tell its figures: ${s.silent}`);
    if (kind === "away") list.push(`${s.name} is ${text}`);
  }
  for (const p of overview.degraded) list.push(`${p.from} has no route to ${p.to}, for ${ago(overview.now - p.since)}`);
  for (const l of links(overview.servers.filter(s => !isGone(s)))) {
    if (l.oneSided) list.push(`The route between ${l.ends[0].name} and ${l.ends[1].name} is known to one of them only`);
  }
  for (const d of overview.drift) list.push(`Servers differ in ${d.what}`);
  byID("alerts").hidden = list.length === 0;
  const ul = byID("alert-list");
  // Whoever listens to the page should hear only what is new.
  const old = [...ul.children].map(e => e.textContent);
  if (old.join("\n") !== list.join("\n")) ul.replaceChildren(...list.map(text => element("li", text)));
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
  const slow = overview.servers.flatMap(s => (s.figures?.slow ?? []).map(c => ({ ...c, server: s.name })));
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
      groups.set(value, [...(groups.get(value) ?? []), s.name]);
    }
    if (groups.size > 1) {
      for (const [value, names] of groups) rows.push([`${d.what}: ${name}`, [value, "wide"], [names.join(", "), "wide"]]);
    }
  }
  return rows.length ? rows : Object.entries(d.values).map(([value, names]) => [d.what, value, [names.join(", "), "wide"]]);
}

function show() {
  byID("cluster").textContent = overview.cluster || "shoal";
  byID("self").textContent = overview.name;
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
  ["name", "", c => [c.name || "", "wide"]], ["server", "", c => c.server], ["cid", "cid", c => [String(c.cid), "number"]],
  ["address", "", c => c.ip ? c.ip + ":" + c.port : ""], ["account / user", "", c => c.account + (c.user ? " / " + c.user : "")],
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
    const th = element("th", key ? "" : title, { scope: "col" });
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
    const answer = await fetch(new URL("connections?" + query, import.meta.url), { signal: mine.signal });
    if (!answer.ok) throw new Error(await answer.text());
    const page = await answer.json();
    fill(byID("connections"), page.connections.map(c => columns.map(([, , of]) => of(c))));
    byID("connections-count").textContent = `${page.connections.length} of ${page.total}` +
      (page.silent.length ? `; no answer from ${page.silent.join(", ")}` : "");
  } catch (e) {
    if (e.name !== "AbortError") byID("connections-count").textContent = "cannot be shown: " + e.message;
  } finally {
    if (asking === mine) asking = null;
  }
}

function live(on, text) {
  byID("live").textContent = text;
  byID("live").classList.toggle("on", on);
}

function listen() {
  const events = new EventSource(new URL("events", import.meta.url));
  events.addEventListener("overview", e => {
    const first = overview === null;
    overview = JSON.parse(e.data);
    remember(overview.servers);
    live(true, "live");
    show();
    if (first) askConnections();
  });
  events.addEventListener("error", () => {
    live(false, "this server does not answer, trying again");
    // A browser tries again by itself only where there was an answer before.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 1000);
  });
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
  focused = e.type === "mouseout" || e.type === "focusout" ? "" : e.target.closest?.("[data-id]")?.dataset.id ?? "";
  for (const line of byID("mesh").querySelectorAll(".far")) line.classList.remove("far");
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
listen();
