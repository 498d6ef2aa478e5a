/* SPDX-License-Identifier: MIT */
/*
 * A fake outside world with PTP hardware clocks, whose time is exactly known at
 * each counter value, and whose drivers answer like Linux's.
 */
#ifndef FAKE_PTP_H
#define FAKE_PTP_H

#include "fake_clocks.h"

/* Their numbers, and so their minors, are 0 to 299. */
#define FAKE_PHCS  300
#define FAKE_NODES 8
#define FAKE_MAJOR 248

struct fake_ptp;

/* One device; it exists if it has a name. */
struct fake_phc {
	char name[64];	/* its name in sysfs */
	bool nameless;	/* sysfs does not show it */
	bool nodeless;	/* it has no /dev/ptpN */
	int open_error; /* open_device() */
	int caps_error; /* GETCAPS */
	int cross;	/* GETCAPS: cross_timestamping */
	int precise;	/* PRECISE: 0 or the error */
	int extended;	/* EXTENDED: 0 or the error */
	int read;	/* read_clock(): 0 or the error */
	/* PRECISE is ENODEV unless the clocksource is an image of the counter:
	 * ptp_kvm on x86. */
	bool needs_image;
	bool old_kernel; /* EXTENDED knows no clock id */
	/* EXTENDED gives REALTIME whatever is asked for: ptp_vmclock. */
	bool own_clock;
	unsigned int busy; /* requests that are EBUSY first */
	struct fake_rate time;
	int64_t step;	/* added to it, ns */
	uint64_t ticks; /* duration of a reading, which happens in its middle */
	uint64_t late;	/* each one takes this much longer than the last */
};

/*
 * A node elsewhere than where the kernel would make it; it hides what would be
 * there.
 */
struct fake_node {
	const char *path;
	unsigned int phc;
};

/* How often the device was asked. */
struct fake_ptp_calls {
	unsigned int caps, precise, raw, realtime, read;
};

struct fake_ptp {
	struct fake_clocks clocks; /* first: env.ctx is this struct */
	struct fake_phc phc[FAKE_PHCS];
	struct fake_ptp_calls calls;
	unsigned int opens, shuts;
	struct fake_node node[FAKE_NODES];
	bool no_sysfs;	   /* it is masked: none of it can be read */
	bool no_char_devs; /* /sys/dev/char is */
	bool no_numbers;   /* device_number() fails */
	bool no_list;	   /* next_number() lists nothing */
	/* Called at the instant of each reading of a device. */
	void (*on_device)(struct fake_ptp *ptp, struct fake_phc *phc);
	/* Called with each answer, which it may spoil. */
	void (*on_answer)(struct fake_ptp *ptp, void *answer);
	unsigned int readings; /* so far; for the above */
	int (*clocks_read)(void *ctx, int clock_id, int64_t *ret_ns);
};

/* The world of fake_clocks_init(), and no device. */
void fake_ptp_init(struct fake_ptp *ptp);

/*
 * Add a device that can only give its time: 25 ppm fast, ahead of
 * CLOCK_REALTIME by this, and read in 1040 ticks (400 ns).
 */
struct fake_phc *fake_ptp_add(struct fake_ptp *ptp, unsigned int number,
			      const char *name, int64_t ahead_ns);

/* The device's time at a counter value, at present. */
int64_t fake_phc_at(const struct fake_ptp *ptp, const struct fake_phc *phc,
		    uint64_t counter);

/* The sample must be right at its own counter value, to within its error. */
void fake_ptp_check_pair(const struct fake_ptp *ptp, const struct fake_phc *phc,
			 const struct paraclock_sample *sample);

#endif
