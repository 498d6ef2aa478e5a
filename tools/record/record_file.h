/* SPDX-License-Identifier: MIT */
/* The file of a record while it is being written. */
#ifndef RECORD_FILE_H
#define RECORD_FILE_H

#include "record.h"

struct record_file {
	FILE *to;
	const char *name; /* in messages */
};

/* @p path "-": stdout. 0, or a negative errno. */
int record_file_open(struct record_file *file, const char *path);
/* Each: 0; or a negative errno, and the file is closed, stdout silenced. */
int record_file_flush(struct record_file *file);
int record_file_close(struct record_file *file);
/* Print what such an errno means. */
void record_file_complain(const struct record_file *file, int error);

/* What is read, at which interval, and the names of the columns. @p xt is a
 * reading of @p clk. */
void record_file_about(const struct record_file *file,
		       const struct paraclock *clk,
		       const struct paraclock_crosststamp *xt,
		       int64_t interval_ns);

#endif
