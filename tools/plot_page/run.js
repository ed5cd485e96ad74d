// SPDX-License-Identifier: BSD-2-Clause
// What is drawn of a run, and the scrubber that moves a cursor and the frame map.
"use strict";

// ---- The plots of a run -----------------------------------------------------------------------------

const samples = data.samples;

function rowsOf(columns, scale) {
	return samples.t.map((seconds, at) => [seconds, ...columns.map(column => scale(column[at]))]);
}

// Colours come again after seven VMs: names stand in the areas, and values name every series.
function plotOwners() {
	if (!data.recorded.memory) {
		tellMissing("Memory by owner", "not recorded: the event memory was off (docs/trace.md)");
		return;
	}
	const series = [{ key: "free", name: "free", colour: "#f2f2f2" }];
	const columns = [samples.free];
	data.vms.forEach((vm, at) => {
		series.push({ key: `vm${vm.id}`, name: vm.name, colour: colourOfVm(vm.id) });
		columns.push(samples.held[at]);
	});
	series.push({ key: "rest", name: "hypervisor", colour: "#808080" });
	columns.push(samples.rest);
	// A stack has no holes: where nothing is recorded it consists of one area, which says so.
	const unknown = samples.rest.map(rest => rest === null);
	if (unknown.includes(true)) {
		series.push({ key: UNKNOWN_KEY, name: "not recorded", colour: "#ffffff" });
		columns.push(unknown.map(is => is ? data.ram_pages : 0));
	}
	addPlot("Memory by owner", "MiB", series, rowsOf(columns, pages => mib(pages || 0)),
		{ stacked: true, marks: data.marks, unknown });
}

// Below the lower threshold VMs are asked for memory; above the upper one they may have it back.
function drawBands(context, area, graph) {
	const paint = (at, from, to, colour, stripes) => {
		if (to === null) {
			return; // not recorded
		}
		const left = Math.max(area.x, graph.toDomXCoord(samples.t[at]));
		const end = at + 1 < samples.t.length ? samples.t[at + 1] : data.end;
		const right = Math.min(area.x + area.w, graph.toDomXCoord(end) + 1);
		const top = Math.max(area.y, graph.toDomYCoord(to)), bottom = Math.min(area.y + area.h, graph.toDomYCoord(from));
		if (right <= left || bottom <= top) {
			return;
		}
		context.fillStyle = colour;
		context.fillRect(left, top, right - left, bottom - top);
		context.fillStyle = "#a04000";
		for (let y = Math.ceil(top / 6) * 6; stripes && y < bottom; y += 6) {
			context.fillRect(left, y, right - left, 1);
		}
	};
	samples.t.forEach((_, at) => {
		paint(at, 0, mib(samples.low[at]), "#f6c9a8", true);
		paint(at, mib(samples.low[at]), mib(samples.high[at]), "#fdf3c0", false);
	});
}

function plotSpare() {
	if (!data.recorded.limits) {
		addPlot("Spare memory; its thresholds are not recorded", "MiB", [
			{ key: "spare", name: "spare", colour: "#000000" },
		], rowsOf([samples.spare], mib), {});
		return;
	}
	addPlot("Spare memory, striped band: short, plain band: up to plenty", "MiB", [
		{ key: "spare", name: "spare", colour: "#000000" },
		{ key: "low", name: "low threshold", colour: "#d55e00", dash: DASHES[1] },
		{ key: "high", name: "high threshold", colour: "#0072b2", dash: DASHES[2] },
	], rowsOf([samples.spare, samples.low, samples.high], mib), { bands: drawBands });
}

function plotVms() {
	for (const [at, vm] of data.recorded.memory ? data.vms.slice(0, data.vms_plotted).entries() : []) {
		const own = data.marks.filter(mark => mark.vm === vm.id);
		addPlot(`${vm.name} (VM ${vm.id}): held, balloon and its target`, "MiB", [
			{ key: "held", name: "held", colour: "#000000" },
			{ key: "balloon", name: "in the balloon", colour: "#0072b2", dash: DASHES[1] },
			{ key: "target", name: "target of the balloon", colour: "#d55e00", dash: DASHES[2] },
		], rowsOf([samples.held[at], samples.balloon[at], samples.target[at]], mib), { small: true, marks: own });
	}
}

function plotRates() {
	const title = "Faults, and pages surrendered and returned";
	const all = [
		{ event: "fault", key: "faults", name: "faults", colour: "#000000" },
		{ event: "surrender", key: "surrendered", name: "pages surrendered", colour: "#d55e00", dash: DASHES[1] },
		{ event: "return", key: "returned", name: "pages returned", colour: "#0072b2", dash: DASHES[2] },
	];
	const series = all.filter(one => data.recorded[one.event]);
	const missing = all.filter(one => !data.recorded[one.event]).map(one => one.name).join(", ");
	if (series.length === 0 || data.rates.t.length === 0) {
		tellMissing(title, series.length ? "no time passes in this recording" : "not recorded");
		return;
	}
	const rows = data.rates.t.map((seconds, at) => [seconds, ...series.map(one => data.rates[one.key][at])]);
	rows.push([data.end, ...rows[rows.length - 1].slice(1)]); // the last stretch of time has an end, too
	addPlot(missing ? `${title}; not recorded: ${missing}` : title, "a second", series, rows, { digits: 0 });
}

// How many vCPUs of each VM wait for a frame: it changes where a wait begins or ends.
function plotWaits() {
	const vms = [...new Set(data.waits.map(wait => wait[0]))];
	const steps = [data.begin, data.end];
	data.waits.forEach(([, , begin, end]) => steps.push(begin, end));
	const times = [...new Set(steps)].sort((a, b) => a - b);
	const column = new Map(vms.map((vm, at) => [vm, at + 1]));
	const index = new Map(times.map((seconds, at) => [seconds, at]));
	const rows = times.map(seconds => [seconds, ...vms.map(() => 0)]);
	for (const [vm, , begin, end] of data.waits) {
		for (let at = index.get(begin); at < index.get(end); at++) {
			rows[at][column.get(vm)]++;
		}
	}
	const series = vms.map((vm, at) => ({ key: `vm${vm}`, name: nameOf(vm), colour: colourOfVm(vm), dash: DASHES[at % DASHES.length] }));
	if (!data.recorded.wait) {
		tellMissing("vCPUs that wait for a frame");
	} else if (vms.length === 0) {
		make("p", element("plots"), { id: "no-waits", textContent: "No vCPU waited for a frame." });
	} else {
		addPlot("vCPUs that wait for a frame", "vCPUs", series, rows, { small: true, digits: 0 });
	}
}

// ---- The scrubber -----------------------------------------------------------------------------------

const STEPS = 1000;
const map = data.map.frames ? new FrameMap(data.map) : null;
const view = map ? new MapView(map, element("map")) : null;
aerostat.map = map;
let pointed = -1; // the cell that is told about
let playing = null;

function showSums() {
	const rows = element("sums").tBodies[0];
	rows.replaceChildren();
	for (const [key, frames] of Object.entries(map.sumsAt(aerostat.moment)).sort()) {
		const [state, owner] = key.split(",").map(Number);
		const row = rows.insertRow();
		const box = make("canvas", row.insertCell(), { className: "key", width: 40, height: 16 });
		const isVm = owner && (state === GUEST || state === REVOKING);
		drawKey(box, { colour: isVm ? colourOfVm(owner) : GREYS[state] || GREYS[DIRTY] }, true);
		row.insertCell().textContent = lookName(state, owner, nameOf);
		row.insertCell().textContent = frames;
		row.insertCell().textContent = mib(frames).toFixed(1);
	}
}

function tellCell() {
	if (view && pointed >= 0) {
		element("cell").textContent = view.tell(pointed, nameOf);
	}
}

function scrubTo(seconds) {
	aerostat.moment = Math.min(data.end, Math.max(data.begin, seconds));
	element("moment").value = Math.round((aerostat.moment - data.begin) / (data.end - data.begin || 1) * STEPS);
	element("when").textContent = `${aerostat.moment.toFixed(3)} s`;
	if (view) {
		view.draw(aerostat.moment);
		showSums();
		tellCell();
	}
	for (const entry of graphs) {
		place(entry);
		tellValues(entry, rowNear(entry.rows, aerostat.moment));
	}
}
aerostat.scrubTo = scrubTo;

function moveByKey(event) {
	const [low, high] = shownRange();
	const step = (high - low) / 200;
	const way = { ArrowLeft: -step, ArrowRight: step, PageUp: -20 * step, PageDown: 20 * step }[event.key];
	if (way !== undefined) {
		event.preventDefault();
		scrubTo(aerostat.moment + way);
	}
}

function play() {
	if (playing) {
		clearInterval(playing);
		playing = null;
	} else {
		const [low, high] = shownRange();
		if (aerostat.moment >= high) {
			scrubTo(low);
		}
		playing = setInterval(() => {
			scrubTo(aerostat.moment + (high - low) / 300);
			if (aerostat.moment >= high) {
				play();
			}
		}, 50);
	}
	element("play").textContent = playing ? "Stop" : "Play";
}

function connect() {
	const moment = element("moment");
	moment.max = STEPS;
	moment.addEventListener("input", () => scrubTo(data.begin + moment.value / STEPS * (data.end - data.begin)));
	element("play").addEventListener("click", play);
	document.addEventListener("keydown", event => {
		if (event.key === "Escape") {
			zoomTo([data.begin, data.end], null);
		}
	});
	window.addEventListener("resize", placeAll);
	if (!view) {
		element("map-section").hidden = true;
		return;
	}
	const canvas = element("map");
	canvas.addEventListener("mousemove", event => {
		pointed = view.cellAt(event.offsetX, event.offsetY);
		tellCell();
	});
	canvas.addEventListener("keydown", event => {
		const way = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -view.columns, ArrowDown: view.columns }[event.key];
		if (way !== undefined) {
			event.preventDefault();
			pointed = Math.min(view.cells.length - 1, Math.max(0, pointed + way));
			tellCell();
		}
	});
}

// ---- All of it ---------------------------------------------------------------------------------------

element("facts").textContent = data.facts;
data.notes.forEach(note => make("li", element("notes"), { textContent: note }));
plotOwners();
plotSpare();
plotVms();
plotRates();
plotWaits();
for (const mark of data.marks) {
	const button = make("button", make("li", element("marks")), { type: "button",
		textContent: `${LOOKS_OF_MARKS[mark.kind]} ${markText(mark)}` });
	button.addEventListener("click", () => scrubTo(mark.t));
}
connect();
zoomTo([data.begin, data.end], null);
scrubTo(data.first);
aerostat.ready = true;
