/* SPDX-License-Identifier: MIT */
/*
 * A Hyper-V of the test's own: MSRs, CPUID, a TSC that goes on at the old rate
 * after a move until the guest acknowledges, and a page that is the old one
 * until then.
 */
#ifndef REENLIGHTENS_H
#define REENLIGHTENS_H

#include <paraclock/relay.h>

#include "relays.h"

#define CONTROL	  0x40000106U
#define EMULATION 0x40000107U
#define STATUS	  0x40000108U
#define FREQUENCY 0x40000022U

#define EAX_BITS (1U << 11 | 1U << 13)
#define EDX_BITS (1U << 8)

static struct above above; /* L1, and Hyper-V's page */
static struct paraclock_reenlightenment re;

static struct {
	uint32_t eax, edx;
	bool absent; /* another hypervisor */
	uint64_t control, emulation, status;
	uint64_t hz, next_hz;	      /* of the TSC here, after a move */
	uint32_t bad_read, bad_write; /* MSRs that fail */
	bool late;		      /* the page comes later than the ack */
	unsigned int moves;	      /* interrupts during an acknowledgement */
	uint64_t lands; /* move to this host, after the status was read */
	char log[64];	/* what was done, in order */
} hv;

static inline void note(char what)
{
	size_t n = strlen(hv.log);

	if (n + 1 < sizeof(hv.log))
		hv.log[n] = what;
}

/* --- Hyper-V -------------------------------------------------------------- */

static inline int hv_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
			   uint32_t ret_regs[4])
{
	(void)ctx;
	(void)subleaf;
	memset(ret_regs, 0, 4 * sizeof(ret_regs[0]));
	if (leaf == 1) {
		ret_regs[2] = 1U << 31;
	} else if (leaf == 0x40000000) {
		ret_regs[0] = 0x40000005;
		memcpy(&ret_regs[1],
		       hv.absent ? "KVMKVMKVM\0\0\0" : "Microsoft Hv", 12);
	} else if (leaf == 0x40000003) {
		ret_regs[0] = hv.eax;
		ret_regs[3] = hv.edx;
	}
	return 0;
}

static inline void move(uint64_t hz)
{
	hv.status = 1;
	hv.next_hz = hz;
	paraclock_reenlightenment_notify(&re);
}

static inline int hv_rdmsr(void *ctx, uint32_t msr, uint64_t *ret_value)
{
	(void)ctx;
	if (msr == hv.bad_read)
		return -EIO;
	if (msr == FREQUENCY) {
		note('f');
		*ret_value = hv.hz;
	} else if (msr == STATUS) {
		*ret_value = hv.status;
		if (hv.lands)
			move(hv.lands);
		hv.lands = 0;
	} else {
		fail_msg("MSR %x is read", msr);
	}
	return 0;
}

/* Reference time goes on from where it is, at the new rate. */
static inline void new_page(void)
{
	assert_int_equal(
		paraclock_timeline_rebase(&above.conv, above.fake.counter), 0);
	assert_int_equal(paraclock_timeline_set_hz(&above.conv, hv.hz, 0), 0);
	above_write(&above);
}

static inline void end_emulation(void)
{
	hv.hz = hv.next_hz;
	if (!hv.late)
		new_page();
	if (hv.moves) {
		hv.moves--;
		move(hv.hz / 2);
	}
}

static inline int hv_wrmsr(void *ctx, uint32_t msr, uint64_t value)
{
	(void)ctx;
	if (msr == hv.bad_write)
		return -EIO;
	if (msr == CONTROL) {
		hv.control = value;
	} else if (msr == EMULATION) {
		hv.emulation = value;
	} else if (msr == STATUS) {
		note('a');
		assert_int_equal(value & 1, 0);
		hv.status = value;
		end_emulation();
	} else {
		fail_msg("MSR %x is written", msr);
	}
	return 0;
}

/* L1's time goes on, by its TSC now: emulated, at the old rate. */
static inline void pass(uint64_t ticks)
{
	above.fake.counter += ticks;
}

/* --- the machine ---------------------------------------------------------- */

static inline int set_up(void **state)
{
	(void)state;
	memset(&hv, 0, sizeof(hv));
	hv.eax = EAX_BITS | 1U << 9;
	hv.edx = EDX_BITS;
	hv.hz = 2500000000U;
	above_start(&above, &kinds[1], hv.hz, 1ULL << 45, 1000);
	paraclock_close(above.clk);
	above.clk = NULL;
	above.fake.env.cpuid = hv_cpuid;
	above.fake.env.rdmsr = hv_rdmsr;
	above.fake.env.wrmsr = hv_wrmsr;
	re = (struct paraclock_reenlightenment){
		.size = sizeof(re),
		.env = &above.fake.env,
		.target_vp = 5,
		.vector = 0xee,
	};
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	above_end(&above);
	return 0;
}

#endif
