// SPDX-License-Identifier: MIT
/* The figures, for people, and how they compare with the limits. */

#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "tools.h"

static const char *mark(int judgement)
{
	return judgement ? "ok" : "OVER";
}

int judge_time(const struct bench *bench, const struct subject *subject)
{
	const struct limits *limits = &subject->limits;

	if (BENCH_SANITIZED || !is_measured(subject))
		return -1;
	if (limits->over_bare > 0)
		return subject->ns.median <=
		       limits->over_bare * bench->bare->ns.median;
	if (limits->over_vdso <= 0)
		return -1;
	return subject->ns.median <=
		       limits->over_vdso * bench->vdso->ns.median &&
	       subject->ns.median <=
		       bench->bare->ns.median + limits->minus_bare_ns;
}

int judge_scaling(const struct bench *bench, const struct subject *subject)
{
	if (!is_measured(subject) || subject->limits.scaling <= 0 ||
	    subject->scaling <= 0)
		return -1;
	return subject->scaling >=
	       subject->limits.scaling * bench->bare->scaling;
}

/* How many decimals of a frequency in MHz are known. */
static int known_decimals(const struct paraclock_machine *machine)
{
	uint64_t error_hz = machine->measured ? machine->measured_error_hz : 0;
	int decimals = 6;

	/* The last digit is then off by one at most. */
	for (uint64_t unit = 1; decimals && unit < 2 * error_hz; unit *= 10)
		decimals--;
	return decimals;
}

static void print_machine(const struct bench *bench)
{
	const struct paraclock_machine *machine = &bench->machine;

	printf("%ld CPUs, %s at %.*f MHz (%s), hypervisor %s, "
	       "clocksource %s\n",
	       bench->cpus, paraclock_counter_name(machine->counter),
	       known_decimals(machine), (double)machine->counter_hz / 1e6,
	       machine->measured ? "measured" : "stated",
	       machine->hypervisor[0] ? machine->hypervisor : "none",
	       machine->clocksource[0] ? machine->clocksource : "unknown");
}

static void print_time(const struct bench *bench, const struct subject *subject)
{
	double bare = bench->bare->ns.median, vdso = bench->vdso->ns.median;
	const struct spread *ns = &subject->ns;
	const struct limits *limits = &subject->limits;
	int judgement = judge_time(bench, subject);

	printf("%-9s", subject->name);
	if (!is_measured(subject)) {
		printf(" not measured: %s\n", subject->why);
		return;
	}
	printf("%8.2f  %6.2f ..%7.2f %8.3f %+8.2f %8.3f", ns->median, ns->low,
	       ns->high, ns->median / bare, ns->median - bare,
	       ns->median / vdso);
	if (limits->over_bare > 0 && judgement >= 0)
		printf("  %-4s %.0f x bare", mark(judgement),
		       limits->over_bare);
	else if (judgement >= 0)
		printf("  %-4s %.2f, %+.0f", mark(judgement), limits->over_vdso,
		       limits->minus_bare_ns);
	printf("\n");
}

static void print_threads(const struct bench *bench)
{
	printf("\nTwo threads on one clock, throughput");
	if (!bench->thread_passes) {
		printf(": not measured: %s\n", bench->threads_why);
		return;
	}
	if (bench->thread_cpu[0] >= 0 && bench->thread_cpu[1] >= 0)
		printf(" (CPUs %d and %d)\n", bench->thread_cpu[0],
		       bench->thread_cpu[1]);
	else
		printf(" (the threads could not be pinned to CPUs)\n");
	printf("          x one   / bare's\n");
	for (unsigned int i = 0; i < bench->count; i++) {
		const struct subject *subject = &bench->subject[i];
		int judgement = judge_scaling(bench, subject);

		if (!is_measured(subject) || subject->scaling <= 0)
			continue;
		printf("%-9s%6.3f   %8.3f", subject->name, subject->scaling,
		       subject->scaling / bench->bare->scaling);
		if (judgement >= 0)
			printf("  %-4s >= %.2f", mark(judgement),
			       subject->limits.scaling);
		printf("\n");
	}
}

static void print_method(const char *what, const struct method *method)
{
	if (!method->used)
		printf("%s: not measured: %s\n", what, method->why);
	else
		printf("%s: the control counted %llu of %llu%s\n", what,
		       (unsigned long long)method->counted,
		       (unsigned long long)method->expected,
		       is_broken(method) ? ": THE COUNT IS WRONG" : "");
}

static void print_count(double count)
{
	if (count < 0)
		printf("%14s", "-");
	else
		printf("%14g", count);
}

static void print_counts(const struct bench *bench)
{
	printf("\nPer read      system calls   allocations\n");
	for (unsigned int i = 0; i < bench->count; i++) {
		const struct subject *subject = &bench->subject[i];

		if (!is_measured(subject))
			continue;
		printf("%-12s", subject->name);
		print_count(subject->syscalls);
		print_count(subject->allocations);
		if (subject->clk && subject->syscalls >= 0 &&
		    subject->allocations >= 0)
			printf("  %-4s 0", mark(subject->syscalls <= 0 &&
						subject->allocations <= 0));
		printf("\n");
	}
	print_method("system calls", &bench->syscalls);
	print_method("allocations", &bench->allocations);
}

const struct subject *find_cross(const struct bench *bench)
{
	for (unsigned int i = 0; i < bench->count; i++) {
		const struct subject *subject = &bench->subject[i];

		if (strcmp(subject->name, "cross") == 0 && is_measured(subject))
			return subject;
	}
	return NULL;
}

static void print_sync(const struct bench *bench)
{
	const struct sync_cost *sync = &bench->sync;
	const struct subject *cross = find_cross(bench);

	printf("\nOne request to keep, where the clock is right");
	if (!sync->requests) {
		printf(": not measured: %s\n", sync->why);
		return;
	}
	printf(", us; %llu requests\n"
	       "           median     10 %% .. 90 %%   / vdso  / cross\n",
	       (unsigned long long)sync->requests);
	printf("sync     %8.2f  %6.2f ..%7.2f %8.0f", sync->ns.median / 1e3,
	       sync->ns.low / 1e3, sync->ns.high / 1e3,
	       sync->ns.median / bench->vdso->ns.median);
	if (cross)
		printf(" %8.1f", sync->ns.median / cross->ns.median);
	printf("\n");
}

int report_table(const struct bench *bench)
{
	print_machine(bench);
	for (unsigned int i = 0; i < bench->count; i++) {
		const struct subject *subject = &bench->subject[i];

		if (subject->page && is_measured(subject))
			printf("%s: %s, disruption markers %s\n", subject->name,
			       subject->page,
			       paraclock_marker_class_name(
				       subject->marker_class));
	}
	if (BENCH_SANITIZED)
		printf("\n(built with a sanitizer, which slows vdso: times "
		       "are not compared with limits)\n");
	printf("\nOne call, ns; %llu passes over interleaved blocks\n",
	       (unsigned long long)bench->passes);
	printf("           median     10 %% .. 90 %%   / bare   - bare   "
	       "/ vdso  limits\n");
	for (unsigned int i = 0; i < bench->count; i++)
		print_time(bench, &bench->subject[i]);
	print_threads(bench);
	print_counts(bench);
	print_sync(bench);
	return output_flush();
}
