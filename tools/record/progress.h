/* SPDX-License-Identifier: MIT */
/* How far a record is: one line on stderr, drawn again and again. */
#ifndef RECORD_PROGRESS_H
#define RECORD_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
	bool is_shown;	     /* stderr is a terminal, and it takes long */
	bool is_drawn;	     /* the terminal's line is in use */
	int64_t total_ns;    /* how long it is to take; 0: until a signal */
	int64_t drawn_at_ns; /* CLOCK_MONOTONIC_RAW */
	uint64_t readings;
	uint64_t not_valid;
	uint64_t disruptions;
};

/* How often the line is drawn at most, ns: faster, nobody could read it. */
#define PROGRESS_EVERY_NS 250000000

/* Decide whether it is shown; @p total_ns as above. */
void progress_start(struct progress *progress, int64_t total_ns);
/* Draw it, if it is due. */
void progress_draw(struct progress *progress, int64_t now_ns,
		   int64_t elapsed_ns);
/* Make room for a message on stderr. */
void progress_clear(struct progress *progress);

/* The line, of at most @p width columns. */
void progress_format(const struct progress *progress, int64_t elapsed_ns,
		     unsigned int width, char *buf, size_t size);
/* "600 readings, 2 not valid, 1 disruption" */
void progress_format_counts(const struct progress *progress, char *buf,
			    size_t size);

#endif
