# SPDX-License-Identifier: BSD-2-Clause
"""What tests/bench/bench_dialects.py has found, as tables with the aims beside."""

import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
FILE = os.path.join(HERE, "dialects.json")
PEERS_FILE = os.path.join(HERE, "peers.json")  # of `make bench-peers`
MOVED_MIB = 64
PAGES = MOVED_MIB * 256
# Figures of the Linux with KVM, by how they stand there.
PEERS = ("plain_balloon_inflate", "plain_balloon_deflate", "plain_balloon_exits_per_2m", "balloon_report_2m")
ZEROING = "virtio_zeroing"  # beside a guest of QEMU that zeroes, too: the one of `make bench-peers`
DRIVERS = {
    "virtio": "`virtio_balloon`",
    "vmware_2m": "`vmw_balloon`, pages of 2 MiB",
    "vmware_4k": "`vmw_balloon`, pages of 4 KiB",
    "hyper_v": "`hv_balloon`",
}
# (driver, direction): (share of what QEMU with KVM executes to inflate or deflate, instructions of the hypervisor).
AIMS = {
    ("virtio", "inflate"): (4, 400),
    ("virtio", "deflate"): (4, 400),
    ("vmware_2m", "inflate"): (100, 600 / 512),
    ("hyper_v", "inflate"): (8, 60),
}
REPORT_AIM = 50
EXITS_RESOLVED = 1  # per 2 MiB: a part of an exit is not told apart from idling that took longer or less
COLUMNS = ("all:", "guest's kernel:", "hypervisor:", "and for timers:", "QEMU and KVM:", "share:", "aim:", "")
EXIT_AIMS = {"virtio": 6, "vmware_2m": 1 / 256, "vmware_4k": 2, "hyper_v": 1 / 8}


def number(value):
    if value < 10:
        return f"{value:.2f}"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def table(head, lines):
    names = [name.rstrip(":") for name in head]
    marks = ["---:" if name.endswith(":") else "---" for name in head]
    return ["| " + " | ".join(names) + " |", "|" + "|".join(marks) + "|"] + [
        "| " + " | ".join(line) + " |" for line in lines]


def verdict(is_met, otherwise):
    return "met" if is_met else f"**missed**: {otherwise}"


def resolved(is_resolved, text):
    return text if is_resolved else "not judged: below what the method resolves"


def everything(cost):
    return cost["guest"] + cost["hypervisor"] + cost["timers"]


def peers_of_zeroing():
    """{direction: instructions}, as `make bench-peers` has found."""
    with open(PEERS_FILE, encoding="ascii") as file:
        rows = [row for part in json.load(file)["parts"] for row in part["rows"]]
    return {direction: next(row["value"] for row in rows if row["ours"] == f"machine_{direction}_4k")
            for direction in ("inflate", "deflate")}


def peer_of(found, name, direction):
    if name == ZEROING:
        return peers_of_zeroing()[direction]
    return found.get("qemu", {}).get("plain_balloon_" + direction)


def verdict_of_share(cost, peer, share):
    """Of all that is executed. The guest's driver is not ours: where it alone is more, nothing here can help."""
    alone = cost["guest"] * share > peer
    return verdict(everything(cost) * share <= peer,
                   "the guest's kernel alone is more" if alone else f"1/{peer / everything(cost):.1f}")


def cost_cells(cost, peer, share):
    return [number(everything(cost)), number(cost["guest"]), number(cost["hypervisor"]), number(cost["timers"]),
            number(peer) if peer else "", f"1/{peer / everything(cost):.1f}" if peer else "",
            f"1/{share}" if share else "", verdict_of_share(cost, peer, share) if share and peer else ""]


def cost_lines(found):
    out = []
    titles = {**DRIVERS, ZEROING: "`virtio_balloon`, each page zeroed"}
    for name, direction in ((name, direction) for name in titles for direction in ("inflate", "deflate")):
        if name in found:
            cost = found[name][direction]
            share, ours = AIMS.get((name, direction), (None, None))
            out.append([f"{titles[name]}, {direction}", *cost_cells(cost, peer_of(found, name, direction), share),
                        number(ours) if ours else "",
                        resolved(cost["hypervisor"] >= 0,
                                 verdict(cost["hypervisor"] <= ours, f"{cost['hypervisor'] / ours:.1f} times"))
                        if ours else ""])
    return table(["per 4 KiB", *COLUMNS, "aim of the hypervisor:", ""], out)


def report_lines(found):
    if "virtio_report" not in found:
        return []
    peer = found.get("qemu", {}).get("balloon_report_2m")
    return table(["per 2 MiB", *COLUMNS], [["free-page report of `virtio_balloon`",
                                            *cost_cells(found["virtio_report"], peer, REPORT_AIM)]])


def exit_lines(found):
    out = []
    for name, title in DRIVERS.items():
        if name not in found:
            continue
        cost, aim = found[name]["inflate"], EXIT_AIMS[name]
        kinds = ", ".join(f"{count} {kind}" for kind, count in list(cost["kinds"].items())[:5])
        out.append([title, number(cost["exits"]), number(cost["timer_exits"]),
                    number(aim) if aim >= 1 else f"1/{1 / aim:.0f}",
                    resolved(cost["exits"] >= EXITS_RESOLVED,
                             verdict(cost["exits"] <= aim, f"{cost['exits'] / aim:.1f} times")), kinds])
    if "qemu" in found:
        out.append(["`virtio_balloon`, QEMU and KVM", number(found["qemu"]["plain_balloon_exits_per_2m"]),
                    "among them", "", "", ""])
    return table(["exits per 2 MiB inflated", "of the balloon:", "of timers:", "aim:", "",
                  f"all of {MOVED_MIB} MiB, by why"], out)


def store(found):
    with open(FILE, "w", encoding="ascii") as file:
        json.dump(found, file, indent=1)
        file.write("\n")


def read():
    try:
        with open(FILE, encoding="ascii") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def missing(found):
    """Figures that `make bench-dialects` has not found yet: it may have been told to find some alone."""
    return [name for name in (*DRIVERS, ZEROING, "virtio_report", "qemu") if name not in found]


def lines():
    found = read()
    if not found:
        return ["Not measured yet: `make bench-dialects`."]
    out = cost_lines(found) + [""] + report_lines(found) + [""] + exit_lines(found) + [""]
    if "qemu" in found:
        out.append(f"KVM of {found['qemu']['version']}.")
    if missing(found):
        out.append(f"Not measured yet: {', '.join(missing(found))}.")
    return out
