/* SPDX-License-Identifier: MIT */
/*
 * The program that runs in the guest; its first argument selects the command.
 */
#ifndef PARACLOCK_VM_GUEST_H
#define PARACLOCK_VM_GUEST_H

#include <stdint.h>

#include <paraclock/paraclock.h>

#define NSEC_PER_SEC 1000000000LL

/* Open a clock by name, or exit. */
struct paraclock *open_clock(const char *backend);

/* Each returns the exit status. */
int guest_phc(int argc, char **argv);
int guest_set(int argc, char **argv);
int guest_tai(int argc, char **argv);
int guest_clocksource(int argc, char **argv);
int guest_clock(int argc, char **argv);
int guest_steps(int argc, char **argv);
int guest_step(int argc, char **argv);

#endif
