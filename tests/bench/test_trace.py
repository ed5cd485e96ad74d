# SPDX-License-Identifier: BSD-2-Clause
"""What is counted of a traced operation."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import trace_operations  # noqa: E402

HIGH = 0xffffffff80200000
TRACE = """\
Tracing enabled for all CPUs
(0).[100] [0x000000001000] 0010:0000000000001000 (unk. ctxt): vmcall ; 0f01c1
(0).[101] [0x000000200000] 0008:ffffffff80200000 (unk. ctxt): rep stosq qword ptr es:[rdi], rax ; f348ab
(0).[613] [0x000000200010] 0008:ffffffff80200010 (unk. ctxt): mov qword ptr ds:[rax], rdx ; 488910
(0).[614] [0x000000200010] 0008:ffffffff80200010 (unk. ctxt): mov qword ptr ss:[rsp+8], rdx ; 4889
(0).[615] [0x000000200020] 0008:ffffffff80200020 (unk. ctxt): push rbp ; 55
(0).[616] [0x000000200021] 0008:ffffffff80200021 (unk. ctxt): vmresume  ; 0f01c3
(0).[617] [0x000000001003] 0010:0000000000001003 (unk. ctxt): nop ; 90
Tracing disabled for all CPUs
[0.000001] 0 bench says: traced surrender
"""


class Symbols:
    """Three functions."""

    names = {HIGH: "memset", HIGH + 0x10: "entry_write", HIGH + 0x20: "lapic_command"}

    def innermost(self, address):
        return self.names[address & ~0xf]

    def is_start(self, address, name):
        return self.names.get(address) == name


def test_an_operation_is_counted_by_kind():
    (name, steps), = trace_operations.read_trace(TRACE)
    counts = trace_operations.summarize(steps, Symbols())
    assert name == "surrender"
    assert counts["instructions"] == 516
    assert counts["functions"]["memset"] == 512
    assert counts["zeroed_bytes"] == 4096
    assert counts["table_entries"] == 1
    assert counts["ipi"] == 1
    assert counts["exits"] == 1


def test_the_start_of_a_function_is_known_by_its_name(tmp_path):
    (tmp_path / "aerostat.sym").write_text("1000 T one\n1000 t alias\n1010 T two\n2000 D data\n",
                                           encoding="ascii")
    symbols = trace_operations.Symbols(str(tmp_path))
    assert symbols.is_start(0x1000, "one") and symbols.is_start(0x1000, "alias")
    assert not symbols.is_start(0x1004, "one") and not symbols.is_start(0x2000, "data")
