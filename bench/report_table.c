// SPDX-License-Identifier: MIT
/* The figures, for people, and how they compare with the limits. */

#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "tools.h"

static const char *mark(int judgement)
{
	return judgement ? "ok" : "MISSED";
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

static bool is_free(const struct subject *subject)
{
	return subject->syscalls <= 0 && subject->allocations <= 0;
}

bool misses_limit(const struct bench *bench)
{
	for (unsigned int i = 0; i < bench->count; i++) {
		const struct subject *subject = &bench->subject[i];

		if (!judge_time(bench, subject) ||
		    !judge_scaling(bench, subject) ||
		    (is_measured(subject) && subject->clk && !is_free(subject)))
			return true;
	}
	return false;
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

	printf("%ld CPUs, %s at %.*f MHz (%s)\nhypervisor %s, clocksource "
	       "%s\n",
	       bench->cpus, paraclock_counter_name(machine->counter),
	       known_decimals(machine), (double)machine->counter_hz / 1e6,
	       machine->measured ? "measured" : "stated",
	       machine->hypervisor[0] ? machine->hypervisor : "none",
	       machine->clocksource[0] ? machine->clocksource : "unknown");
}

/* No blank inside a column, and "-" where there is no figure: for awk. */
#define TIME_COLUMNS "%-9s %8s %8s %8s %8s %9s %7s %-6s %s\n"

struct cell {
	char text[16];
};

static struct cell cell(const char *format, double value, bool is_known)
{
	struct cell cell = { "-" };

	if (is_known)
		snprintf(cell.text, sizeof(cell.text), format, value);
	return cell;
}

static const char *judged(int judgement)
{
	return judgement < 0 ? "-" : mark(judgement);
}

static struct cell time_limit(const struct limits *limits, int judgement)
{
	struct cell cell = { "-" };

	if (judgement < 0)
		return cell;
	if (limits->over_bare > 0)
		snprintf(cell.text, sizeof(cell.text), "%.0fxbare",
			 limits->over_bare);
	else
		snprintf(cell.text, sizeof(cell.text), "%.2f,%+.0f",
			 limits->over_vdso, limits->minus_bare_ns);
	return cell;
}

static void print_time(const struct bench *bench, const struct subject *subject)
{
	double bare = bench->bare->ns.median, vdso = bench->vdso->ns.median;
	const struct spread *ns = &subject->ns;
	const bool known = is_measured(subject);
	int judgement = judge_time(bench, subject);

	printf(TIME_COLUMNS, subject->name,
	       cell("%.2f", ns->median, known).text,
	       cell("%.2f", ns->low, known).text,
	       cell("%.2f", ns->high, known).text,
	       cell("%.3f", ns->median / bare, known).text,
	       cell("%+.2f", ns->median - bare, known).text,
	       cell("%.3f", ns->median / vdso, known).text, judged(judgement),
	       time_limit(&subject->limits, judgement).text);
}

static void print_why(const char *name, const char *why)
{
	char text[512];

	snprintf(text, sizeof(text), "%s: not measured: %s", name, why);
	print_wrapped(text, 0, 80);
}

static void print_times(const struct bench *bench)
{
	printf("\nOne call, ns; %llu passes over interleaved blocks\n",
	       (unsigned long long)bench->passes);
	printf(TIME_COLUMNS, "NAME", "MEDIAN", "P10", "P90", "/BARE", "-BARE",
	       "/VDSO", "JUDGED", "LIMIT");
	for (unsigned int i = 0; i < bench->count; i++)
		print_time(bench, &bench->subject[i]);
	for (unsigned int i = 0; i < bench->count; i++) {
		if (!is_measured(&bench->subject[i]))
			print_why(bench->subject[i].name,
				  bench->subject[i].why);
	}
}

#define THREAD_COLUMNS "%-9s %9s %9s  %-6s %s\n"

static void print_threads(const struct bench *bench)
{
	printf("\nTwo threads on one clock, throughput");
	if (!bench->thread_passes) {
		puts("");
		print_why("threads", bench->threads_why);
		return;
	}
	if (bench->thread_cpu[0] >= 0 && bench->thread_cpu[1] >= 0)
		printf(" (CPUs %d and %d)\n", bench->thread_cpu[0],
		       bench->thread_cpu[1]);
	else
		printf(" (the threads could not be pinned to CPUs)\n");
	printf(THREAD_COLUMNS, "NAME", "xONE", "/BARE", "JUDGED", "LIMIT");
	for (unsigned int i = 0; i < bench->count; i++) {
		const struct subject *subject = &bench->subject[i];
		int judgement = judge_scaling(bench, subject);

		if (!is_measured(subject) || subject->scaling <= 0)
			continue;
		printf(THREAD_COLUMNS, subject->name,
		       cell("%.3f", subject->scaling, true).text,
		       cell("%.3f", subject->scaling / bench->bare->scaling,
			    true)
			       .text,
		       judged(judgement),
		       cell(">=%.2f", subject->limits.scaling, judgement >= 0)
			       .text);
	}
}

static void print_method(const char *what, const struct method *method)
{
	if (!method->used)
		print_why(what, method->why);
	else
		printf("%s: the control counted %llu of %llu%s\n", what,
		       (unsigned long long)method->counted,
		       (unsigned long long)method->expected,
		       is_broken(method) ? ": THE COUNT IS WRONG" : "");
}

#define COUNT_COLUMNS "%-9s %12s %12s  %s\n"

static void print_counts(const struct bench *bench)
{
	puts("\nOne read: how many of each");
	printf(COUNT_COLUMNS, "NAME", "SYSCALLS", "ALLOCATIONS", "JUDGED");
	for (unsigned int i = 0; i < bench->count; i++) {
		const struct subject *it = &bench->subject[i];
		bool is_known = it->syscalls >= 0 && it->allocations >= 0;

		if (!is_measured(it))
			continue;
		printf(COUNT_COLUMNS, it->name,
		       cell("%g", it->syscalls, it->syscalls >= 0).text,
		       cell("%g", it->allocations, it->allocations >= 0).text,
		       judged(it->clk && is_known ? is_free(it) : -1));
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

#define SYNC_COLUMNS "%-9s %9s %9s %9s %9s %9s %9s\n"

static void print_sync(const struct bench *bench)
{
	const struct sync_cost *sync = &bench->sync;
	const struct subject *cross = find_cross(bench);
	const struct spread *ns = &sync->ns;

	puts("\nOne request to keep, where the clock is right, us");
	if (!sync->requests) {
		print_why("sync", sync->why);
		return;
	}
	printf(SYNC_COLUMNS, "NAME", "MEDIAN", "P10", "P90", "/VDSO", "/CROSS",
	       "REQUESTS");
	printf(SYNC_COLUMNS, "sync", cell("%.2f", ns->median / 1e3, true).text,
	       cell("%.2f", ns->low / 1e3, true).text,
	       cell("%.2f", ns->high / 1e3, true).text,
	       cell("%.0f", ns->median / bench->vdso->ns.median, true).text,
	       cell("%.1f", cross ? ns->median / cross->ns.median : 0, cross)
		       .text,
	       cell("%.0f", (double)sync->requests, true).text);
}

int report_table(const struct bench *bench)
{
	print_machine(bench);
	for (unsigned int i = 0; i < bench->count; i++) {
		const struct subject *subject = &bench->subject[i];

		if (subject->page && is_measured(subject))
			printf("%s: %s\n", subject->name, subject->page);
	}
	print_wrapped("Each read also checks the marker of a vmclock, which is "
		      "an image in memory. 'paraclock status' shows the "
		      "markers of this machine.",
		      0, 80);
	if (BENCH_SANITIZED)
		printf("\n(built with a sanitizer, which slows vdso: times are "
		       "compared with no limit)\n");
	print_times(bench);
	print_threads(bench);
	print_counts(bench);
	print_sync(bench);
	if (misses_limit(bench))
		printf("\nMISSED: before you believe it, measure for longer on "
		       "an idle machine.\n");
	return output_flush();
}
