/* SPDX-License-Identifier: MIT */
/* A small file that other processes map: ours alone to write, and never cut
 * short, so that no reader and no writer is killed by SIGBUS. */
#ifndef SERVE_FILE_H
#define SERVE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct serve_file {
	const char *path;
	size_t size;
	void *memory; /* NULL: not mapped */

	/* Private. */
	dev_t device;
	ino_t inode;
	char temporary[280]; /* empty: it is at path */
};

/* Map the file that is at path, if it is a plain one of this size that is ours
 * alone. 0, or -errno: make a new one. */
int serve_file_map(struct serve_file *file);
/* Make a new one, zeroed, under a temporary name. 0, or -errno. */
int serve_file_make(struct serve_file *file);
/* Show it at path; what was there is replaced at once. 0, or -errno. */
int serve_file_show(struct serve_file *file);
/* Is it still at path? */
bool serve_file_is_shown(const struct serve_file *file);
/* Unmap it. What was never shown is removed. */
void serve_file_drop(struct serve_file *file);

/* So that one process writes to what is at a path. The kernel holds the lock,
 * and it ends with the process. */
struct serve_lock {
	const char *held;   /* the path of what it is for */
	const char *what;   /* "the page": for the sentence */
	const char *option; /* that names another one */

	/* Private. */
	int fd; /* -1: not held */
};

/* Hold the lock file @p path. 0, or -errno and a sentence in @p why: -EBUSY
 * names the process that holds it. */
int serve_lock(struct serve_lock *lock, const char *path, char *why,
	       size_t size);
void serve_unlock(struct serve_lock *lock);

#endif
