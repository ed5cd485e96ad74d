// SPDX-License-Identifier: BSD-2-Clause
// A plot, drawn by dygraphs, and what lies over it: names of areas, marks, the cursor. run.js says which.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const names = new Map(data.vms.map(vm => [vm.id, vm.name]));
const nameOf = vm => names.get(vm) || `vm${vm}`;
const mib = pages => pages === null ? null : pages / 256; // null: not recorded
const element = id => document.getElementById(id);
const DASHES = [null, [9, 3], [3, 3], [9, 3, 3, 3], [15, 5], [2, 6]];
const graphs = []; // {graph, box, values, series, unit}
const aerostat = { data, graphs, moment: data.begin };
window.aerostat = aerostat;

function make(tag, parent, properties) {
	const made = Object.assign(document.createElement(tag), properties || {});
	parent.append(made);
	return made;
}

// ---- Zooming: all plots show the same stretch of time ------------------------------------------

function zoomTo(range, from) {
	for (const entry of graphs) {
		if (entry.graph !== from) {
			entry.graph.updateOptions({ dateWindow: range });
		}
	}
	placeAll();
}

function shownRange() {
	return graphs.length ? graphs[0].graph.xAxisRange() : [data.begin, data.end];
}

// ---- One plot -------------------------------------------------------------------------------------

// What was lost, grey and hatched; then `bands` of the plot itself.
function underlay(bands) {
	return (context, area, graph) => {
		for (const [begin, end] of data.gaps) {
			const left = graph.toDomXCoord(begin), right = Math.max(left + 3, graph.toDomXCoord(end));
			context.fillStyle = "#c8c8c8";
			context.fillRect(left, area.y, right - left, area.h);
			context.fillStyle = "#606060";
			for (let y = area.y; y < area.y + area.h; y += 8) {
				context.fillRect(left, y, right - left, 2);
			}
		}
		if (bands) {
			bands(context, area, graph);
		}
	};
}

function tellValues(entry, row) {
	entry.values.replaceChildren();
	make("span", entry.values, { textContent: `at ${entry.rows[row][0].toFixed(3)} s:` });
	entry.series.forEach((one, at) => {
		const value = entry.unknown[row] ? null : entry.rows[row][at + 1];
		if (one.key === UNKNOWN_KEY) {
			return;
		}
		const span = make("span", entry.values);
		drawKey(make("canvas", span, { className: "key", width: 40, height: 16 }), one, entry.stacked);
		span.append(`${one.name} ${value === null ? "not recorded" : value.toFixed(entry.digits)}`);
	});
}

function drawKey(canvas, one, stacked) {
	const context = canvas.getContext("2d");
	context.fillStyle = context.strokeStyle = one.colour;
	if (stacked) {
		context.fillRect(0, 0, 40, 16);
		return;
	}
	context.lineWidth = 4;
	context.setLineDash(one.dash || []);
	context.beginPath();
	context.moveTo(0, 8);
	context.lineTo(40, 8);
	context.stroke();
}

function rowNear(rows, seconds) {
	let low = 0, high = rows.length - 1;
	while (low < high) {
		const middle = (low + high + 1) >> 1;
		if (rows[middle][0] <= seconds) {
			low = middle;
		} else {
			high = middle - 1;
		}
	}
	return low;
}

const UNKNOWN_KEY = "unknown"; // of the series that stands where nothing is recorded

// In place of a plot.
function tellMissing(title, text) {
	const section = make("section", element("plots"), { className: "missing" });
	make("h2", section, { textContent: title });
	make("p", section, { textContent: text || "not recorded" });
}

// title, unit, series [{name, colour, dash}], rows [[seconds, value...]], and {stacked, small, bands, marks,
// unknown: of each row, is it not recorded}
function addPlot(title, unit, series, rows, options) {
	const section = make("section", element("plots"));
	make("h2", section, { textContent: `${title} (${unit})` });
	const lane = options.marks ? make("div", section, { className: "lane" }) : null;
	const plot = make("div", section, { className: "plot" });
	const box = make("div", plot, { className: options.small ? "graph small" : "graph", tabIndex: 0 });
	box.setAttribute("role", "img");
	box.setAttribute("aria-label", `${title}; arrow keys move the moment`);
	const values = make("div", section, { className: "values" });
	const entry = { box, plot, values, series, rows, lane, marks: options.marks || [], stacked: options.stacked,
		unknown: options.unknown || [], digits: options.digits === undefined ? 1 : options.digits, title };
	const looks = {};
	series.forEach(one => {
		looks[one.key] = { strokePattern: one.dash || null, strokeWidth: options.stacked ? 1 : 3 };
	});
	entry.graph = new Dygraph(box, rows, {
		labels: ["seconds", ...series.map(one => one.key)], colors: series.map(one => one.colour), series: looks,
		stackedGraph: Boolean(options.stacked), fillAlpha: 1, stepPlot: true, legend: "never", includeZero: true,
		axisLabelFontSize: 15, axes: { x: { axisLabelFormatter: value => `${+value.toFixed(3)} s` } },
		xRangePad: 0, animatedZooms: false, underlayCallback: underlay(options.bands),
		highlightCallback: (event, x, points, row) => tellValues(entry, Math.min(row, rows.length - 1)),
		unhighlightCallback: () => tellValues(entry, rowNear(rows, aerostat.moment)),
		zoomCallback: (low, high) => zoomTo([low, high], entry.graph),
		drawCallback: () => entry.graph && place(entry),
	});
	entry.cursor = make("div", plot, { className: "cursor" });
	entry.edges = options.stacked ? edges(rows) : [];
	entry.labels = options.stacked ? series.map(one => make("span", plot, { className: "label", textContent: one.name })) : [];
	if (lane) {
		addMarks(entry);
	}
	box.addEventListener("keydown", moveByKey);
	graphs.push(entry);
	tellValues(entry, 0);
}

// ---- What lies over a plot: labels of areas, marks, the cursor --------------------------------------

// At each row the upper edge of every area: the first series lies on top of those behind it.
function edges(rows) {
	return rows.map(row => {
		const tops = new Array(row.length).fill(0);
		for (let at = row.length - 2; at >= 0; at--) {
			tops[at] = tops[at + 1] + row[at + 1];
		}
		return tops;
	});
}

// A name stands where its area has the most room for it, if there is enough.
function placeLabels(entry) {
	const graph = entry.graph, area = graph.getArea();
	entry.labels.forEach((label, at) => {
		label.hidden = false; // or it has no width
		const half = label.offsetWidth / 2;
		let best = 0, middle = 0, left = 0;
		for (let x = area.x + half; x <= area.x + area.w - half; x += 5) {
			const end = rowNear(entry.rows, graph.toDataXCoord(x + half));
			let top = Infinity, bottom = 0;
			for (let row = rowNear(entry.rows, graph.toDataXCoord(x - half)); row <= end; row++) {
				top = Math.min(top, entry.edges[row][at]);
				bottom = Math.max(bottom, entry.edges[row][at + 1]);
			}
			if (top - bottom > best) {
				best = top - bottom;
				middle = (top + bottom) / 2;
				left = x;
			}
		}
		label.hidden = graph.toDomYCoord(0) - graph.toDomYCoord(best) < 13;
		label.style.left = `${left}px`;
		label.style.top = `${graph.toDomYCoord(middle)}px`;
	});
}

function place(entry) {
	const area = entry.graph.getArea();
	const isIn = x => x >= area.x - 1 && x <= area.x + area.w + 1;
	const x = entry.graph.toDomXCoord(aerostat.moment);
	entry.cursor.style.left = `${x - 1}px`;
	entry.cursor.hidden = !isIn(x);
	for (const button of entry.lane ? entry.lane.children : []) {
		const at = entry.graph.toDomXCoord(button.mark.t);
		button.hidden = !isIn(at);
		button.style.left = `${at}px`;
	}
	placeLabels(entry);
}

function placeAll() {
	graphs.forEach(place);
}

const LOOKS_OF_MARKS = { decision: "\u25bc", start: "\u25b6", end: "\u25a0" };

function showTip(node, text) {
	const tip = element("tip");
	const box = node.getBoundingClientRect();
	tip.textContent = text;
	tip.hidden = false;
	tip.style.left = `${Math.max(0, Math.min(box.left, window.innerWidth - 420)) + window.scrollX}px`;
	tip.style.top = `${box.bottom + window.scrollY + 4}px`;
}

function markText(mark) {
	return `${mark.t.toFixed(3)} s: ${mark.text}`;
}

function addMarks(entry) {
	for (const mark of entry.marks) {
		const button = make("button", entry.lane, { type: "button", textContent: LOOKS_OF_MARKS[mark.kind], mark });
		button.className = "mark";
		button.setAttribute("aria-label", markText(mark));
		button.style.color = mark.vm ? "#000000" : "#555555";
		button.addEventListener("mouseenter", () => showTip(button, markText(mark)));
		button.addEventListener("focus", () => showTip(button, markText(mark)));
		for (const name of ["mouseleave", "blur"]) {
			button.addEventListener(name, () => { element("tip").hidden = true; });
		}
		button.addEventListener("click", () => scrubTo(mark.t));
	}
}
