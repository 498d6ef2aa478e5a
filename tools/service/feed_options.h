/* SPDX-License-Identifier: MIT */
/* What the user asks of feed. */
#ifndef FEED_OPTIONS_H
#define FEED_OPTIONS_H

#include "observer.h"

#define FEED_FOLDER "/run/paraclock/feed"

/* What --print-config names if no output is given. */
#define FEED_SOCKET "/run/chrony/paraclock.sock"

/* chrony's: log2 s. */
#define FEED_POLL_MIN (-2)
#define FEED_POLL_MAX 10

/* chrony before 4.7 wants so many samples in a poll. */
#define FEED_SAMPLES 4

/* 2^log2 s, in ns. */
static inline int64_t feed_poll_ns(int log2)
{
	return log2 < 0 ? NSEC_PER_SEC >> -log2 : NSEC_PER_SEC << log2;
}

struct feed_options {
	struct observer_options observer;
	struct keep_rules rules;
	const char *sock;	    /* NULL: none */
	int unit;		    /* of NTP SHM; -1: none */
	bool lines;		    /* on stdout */
	bool json;		    /* changes of state on stdout */
	int poll;		    /* of chrony's configuration */
	int64_t delay_ns;	    /* what it says; -1: not stated */
	uint64_t count;		    /* samples, then exit; 0: no limit */
	const char *chronyc_socket; /* NULL: chronyc's default */
	bool no_reset;
	bool print_config;
	const char *folder;
};

/* All options of the subcommand, as a child of its argp; its input is a struct
 * feed_options, which ARGP_KEY_INIT of the child fills in. */
extern const struct argp feed_argp;

#endif
