/* SPDX-License-Identifier: MIT */
/*
 * Shared by the guest of these tests and its VMM: where things lie in the
 * guest's memory, and a mailbox for each vCPU. The VMM writes a command and
 * runs the vCPU, which answers in the mailbox and writes to GUEST_PORT.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <paraclock/backend.h>

#define GUEST_CPUS  2
#define GUEST_PORT  0x510
#define GUEST_PAGE  4096UL
#define GUEST_BYTES (16UL << 20)

/* Guest physical addresses, which are its virtual ones as well. */
#define GUEST_TABLES	   0x1000UL /* page tables, three pages */
#define GUEST_IDT	   0x6000UL
#define GUEST_GDT	   0x7000UL
#define GUEST_MAILBOX(cpu) (0x8000UL + (cpu)*GUEST_PAGE)
#define GUEST_PVCLOCK(cpu) (0x10000UL + (cpu)*GUEST_PAGE)
#define GUEST_HYPERV	   0x14000UL
#define GUEST_VMCLOCK	   0x15000UL
#define GUEST_PAIRING	   0x16000UL
#define GUEST_STACK(cpu)   (0x100000UL + ((cpu) + 1) * 0x10000UL)
#define GUEST_IMAGE_BASE   0x200000UL /* as in guest.ld */
#define GUEST_RING(cpu)	   ((8UL << 20) + (cpu) * (4UL << 20))
#define GUEST_SAMPLES	   ((4UL << 20) / sizeof(struct paraclock_sample))

/* Of the GDT and its segments: code and data, ring 0 and ring 3. */
#define GUEST_CODE(ring) ((ring) ? 0x1bU : 0x08U)
#define GUEST_DATA(ring) ((ring) ? 0x23U : 0x10U)

/* How far the counter of vCPU 1 is ahead where it plays L2, ticks. */
#define GUEST_L2_TICKS 5000000000UL

/* The vector that the VMM injects. */
#define GUEST_VECTOR 0x40

enum guest_command {
	GUEST_NOTHING,
	/* Open .backend; .detail says why not. */
	GUEST_OPEN,
	GUEST_CLOSE,
	/*
	 * .count samples into the ring; .done is how many were read, .again how
	 * many reads were -EAGAIN. Any other error ends it.
	 */
	GUEST_READ,
	/*
	 * As GUEST_READ, until .stop; but the ring gets only the first sample,
	 * each two between which anything but the time changes or the time
	 * differs from .rate times the counter by more than .slack_ns, and the
	 * last. .count is how many reads there were, .back how many were
	 * earlier than the one before.
	 */
	GUEST_WATCH,
	/* .count times, at the host_tsc of each sample in the ring. */
	GUEST_READ_AT,
	/*
	 * As paraclock_disrupted() with .epoch, which is then replaced by a new
	 * one.
	 */
	GUEST_DISRUPTED,
	/*
	 * Have Hyper-V announce moves, open its page with them and relay that
	 * to a vmclock for L2; handle one move; and cancel the announcements.
	 */
	GUEST_MOVE_START,
	GUEST_MOVE_RUN,
	GUEST_MOVE_STOP,
};

struct guest_mailbox {
	uint32_t command;
	int32_t ret;
	uint32_t cpu;
	uint32_t stop;
	uint64_t count;
	uint64_t done;
	uint64_t again;
	uint64_t back;
	uint64_t rate; /* 2^-32 ns per tick */
	int64_t slack_ns;
	uint64_t epoch;
	/* The open clock, as the guest's pointer. */
	uint64_t clock;
	/*
	 * Present pages, 0: absent; physical: the env gives addresses, so that
	 * MSRs are written.
	 */
	uint64_t pvclock;
	uint64_t hyperv;
	uint64_t vmclock;
	uint64_t pairing;
	uint64_t physical;
	/* If mult is not 0 the env's counter is
	 * offset + ((TSC - base) * mult >> 32). */
	uint64_t mult;
	uint64_t base;
	uint64_t offset;
	char backend[16];
	char detail[256];
};

#endif
