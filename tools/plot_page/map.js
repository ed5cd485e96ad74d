// SPDX-License-Identifier: BSD-2-Clause
// The frame map at any moment: of each window of frames the last version that was recorded by then.
"use strict";

const STATES = ["not recorded", "not RAM, or firmware's", "hypervisor", "free, dirty", "free, zeroed", "VM", "in quarantine"];
const [UNKNOWN, RESERVED, HYPERVISOR, DIRTY, ZEROED, GUEST, REVOKING] = STATES.keys();
// Okabe and Ito's, which can be told apart with any of the usual kinds of colour blindness.
const COLOURS = ["#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#0072b2", "#d55e00"];
const GREYS = { [UNKNOWN]: "#ffffff", [RESERVED]: "#000000", [HYPERVISOR]: "#e0e0e0", [DIRTY]: "#505050", [ZEROED]: "#a0a0a0" };

class FrameMap {
	constructor(data) {
		this.frames = data.frames;
		this.window = data.window;
		this.count = Math.ceil(this.frames / this.window);
		this.versions = Array.from({ length: this.count }, () => []);
		for (const [seconds, window, extents] of data.versions) {
			this.versions[window].push([seconds, extents]);
		}
	}

	// The extents [pages, state, owner, large] of a window at this moment; null: not recorded yet.
	windowAt(window, seconds) {
		const versions = this.versions[window];
		let low = 0, high = versions.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (versions[middle][0] <= seconds) {
				low = middle + 1;
			} else {
				high = middle;
			}
		}
		return low > 0 ? versions[low - 1][1] : null;
	}

	// [first, pages, state, owner, large] of all frames at this moment, in the order of addresses.
	extentsAt(seconds) {
		const found = [];
		for (let window = 0; window < this.count; window++) {
			let first = window * this.window;
			const size = Math.min(this.window, this.frames - first);
			for (const [pages, state, owner, large] of this.windowAt(window, seconds) || [[size, UNKNOWN, 0, 0]]) {
				found.push([first, pages, state, owner, large]);
				first += pages;
			}
		}
		return found;
	}

	// {"state,owner": frames}
	sumsAt(seconds) {
		const sums = {};
		for (const [, pages, state, owner] of this.extentsAt(seconds)) {
			const key = `${state},${owner}`;
			sums[key] = (sums[key] || 0) + pages;
		}
		return sums;
	}

	// Cells of `order` frames each: what most frames of the cell are, as [state, owner, large].
	cellsAt(seconds, frames) {
		const cells = Array.from({ length: Math.ceil(this.frames / frames) }, () => new Map());
		for (const [first, pages, state, owner, large] of this.extentsAt(seconds)) {
			for (let at = first; at < first + pages;) {
				const cell = Math.floor(at / frames);
				const end = Math.min(first + pages, (cell + 1) * frames);
				const key = `${state},${owner},${large}`;
				cells[cell].set(key, (cells[cell].get(key) || 0) + end - at);
				at = end;
			}
		}
		return cells.map(cell => {
			let best = ["0,0,0", 0];
			for (const entry of cell) {
				best = entry[1] > best[1] ? entry : best;
			}
			return best[0].split(",").map(Number);
		});
	}
}

function colourOfVm(vm) {
	return COLOURS[(vm - 1) % COLOURS.length];
}

function lookName(state, owner, nameOf) {
	if (state === GUEST) {
		return `${nameOf(owner)} (VM ${owner})`;
	}
	return owner ? `${STATES[state]}, for ${nameOf(owner)} (VM ${owner})` : STATES[state];
}

// Draws a canvas: full cells are a VM's (its number stands at the begin of each stretch), striped ones in
// quarantine, edged ones in a page of 2 MiB or more.
class MapView {
	constructor(map, canvas) {
		this.map = map;
		this.canvas = canvas;
		this.columns = 128;
		this.side = 9;
		this.per = 1;
		while (Math.ceil(map.frames / this.per) > this.columns * 56) {
			this.per *= 2;
		}
		const count = Math.ceil(map.frames / this.per);
		if (count <= this.columns * 16) {
			this.columns = 64;
			this.side = 18;
		}
		canvas.width = this.columns * this.side;
		canvas.height = Math.ceil(count / this.columns) * this.side;
	}

	draw(seconds) {
		const context = this.canvas.getContext("2d");
		const side = this.side;
		this.cells = this.map.cellsAt(seconds, this.per);
		context.fillStyle = "#ffffff";
		context.fillRect(0, 0, this.canvas.width, this.canvas.height);
		this.cells.forEach(([state, owner, large], at) => {
			const x = at % this.columns * side, y = Math.floor(at / this.columns) * side;
			const isVm = state === GUEST || state === REVOKING;
			context.fillStyle = isVm && owner ? colourOfVm(owner) : GREYS[state] || GREYS[DIRTY];
			context.fillRect(x, y, large ? side : side - 1, side - 1);
			context.fillStyle = "#000000";
			if (state === REVOKING) {
				for (let line = 1; line < side; line += 3) {
					context.fillRect(x, y + line, side - 1, 1);
				}
			} else if (state === UNKNOWN) {
				context.fillRect(x + side / 2 - 1, y + side / 2 - 1, 2, 2);
			} else if (large && isVm) {
				context.fillRect(x, y, side, 1);
				context.fillRect(x, y + side - 2, side, 1);
			}
			const before = this.cells[at - 1];
			if (state === GUEST && (!before || before[0] !== state || before[1] !== owner || at % 32 === 0)) {
				context.font = `bold ${side}px sans-serif`;
				context.fillText(String(owner % 10), x + side / 6, y + side - 2);
			}
		});
	}

	// Which cell is at this point of the canvas; -1: none.
	cellAt(x, y) {
		const scale = this.canvas.width / this.canvas.clientWidth;
		const cell = Math.floor(y * scale / this.side) * this.columns + Math.floor(x * scale / this.side);
		return cell >= 0 && cell < this.cells.length ? cell : -1;
	}

	tell(cell, nameOf) {
		const [state, owner, large] = this.cells[cell];
		const first = cell * this.per;
		const last = Math.min(first + this.per, this.map.frames) - 1;
		const frames = first === last ? `Frame 0x${first.toString(16)}` : `Frames 0x${first.toString(16)} to 0x${last.toString(16)}`;
		return `${frames}: ${lookName(state, owner, nameOf)}${large ? ", in a page of 2 MiB or more" : ""}`;
	}
}
