/* SPDX-License-Identifier: MIT */
/* Durations, in ns and for people. */
#ifndef DURATION_H
#define DURATION_H

#include <stddef.h>
#include <stdint.h>

#define NSEC_PER_SEC INT64_C(1000000000)

/* "340 ns", "12.3 us", "4.56 ms", "20.003 s", "2 d 03:04:05"; the sign is
 * dropped. */
const char *format_duration(uint64_t ns, char *buf, size_t size);
/* What that leaves out of it, ns. */
uint64_t duration_rest(uint64_t ns);
/* For a bound, which must not look narrower than it is: rounded up. */
const char *format_duration_up(uint64_t ns, char *buf, size_t size);
/* Like format_duration(), in at most 8 characters without a blank, for a column: "340ns",
 * "12.3us", "4.56ms", "20.003s", "86399.9s", "213503d". */
#define SHORT_TEXT 16
const char *format_short(uint64_t ns, char ret_text[SHORT_TEXT]);
const char *format_short_up(uint64_t ns, char ret_text[SHORT_TEXT]);
/* The distance of a signed one. */
uint64_t duration_of(int64_t ns);

/* A rate in at most 10 characters; @p sign: "+", or "". */
const char *format_ppm(double ppm, const char *sign, char ret_text[32]);
/* Its bound, and what the digits leave out of both. */
const char *format_ppm_bound(double rate, double bound, char ret_text[32]);

#endif
