/* SPDX-License-Identifier: MIT */
/* What the examples of the manual take for granted: the reader's program. */
#ifndef MAN_EXAMPLES_H
#define MAN_EXAMPLES_H

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <paraclock/backend.h>
#include <paraclock/paraclock.h>
#include <paraclock/relay.h>
#include <paraclock/sim.h>
#include <paraclock/sim_script.h>
#include <paraclock/timekeeper.h>

/* Clocks, and what is read from them. */
extern struct paraclock *clk, *other;
extern struct paraclock_options opts;
extern struct paraclock_sample sample;
extern struct paraclock_crosststamp xt;
extern struct paraclock_leap_table table;
extern struct paraclock_env env;
extern uint64_t epoch, guest_tsc, counter;
extern int64_t known_until, offset_ns, ns, tai_ns, shown_ns, back_ns;
extern uint64_t error_ns;
extern double ns_per_tick;
extern int ret, stop;

/* A host's guests, and what it writes for them. */
extern struct paraclock_timekeeper *tk;
extern struct paraclock_timeline before, after;
extern struct paraclock_page_writer *writer;
extern struct paraclock_relay relay;
extern struct paraclock_target *targets;
extern size_t n_targets;
extern void *page, *guest_page, *guest;
extern uint64_t tsc, khz, sec, last_marker;
extern int vcpu_fd;

/* A simulated world. */
extern struct paraclock_sim *world;
extern struct paraclock_sim_host *here, *there;
extern struct paraclock_sim_vm *vm;

/* A device that latches a time. */
struct card {
	int64_t latched_ns;
	uint64_t latched_tsc;
};
extern struct card card;

/* What the program does. */
void work(void);
void calibrate(void);
void calibrate_anew(void);
void discard(void);
void new_identity(void);
void begin_anew(void);
int host_clock_was_set(void);
void wait_for_announcement(void);
void move(void);
int wait_for_wakeup_or_1s(void);
void poll_for(int ms, int fd);
void wake(void (*thread)(void));
int pause_guest(void *guest, int stop);

#endif
