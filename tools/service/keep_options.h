/* SPDX-License-Identifier: MIT */
/* What the user asks of keep, and of the agent, which corrects by its rules. */
#ifndef KEEP_OPTIONS_H
#define KEEP_OPTIONS_H

#include "observer.h"

/* Where keep shows its state, is asked, and has its lock. */
#define KEEP_FOLDER "/run/paraclock/keep"

struct keep_options {
	struct observer_options observer;
	struct keep_rules rules;
	const char *folder;
	const char *exec; /* NULL: none */
	bool json;
	bool in_container;
	bool sets_clock;     /* also when somebody asks: the agent */
	uint32_t vsock_port; /* 0: none */
};

/* -b, -d and the rules, as a child of a subcommand's argp; its input is a struct
 * keep_options, which ARGP_KEY_INIT of the child fills in. */
extern const struct argp keep_argp;

#endif
