/* SPDX-License-Identifier: MIT */
/*
 * Hyper-V, played by this VMM: CPUID, MSRs, the reference TSC page, and a move
 * to a host with another TSC, which it announces.
 *
 * Source: Hyper-V TLFS, "Timers" and "Feature Discovery".
 */
#ifndef PARTITION_H
#define PARTITION_H

#include <paraclock/host.h>

#include "guest_test.h"

#define MSR_REFERENCE 0x40000021U
#define MSR_FREQUENCY 0x40000022U
#define MSR_CONTROL   0x40000106U
#define MSR_EMULATION 0x40000107U
#define MSR_STATUS    0x40000108U
#define REFERENCE_ON  1U

/* In partition.used: it was written. */
#define MSR_WRITTEN 0x80000000U

/* The offset of the page counts 100 ns, and its time is rounded down. */
#define PAGE_NS 52

/* The host that a partition is moved to. */
struct move {
	const char *name;
	uint64_t mult;	/* its TSC's rate by the old one's, 2^-32 */
	int64_t offset; /* how far its TSC is ahead, ticks */
	bool page_is_late;
	bool interrupt_is_lost;
};

struct partition {
	struct guest_vm vm;
	struct paraclock_page_writer writer;
	struct paraclock_env env;
	struct paraclock_timeline timeline; /* the page's timeline */
	uint64_t hz;
	uint64_t reference;
	uint64_t control;
	uint64_t emulation;
	uint64_t status;
	const struct move *move;
	uint8_t l2_status; /* of L2's vmclock, when the emulation was ended */
	/* MSRs in the order in which the guest used them. */
	uint32_t used[64];
	unsigned int n_used;
};

/* NULL, or why no partition is possible here. */
const char *partition_why_not(void);

/* Make it, with a page that has no time yet. It must not be moved. */
void partition_make(struct partition *part, unsigned int n_cpus);
void partition_free(struct partition *part);

/* Put .timeline onto the page, if the guest has switched it on. */
int partition_write_page(struct partition *part);

/*
 * The partition was moved. Until the guest acknowledges, it sees the TSC of
 * before. Its counter is an env's, with a mult.
 */
void partition_move(struct partition *part, const struct move *move);

/* How far a sample, ticks later than vCPU 0's counter, is off .timeline, ns. */
int64_t partition_off(const struct paraclock_timeline *timeline,
		      const struct paraclock_sample *sample, uint64_t ticks);

#endif
