/* SPDX-License-Identifier: MIT */
/* serve, in a loop: what it measures, and what it publishes. */
#ifndef SERVE_SERVICE_H
#define SERVE_SERVICE_H

#include "leap_list.h"
#include "serve_clockbound.h"
#include "serve_options.h"
#include "serve_page.h"
#include "serve_rate.h"
#include "serve_track.h"
#include "steer.h"

struct serve_kernel;

struct serve {
	struct steer steer; /* first: both are the ctx of the keeper's ops */
	struct observer observer;
	const struct serve_options *options;
	struct loop *loop;
	struct keep_ops ops;
	struct serve_rules rules;
	struct serve_track track;
	struct serve_page page;
	struct serve_segment segment;
	struct serve_kernel *kernel; /* NULL: from a host clock */
	/* After a disruption, or after somebody has set the clock; may be
	 * NULL. */
	void (*forget)(struct serve *serve);
	struct serve_readings readings; /* of the host clock */
	struct leap_list leaps;

	uint64_t seen;	 /* keeper.disruptions that were dealt with */
	uint64_t marker; /* our own, while the source has none */
	/* The source's marker, if it is the host's own word. */
	bool has_marker;
	struct paraclock_marker host_marker;
	bool is_odd_marker; /* contradicted: not the host's for now */
	bool is_disrupted;  /* since the last time that was published */

	uint64_t publications;
	uint64_t told_publications;
	int64_t told_ns; /* when serve.json was written */
	/* The last change that was told. */
	int told_status;
	char why[32]; /* for scripts; empty: nothing is wrong */
	char text[OBSERVER_DETAIL_MAX]; /* for people, whole */
	char told_why[32];
	char write_error[128]; /* told once */
	int segment_error;
};

/* enum status; else stderr says why. */
int serve_open(struct serve *serve, const struct serve_options *options,
	       struct loop *loop);
void serve_start(struct serve *serve);
void serve_close(struct serve *serve);

/* --- serve_publish.c ------------------------------------------------------ */

/* The marker that is published, if it is the host's. */
void serve_find_marker(struct serve *serve);
/* Write the page as it is now. 0, or -errno. */
int serve_write(struct serve *serve);
/* A measurement: publish what it says. @p age_ns: so long ago the source itself
 * has measured. */
void serve_measured(struct serve *serve, const struct serve_claim *claim,
		    int64_t age_ns);
/* Nothing can be measured now, because of this; @p why is a name. What is
 * published grows old. */
void serve_not_measured(struct serve *serve, const char *why,
			const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Time passes: what is published grows old. */
void serve_age(struct serve *serve);
/* The same, and what is published may not be believed either: UNRELIABLE. */
void serve_doubt(struct serve *serve);
/* The source and the page exclude each other. */
void serve_contradict(struct serve *serve);
/* Something voids what was measured. Before anything else. */
void serve_disrupt(struct serve *serve, const char *why, const char *text);

/* --- serve_bounds.c: ClockBound's segment --------------------------------- */

/* Write the segment anew: CLOCK_REALTIME moves by itself. */
void serve_bound(struct serve *serve);
/* CLOCK_REALTIME now, for the segment. 0, or -errno. */
int serve_realtime(struct serve *serve, struct serve_realtime *ret_real);

/* --- serve_host.c: by a host clock ---------------------------------------- */

/* enum status: a source without a bound is refused here. */
int serve_host_check_bound(struct serve *serve);
void serve_host_look(struct serve *serve);
/* Does the source still say what the page does? 20 times a second. */
void serve_host_check(struct serve *serve);

/* --- serve_kernel.c: by this kernel's clock and chronyd ------------------- */

int serve_kernel_open(struct serve *serve);
void serve_kernel_close(struct serve *serve);
/* Ask chronyd, if it is time. */
void serve_kernel_look(struct serve *serve);

/* --- serve_tai.c ---------------------------------------------------------- */

/* As leap_list_get(). Takes a struct serve. */
int serve_leap_table(void *serve, struct paraclock_leap_table *ret_table);
/* TAI - UTC by the kernel, s: 0, or -ENODATA. Takes a struct serve. */
int serve_kernel_tai(void *serve, int16_t *ret_sec);
/*
 * A claim of UTC becomes one of TAI, and the timeline gets the offset and what is
 * known of leap seconds, by the list or the kernel. The claim rests on what was
 * measured at since_ns, UTC. 0, or -errno; -EDOM: a leap second came since then,
 * or this is the second that is repeated or left out.
 */
int serve_utc_to_tai(struct serve *serve, int64_t since_ns,
		     struct serve_claim *claim, struct paraclock_timeline *tl);

/* --- serve_tell.c: people and scripts ------------------------------------- */

/* If anything has changed: a line, DIR/serve.json, and systemd's status. */
void serve_tell(struct serve *serve);
void serve_tell_end(struct serve *serve);
const char *serve_status_name(unsigned int status);

#endif
