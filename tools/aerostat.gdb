# SPDX-License-Identifier: BSD-2-Clause
# For GDB at the hypervisor, which `make debug` has stopped:
#
#	gdb build/aerostat.elf -x tools/aerostat.gdb -ex 'target remote :1234'
#
# Both commands read the hypervisor's data and change nothing. They work wherever the hypervisor runs
# with its own page tables; while a guest runs, the processor has the guest's.

set pagination off

define vms
	printf "VM               STATE           HELD-K  BALLOON-K   TARGET-K   TABLES-K\n"
	set $vms_at = 0
	while $vms_at < vm_count
		printf "%-16s ", vms[$vms_at].config.name
		output vms[$vms_at].state
		printf "  %10lu %10lu %10lu %10lu\n", vms[$vms_at].s2.mapped_pages * 4, vms[$vms_at].s2.ballooned_pages * 4, vms[$vms_at].balloon.target_pages * 4, vms[$vms_at].s2.table_pages * 4
		set $vms_at = $vms_at + 1
	end
end
document vms
All VMs: name, state, memory held, size and target of the balloon, second-stage tables, in KiB.
end

define frames
	if $argc == 0
		set $frames_at = FRAME_RESERVED
		while $frames_at < FRAME_STATE_COUNT
			output (enum frame_state)$frames_at
			printf " %lu\n", frame_counts[$frames_at]
			set $frames_at = $frames_at + 1
		end
		printf "in all %lu of 4 KiB\n", frame_table_count
	else
		set $frames_at = $arg0
		if $frames_at >= frame_table_count
			printf "there are %lu frames, 0 to %lu\n", frame_table_count, frame_table_count - 1
		else
			while frame_table[$frames_at].tag.state == FRAME_TAIL
				set $frames_at = $frames_at - 1
			end
			printf "frame %lu: ", (unsigned long)$arg0
			output (enum frame_state)frame_table[$frames_at].tag.state
			printf " of owner %u, gfn 0x%x, in an extent of %lu frames from %lu\n", frame_table[$frames_at].tag.owner, frame_table[$frames_at].gfn, 1ul << frame_table[$frames_at].tag.order, $frames_at
		end
	end
end
document frames
How many frames are in each state; with a frame's number: its state, its owner (a VM's number, 0: the host), its place.
end
