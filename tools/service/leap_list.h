/* SPDX-License-Identifier: MIT */
/* The leap second list, for whoever asks with each measurement. */
#ifndef LEAP_LIST_H
#define LEAP_LIST_H

#include <paraclock/timescale.h>

/* Zero it to begin. */
struct leap_list {
	struct paraclock_leap_table table;
	int error;
	int64_t read_ns; /* 0: never */
};

/* The list, read again after a minute: it changes twice a year. 0, or -errno. */
int leap_list_get(struct leap_list *list,
		  struct paraclock_leap_table *ret_table);

#endif
