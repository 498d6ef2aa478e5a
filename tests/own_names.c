// SPDX-License-Identifier: MIT
/*
 * A program with names that any user might choose. It is linked with all of an
 * archive of ours; a name that both define fails the link.
 */

int calendar, check, clock_open, convert, counter_choose, cpuid, detect;
int device_open, env, event_push, follow, history, interpolate, kvm_find;
int kvmclock, leap, line_read, mul_div, names, observe, page_open, page_read;
int ptp_find, publish, read_page, registry, relay, round_read, sha1;
int sha1_start, sha1_update, sim_run, snapshot, text_put, timeline, vm_run;
int watch, world;

int main(void)
{
	return interpolate + sha1_start + kvm_find;
}
