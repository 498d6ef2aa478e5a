/* SPDX-License-Identifier: MIT */
/* Shared by the services: one loop, its log, and what they tell systemd. */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- loop.c: one poll(2) loop --------------------------------------------- */

struct loop;
typedef void loop_fn(void *arg);

/* 0, or -errno. A loop catches SIGTERM, SIGINT and SIGHUP by signalfd(2), unless
 * they are ignored; each ends it with status 0. One loop for each process. */
int loop_new(struct loop **ret_loop);
/* Kills the programs that still run, and forgets them. */
void loop_free(struct loop *loop);

/*
 * Call fn(arg) whenever fd has one of @p events (POLLIN, POLLOUT), hung up or
 * failed. One watch for each descriptor: a second call replaces the first. 0:
 * stop watching; call it before close(2). 0, or -ENOMEM. Functions may change
 * watches and timers, also their own.
 *
 * The loop asks poll(2) again at once. A function that neither reads, nor
 * writes, nor stops watching a descriptor that hung up makes it a busy loop.
 * In one round, due timers come first, by their time; then descriptors, in the
 * order in which they were first watched.
 */
int loop_watch(struct loop *loop, int fd, short events, loop_fn *fn, void *arg);

/*
 * Call fn(arg) once, in @p in_ns, by CLOCK_BOOTTIME: the time that a machine
 * was suspended counts. One timer for each pair of fn and arg: a second call
 * moves it. Negative: cancel it. 0, or -ENOMEM.
 */
int loop_timer(struct loop *loop, int64_t in_ns, loop_fn *fn, void *arg);

/* CLOCK_BOOTTIME now, by which timers run, ns. */
int64_t loop_now_ns(void);

/* Run until loop_end() or a signal; returns the status. Once ended, a loop may
 * be run again. */
int loop_run(struct loop *loop);
void loop_end(struct loop *loop, int status);

/* --- child.c: other programs ---------------------------------------------- */

/* @p status: as waitpid(2) reports it, or -ETIMEDOUT: it was killed. @p out:
 * what it wrote to stdout, NUL-terminated, cut after 4095 bytes. */
typedef void child_fn(void *arg, int status, const char *out);

/*
 * Start a program: argv[0] is searched in PATH; @p input becomes its stdin (may
 * be NULL). It is killed, with its process group, after @p limit_ns. When it
 * ends, so does what it left in its group: a hook starts a daemon by setsid(1).
 * done(arg, ...) is called once, from the loop; never from within this call. 0,
 * or -errno (-ENOENT: no such program) and done is not called.
 *
 * The call waits until the program is loaded, which may take long from a disk
 * just after a restore: correct the clock first.
 */
int child_start(struct loop *loop, char *const argv[], const char *input,
		int64_t limit_ns, child_fn *done, void *arg);
/* The same without input, and what the program writes to stderr is dropped: one
 * that is asked each second would fill the log with its complaints. */
int child_start_quiet(struct loop *loop, char *const argv[], int64_t limit_ns,
		      child_fn *done, void *arg);

/* --- log.c: one line for each change of state ------------------------------ */

/* syslog's numbers; they prefix a line if stderr is the journal. */
#define LOG_LEVEL_ERROR	  3
#define LOG_LEVEL_WARNING 4
#define LOG_LEVEL_NOTICE  5
#define LOG_LEVEL_INFO	  6

/* program_invocation_short_name ("paraclock keep"), a colon and the text, as one
 * line on stderr. It is dropped if nobody reads stderr for a second. */
void service_log(int level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* What is not printable ASCII becomes '?', as in a line of the log. */
void service_make_printable(char *text);

/* --- notify.c: systemd's datagrams ----------------------------------------- */

/* Do nothing without NOTIFY_SOCKET. */
void notify_ready(const char *status);
void notify_status(const char *status);
void notify_stopping(void);
/* If systemd watches this service (WATCHDOG_USEC), tell it from the loop that
 * the loop runs, twice in that time. */
void notify_watchdog(struct loop *loop);

/* --- process.c: what a service does to its own process --------------------- */

/* Keep this program's code, and all memory that it has touched, resident: after
 * a restore nothing has to be read back from a disk before the clock is right.
 * A failure is logged, and no error. */
void service_lock_memory(void);
/*
 * May this process judge and set the machine's clock? 0, or -EPERM with a
 * sentence in @p why: it is in a time namespace, or in a container without
 * @p in_container.
 */
int service_check_place(bool in_container, char *why, size_t size);

/* --- state.c: files for people and scripts --------------------------------- */

/* Write a file anew under a temporary name and rename it, mode 0644: readers see
 * the old text or the new one. A symbolic link is replaced, not followed. 0, or
 * -errno. */
int state_write(const char *path, const char *text);
/* Make a folder, and those that it is in, unless they are there: mode 0755,
 * because others read what is in it. Whether it worked shows when a file is made
 * there. */
void state_make_folders(const char *folder);
/* Of a path that a user has named: there is nothing, or a file; else the log
 * says so. As root, rename(2) replaces a device such as /dev/null, too. */
bool state_may_replace(const char *option, const char *path);

#endif
