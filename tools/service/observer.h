/* SPDX-License-Identifier: MIT */
/*
 * The host clock, as a service follows it: finds a source, opens it again when
 * it is gone, looks at it in time, and notices disruptions. What is done about
 * them is the keeper's rules and ops.
 */
#ifndef OBSERVER_H
#define OBSERVER_H

#include "keeper.h"
#include "service.h"
#include "tools.h"

/* What the user asks for. */
struct observer_options {
	struct source source;
	int64_t interval_ns; /* between two looks while nothing happens */
	/* Without a name, take a source of markers only as well: the time comes
	 * from elsewhere. */
	bool markers_will_do;
};

/* Longer ones end with the last whole reason. */
#define OBSERVER_DETAIL_MAX 1536

struct observer {
	struct keeper keeper; /* keeper.clk NULL: no source is open */
	const struct observer_options *options;
	struct loop *loop;
	/* Called after each look, and after a search for a source that found
	 * none; may be NULL. */
	void (*looked)(void *ctx);
	void *looked_ctx;
	/* Called once when none is found, until one is; may be NULL. */
	void (*missing)(void *ctx);
	void *missing_ctx;
	/* Why no source is open, or is fit. */
	char detail[OBSERVER_DETAIL_MAX];

	/* Private. */
	bool runs;	    /* looks by itself */
	bool is_told;	    /* that none was found */
	int64_t waiting_ns; /* CLOCK_BOOTTIME, since when; 0: it does not */
	int64_t looked_ns;
	int64_t opened_ns; /* when a source was last looked for */
};

/* Rules for whoever only measures: nothing is ever corrected, and the state is
 * KEEP_RIGHT whenever the measurement (keeper.last) may be used. */
extern const struct keep_rules observer_rules;

/*
 * Open a source, if one is there now. enum status; else stderr says why. A
 * source that will never do (own kernel, no UTC) is STATUS_FAILED, a wrong name
 * STATUS_USAGE; one that may come later is no error. Rules and ops must outlive
 * it; env NULL: this machine's.
 */
int observer_open(struct observer *observer,
		  const struct observer_options *options, struct loop *loop,
		  const struct keep_rules *rules, const struct keep_ops *ops);
void observer_close(struct observer *observer);

/* From now on, look by itself: at the interval, sooner while waiting, and at
 * once when a disruption shows. */
void observer_start(struct observer *observer);

/* Open a source if none is open. false: none is; see detail. */
bool observer_find(struct observer *observer);
/* One look now. WAITING also while no source is open; see detail. */
enum keep_state observer_look(struct observer *observer);

#endif
