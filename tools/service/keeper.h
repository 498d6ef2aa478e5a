/* SPDX-License-Identifier: MIT */
/*
 * Keeps CLOCK_REALTIME right: notices disruptions, measures, judges, corrects
 * once, and measures again. It reads the host clock through the library, and
 * changes the world only through its ops.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include "judge.h"

/* keep_ops.kernel() */
#define KEEP_KERNEL_SYNCHRONIZED 0x1U
#define KEEP_KERNEL_LEAP	 0x2U /* it is to insert or delete a second */

struct keep_news;

/* The world. Each returns 0 or -errno unless it says otherwise. */
struct keep_ops {
	void *ctx;
	/* Watch for CLOCK_REALTIME being set, from now on. */
	int (*arm)(void *ctx);
	/* Was it, by anybody, since arm()? */
	bool (*was_set)(void *ctx);
	/* The lock that everybody who corrects by a host clock holds. -EBUSY:
	 * another process has it. */
	int (*acquire)(void *ctx);
	void (*release)(void *ctx);
	/* Move CLOCK_REALTIME by this, in one act. */
	int (*step)(void *ctx, int64_t by_ns);
	/* Let it run faster or slower until it has moved by this. Replaces the
	 * slew before. */
	int (*slew)(void *ctx, int64_t by_ns);
	/* What the kernel is told of its clock: KEEP_KERNEL_x. */
	unsigned int (*kernel)(void *ctx);
	/* How long this machine has been suspended since it booted, known to
	 * better than 10 ms. */
	int (*suspended)(void *ctx, int64_t *ret_ns);
	/* A leap second list that has not expired. */
	int (*leap_table)(void *ctx, struct paraclock_leap_table *ret_table);
	/* TAI - UTC, s, where neither the host nor a list says it; or NULL. */
	int (*tai_offset)(void *ctx, int16_t *ret_sec);
	/* What other daemons measured of this clock is void: have them start
	 * anew. */
	void (*forget)(void *ctx);
	/* The state has changed. */
	void (*tell)(void *ctx, const struct keep_news *news);
};

enum keep_state {
	KEEP_STARTING, /* nothing was measured yet */
	KEEP_RIGHT,
	KEEP_WAITING, /* for a source that is valid, or sure enough */
	KEEP_SLEWING,
	KEEP_OFF, /* and left alone */
};

/* What made the keeper look. */
struct keep_cause {
	const char *kind;   /* "restored", "suspended", "asked", ... */
	const char *source; /* what showed it; constant */
	uint8_t marker_class;
	bool has_markers;
	struct paraclock_marker before, after;
};

struct keep_news {
	enum keep_state state;
	enum keep_why why;
	bool corrected; /* by a step of ours, just now */
	bool dry_run;	/* it would have been */
	int error;	/* of KEEP_WHY_FAILED and KEEP_WHY_NO_ANSWER */
	const char *backend;
	struct keep_cause cause; /* kind NULL: none */
	int64_t stepped_ns;
	struct measurement before; /* what was judged */
	struct measurement after;  /* corrected: the next measurement */
};

struct keeper {
	const struct keep_rules *rules;
	const struct keep_ops *ops;
	const struct paraclock_env *env; /* NULL: this machine's */
	struct paraclock *clk;		 /* the owner of the keeper sets it */

	/* Read only, for others. */
	enum keep_state state;
	enum keep_why why;
	struct measurement last;
	struct keep_cause
		cause; /* what is dealt with now; kind NULL: nothing */
	struct keep_cause last_cause; /* the last disruption */
	uint64_t corrections;
	uint64_t disruptions; /* how many were noticed */
	/* The last of them, and since when this handle has watched for them:
	 * CLOCK_BOOTTIME; 0: none, or not yet. */
	int64_t disrupted_ns, watching_ns;
	bool is_lost;  /* the source is gone: open it again */
	bool is_unfit; /* the source will not do: open another */

	/* Private. */
	struct situation situation;
	struct {
		bool known;
		int64_t utc_ns, raw_ns;
		uint64_t bound_ns;
		const char *backend;
		bool has_bound;
		int16_t tai_offset_sec; /* 0: the source did not say it */
	} reference;
	int64_t stepped_raw_ns; /* RAW at our last step */
	/* A restore was told a short while ago: at this value of RAW. */
	bool is_fresh;
	int64_t restored_raw_ns;
	bool knows_suspended;
	int64_t suspended_ns;
	bool told;
};

void keeper_init(struct keeper *keeper, const struct keep_rules *rules,
		 const struct keep_ops *ops, const struct paraclock_env *env);
/* Another handle, or the first. The one before is asked for its last events, and
 * is then the caller's to close. */
void keeper_set_clock(struct keeper *keeper, struct paraclock *clk);

/*
 * Look for disruptions; measure; correct if the rules say so. Call it when
 * paraclock_event_fd() is readable, once in a while, and whenever somebody
 * asks. Returns the state; WAITING and SLEWING: call it again soon.
 */
enum keep_state keeper_look(struct keeper *keeper);

/* Has anything told of a disruption, or does the source need another look? */
bool keeper_has_news(struct keeper *keeper);

/* Only measure. What tells of disruptions is noted for the next look. */
void keeper_measure(struct keeper *keeper, struct measurement *ret_measurement);

/* As if there had been a disruption: correct now, not only report. */
void keeper_ask(struct keeper *keeper, const char *kind);

const char *keep_state_name(enum keep_state state);

#endif
