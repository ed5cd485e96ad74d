// SPDX-License-Identifier: BSD-2-Clause
// Plots of simulated fleets, drawn by dygraphs: for each demand some plots, with a line for each policy.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
// Okabe and Ito's, with dashes besides: nothing is told by colour alone.
const COLOURS = ["#000000", "#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"];
const DASHES = [null, [9, 3], [3, 3], [9, 3, 3, 3], [15, 5], [2, 6], [15, 5, 3, 5]];
const graphs = [];
window.aerostat = { data, graphs };

function make(tag, parent, properties) {
	const made = Object.assign(document.createElement(tag), properties || {});
	parent.append(made);
	return made;
}

function addKey(parent, graph, name, at) {
	const label = make("label", parent);
	const box = make("input", label, { type: "checkbox", checked: true });
	const canvas = make("canvas", label, { className: "key", width: 40, height: 16 });
	const context = canvas.getContext("2d");
	label.append(name);
	context.strokeStyle = COLOURS[at % COLOURS.length];
	context.lineWidth = 4;
	context.setLineDash(DASHES[at % DASHES.length] || []);
	context.beginPath();
	context.moveTo(0, 8);
	context.lineTo(40, 8);
	context.stroke();
	const value = make("span", label);
	box.addEventListener("change", () => graph().setVisibility(at, box.checked));
	return value;
}

function addPlot(demand, plot) {
	const section = make("section", document.getElementById("plots"));
	make("h2", section, { textContent: `${demand.name}: ${plot.title} (${plot.unit})` });
	const box = make("div", section, { className: "graph" });
	box.setAttribute("role", "img");
	box.setAttribute("aria-label", `${demand.name}: ${plot.title}`);
	const keys = make("div", section, { className: "values" });
	const rows = demand.seconds.map((seconds, at) => [seconds, ...demand.policies.map(one => one[plot.key][at])]);
	const looks = {};
	demand.policies.forEach((one, at) => {
		looks[one.name] = { strokePattern: DASHES[at % DASHES.length], strokeWidth: 2.5 };
	});
	let graph = null;
	const values = demand.policies.map((one, at) => addKey(keys, () => graph, one.name, at));
	const tell = row => values.forEach((value, at) => { value.textContent = ` ${rows[row][at + 1].toFixed(2)}`; });
	graph = new Dygraph(box, rows, {
		labels: ["seconds", ...demand.policies.map(one => one.name)],
		colors: demand.policies.map((one, at) => COLOURS[at % COLOURS.length]), series: looks, legend: "never",
		includeZero: true, axisLabelFontSize: 15, animatedZooms: false,
		axes: { x: { axisLabelFormatter: value => `${+value.toFixed(1)} s` } },
		highlightCallback: (event, x, points, row) => tell(Math.min(row, rows.length - 1)),
	});
	tell(rows.length - 1);
	graphs.push({ graph, title: plot.title, demand: demand.name });
}

for (const demand of data.demands) {
	for (const plot of data.plots) {
		addPlot(demand, plot);
	}
}
