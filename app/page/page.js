// SPDX-License-Identifier: BSD-3-Clause
// The page of the metrics listener. All it shows comes from /json and is text to it: names of ports
// are whatever users called them, so nothing is ever parsed as HTML.
"use strict";

const EVERY_MS = 2000; // between the end of one look and the next
const SLOW = 5;        // of so many looks one asks for what changes seldom
const POINTS = 60;     // of a sparkline
const ROWS = 100;      // ports shown at once
const ADDRESSES = 2000; // a larger table is not asked for
const SHOWN = 8;       // addresses of a port

const state = {looks: 0, rates: new Map(), info: new Map(), why: new Map(), addresses: null, chosen: null};
const at = (id) => document.getElementById(id);

function make(tag, text, attributes = {}) {
	const e = document.createElement(tag);
	if (text !== undefined)
		e.textContent = text;
	for (const [name, value] of Object.entries(attributes))
		e.setAttribute(name, value);
	return e;
}

function fill(parent, children) {
	parent.replaceChildren(...children);
}

// --- asking

async function ask(path, as = "json") {
	const answer = await fetch(path, {cache: "no-store"});
	if (!answer.ok)
		throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
	return answer[as]();
}

// --- numbers

// "3.5 Mpps"; without a unit "3.5 M". The blank does not break a line.
function short(n, unit = "") {
	for (const prefix of ["", "k", "M", "G", "T"]) {
		if (n < 1000 || prefix === "T")
			return `${n < 10 && n % 1 ? n.toFixed(1) : Math.round(n)}\u00a0${prefix}${unit}`.trimEnd();
		n /= 1000;
	}
	return "";
}

// Growth of a counter in a second; one that was cleared begins anew.
function growth(now, before, seconds) {
	return before === undefined || now < before || seconds <= 0 ? 0 : (now - before) / seconds;
}

function sum(values) {
	return Object.values(values).reduce((a, b) => a + b, 0);
}

// --- rates of ports

function note(port, when) {
	const r = state.rates.get(port.id) || {rx: [], tx: [], drops: {}};
	const seconds = r.when === undefined ? 0 : (when - r.when) / 1000;
	const drops = {...port.rx.drops, ...port.tx.drops};

	if (r.name !== port.name) // another port has its number
		Object.assign(r, {rx: [], tx: [], last: undefined, name: port.name});
	for (const way of ["rx", "tx"]) {
		const last = r.last && r.last[way];
		r[way].push(last ? growth(port[way].frames, last.frames, seconds) : 0);
		r[way].splice(0, r[way].length - POINTS);
		r[`${way}Bits`] = last ? 8 * growth(port[way].bytes, last.bytes, seconds) : 0;
		r[`${way}Grown`] = last ? Math.max(0, port[way].frames - last.frames) : 0;
	}
	r.dropRate = {};
	for (const [reason, n] of Object.entries(drops))
		r.dropRate[reason] = r.last ? growth(n, r.drops[reason], seconds) : 0;
	Object.assign(r, {drops, last: port, when});
	state.rates.set(port.id, r);
}

function spark(values, way) {
	const ns = "http://www.w3.org/2000/svg";
	const svg = document.createElementNS(ns, "svg"), path = document.createElementNS(ns, "path");
	const most = Math.max(...values, 1);

	path.setAttribute("d", values.map((v, i) => `${i ? "L" : "M"}${i * 100 / (POINTS - 1)} ` +
		`${(19 - 18 * v / most).toFixed(2)}`).join(""));
	svg.setAttribute("viewBox", "0 0 100 20");
	svg.setAttribute("preserveAspectRatio", "none");
	svg.setAttribute("class", `spark ${way}`);
	svg.setAttribute("aria-hidden", "true");
	svg.append(path);
	return svg;
}

function traffic(r, way, column) {
	const cell = make("td", undefined, {"data-column": column});
	const values = r[way];

	cell.append(`${short(values[values.length - 1], "pps")}, ${short(r[`${way}Bits`], "bit/s")}`,
		spark(values, way === "rx" ? "in" : "out"));
	return cell;
}

// --- sections

function datapath(info) {
	const details = info && info[info.kind];
	return details && details.datapath ? details.datapath : "software";
}

function portRow(port) {
	const info = state.info.get(port.id), why = state.why.get(port.id);
	const up = info && info.link_up, name = make("td", undefined, {class: "name"});
	const row = make("tr", undefined, {"data-port": port.id});
	const button = make("button", `${port.id} ${port.name}`,
		{type: "button", class: "port", "aria-pressed": String(state.chosen === port.id)});
	const r = state.rates.get(port.id), rate = sum(r.dropRate);

	button.addEventListener("click", () => choose(port.id));
	name.append(button);
	row.append(name,
		make("td", up ? "up" : "down", {"data-column": "Link", class: up ? "good" : "bad"}),
		make("td", datapath(info), {"data-column": "Datapath"}),
		traffic(r, "rx", "From the port"), traffic(r, "tx", "To the port"),
		make("td", `${short(sum(r.drops))}, ${short(rate, "pps")}`,
			{"data-column": "Dropped", class: rate > 0 ? "bad" : ""}),
		make("td", why ? why.why : "", {class: "text", "data-column": "Against traffic"}));
	return row;
}

function showPorts(ports) {
	const wanted = at("filter").value.toLowerCase();
	const found = ports.filter((p) => `${p.id} ${p.name}`.toLowerCase().includes(wanted));
	const focused = document.activeElement && document.activeElement.closest("#ports tr");
	const id = focused && focused.dataset.port;

	fill(at("ports"), found.slice(0, ROWS).map(portRow));
	at("more").hidden = found.length <= ROWS;
	at("more").textContent = `${found.length - ROWS} more ports; a part of the name finds them.`;
	if (id) {
		const again = at("ports").querySelector(`tr[data-port="${id}"] button`);
		if (again)
			again.focus();
	}
}

function showDrops(ports) {
	const reasons = new Map();
	for (const port of ports) {
		const r = state.rates.get(port.id);
		for (const [reason, n] of Object.entries(r.drops)) {
			if (n === 0)
				continue;
			const one = reasons.get(reason) || {n: 0, rate: 0, ports: []};
			one.n += n;
			one.rate += r.dropRate[reason];
			one.ports.push([n, port.name]);
			reasons.set(reason, one);
		}
	}
	const rows = [...reasons].sort((a, b) => b[1].n - a[1].n).map(([reason, one]) => {
		const row = make("tr");
		one.ports.sort((a, b) => b[0] - a[0]);
		row.append(make("th", reason, {scope: "row"}), make("td", one.n.toLocaleString("en")),
			make("td", short(one.rate)),
			make("td", one.ports.slice(0, 3).map((p) => p[1]).join(", "), {class: "text"}));
		return row;
	});
	fill(at("drops"), rows.length ? rows : [tell("No frame was dropped.", 4)]);
}

function tell(text, columns) {
	const row = make("tr");
	row.append(make("td", text, {colspan: columns}));
	return row;
}

function showWorkers(workers, when) {
	const before = state.workers || [];
	const rows = workers.map((w, i) => {
		const last = before[i] || w, row = make("tr"), cell = make("td");
		const busy = growth(w.busy_us, last.busy_us, (when - state.workersAt) / 1000) / 1e4;
		const meter = make("meter", undefined, {min: 0, max: 100, value: busy.toFixed(0),
			"aria-label": `load of worker ${i}`});

		cell.append(meter, ` ${busy.toFixed(0)} %${w.asleep ? ", asleep" : ""}`);
		row.append(make("th", i, {scope: "row"}), make("td", w.lcore), cell,
			make("td", short(w.frames)), make("td", w.queues.join(" "), {class: "text"}));
		return row;
	});
	Object.assign(state, {workers, workersAt: when});
	fill(at("workers"), rows.length ? rows : [tell("There are no workers.", 5)]);
}

// Addresses by domain and VLAN, then by port.
function groups(ports) {
	const all = new Map();
	const put = (domain, vlan, port) => {
		const key = vlan ? `Domain ${domain}, VLAN ${vlan}` : `Domain ${domain}`;
		const group = all.get(key) || new Map();
		all.set(key, group);
		if (!group.has(port))
			group.set(port, []);
		return group.get(port);
	};

	for (const port of ports)
		if (state.info.has(port.id))
			put(state.info.get(port.id).domain, 0, port.id);
	for (const a of state.addresses || [])
		put(a.domain, a.vlan, a.port).push(a.mac);
	return all;
}

function whoIs(id, macs) {
	const info = state.info.get(id);
	if (state.addresses === null)
		return `${info ? info.fdb_entries : 0} addresses`;
	if (macs.length === 0)
		return "none";
	return macs.slice(0, SHOWN).join(" ") + (macs.length > SHOWN ? ` and ${macs.length - SHOWN} more` : "");
}

function share(id, way, all) {
	const r = state.rates.get(id);
	return all > 0 && r ? `${Math.round(100 * r[`${way}Grown`] / all)} %` : "-";
}

function groupTable(key, group) {
	const part = make("div"), table = make("table"), head = make("tr"), body = make("tbody");
	const ids = [...group.keys()].sort((a, b) => a - b), scroll = make("div", undefined, {class: "scroll"});
	const total = (way) => ids.reduce((n, id) =>
		n + (state.rates.has(id) ? state.rates.get(id)[`${way}Grown`] : 0), 0);
	const sent = total("rx"), got = total("tx");

	for (const text of ["Port", "Sends", "Is sent", "Addresses behind it"])
		head.append(make("th", text, {scope: "col"}));
	for (const id of ids.slice(0, ROWS)) {
		const row = make("tr"), info = state.info.get(id);
		row.append(make("th", info ? info.name : id, {scope: "row", class: "text"}),
			make("td", share(id, "rx", sent)), make("td", share(id, "tx", got)),
			make("td", whoIs(id, group.get(id)), {class: "text"}));
		body.append(row);
	}
	table.append(make("thead"), body);
	table.tHead.append(head);
	scroll.append(table);
	part.append(make("h3", key), scroll);
	return part;
}

function showTalk(ports) {
	const keys = [...groups(ports)].sort(([a], [b]) => a.localeCompare(b, "en", {numeric: true}));
	fill(at("talk"), keys.slice(0, ROWS).map(([key, group]) => groupTable(key, group)));
}

// --- one port

async function showOne() {
	const id = state.chosen, info = state.info.get(id), why = state.why.get(id);
	if (id === null)
		return;
	at("one-title").textContent = info ? `Port ${id}: ${info.name}` : `Port ${id}`;
	at("one-why").textContent = why ? why.why : "";
	at("one-none").hidden = true;
	at("one").hidden = false;
	at("one-text").textContent = info ? await ask(`text/port/${id}/negotiation`, "text") : "";
}

function choose(id) {
	state.chosen = id;
	for (const button of document.querySelectorAll("#ports button"))
		button.setAttribute("aria-pressed", String(button.closest("tr").dataset.port === String(id)));
	showOne().catch(trouble);
}

// --- the loop

function trouble(e) {
	at("trouble").hidden = false;
	at("trouble").textContent = `The switch does not answer as expected: ${e.message}. The page goes on asking.`;
}

function byId(list) {
	return new Map(list.map((one) => [one.id, one]));
}

async function slowly() {
	const info = await ask("json/port/info/all");
	state.info = byId(info);
	state.why = byId(await ask("json/port/all/why"));
	const known = info.reduce((n, p) => n + p.fdb_entries, 0);
	state.addresses = known <= ADDRESSES ? (await ask("json/fdb")).addresses : null;
	await showOne();
}

async function look() {
	const s = await ask("json/switch");
	if (state.looks++ % SLOW === 0)
		await slowly();
	const ports = await ask("json/port/stats/all"), when = performance.now();
	const workers = await ask("json/worker");

	at("switch").textContent = `${s.version}, mode ${s.mode}, ${s.forwarding ? "forwarding" : "not forwarding"}, ` +
		`${s.ports} ports, ${s.workers} workers, ${s.mbufs_free} of ${s.mbufs_free + s.mbufs_used} buffers free`;
	for (const id of state.rates.keys())
		if (!ports.some((p) => p.id === id))
			state.rates.delete(id);
	for (const port of ports)
		note(port, when);
	state.ports = ports;
	showPorts(ports);
	showTalk(ports);
	showDrops(ports);
	showWorkers(workers, when);
	at("trouble").hidden = true;
}

async function run() {
	try {
		if (!at("stop").checked && !document.hidden)
			await look();
	} catch (e) {
		trouble(e);
	}
	setTimeout(run, EVERY_MS);
}

at("filter").addEventListener("input", () => state.ports && showPorts(state.ports));
run();
