// SPDX-License-Identifier: MIT
/* The part of tests/vm that runs in the guest, by the public API. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "guest.h"
#include "mailbox.h"

struct paraclock *open_clock(const char *backend)
{
	char detail[512] = "";
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	struct paraclock *clk;
	int ret = paraclock_open(&clk, &opts);

	if (ret)
		errx(1, "%s: %s: %s", backend, paraclock_error_name(ret),
		     detail);
	return clk;
}

/* mailbox ADDRESS: answer the publisher's questions, for ever. */
static int guest_mailbox(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = NSEC_PER_SEC / 500 };
	int fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	struct mailbox *box;
	uint64_t asked;

	if (argc != 2 || fd < 0)
		err(1, "mailbox: /dev/mem");
	box = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   strtoll(argv[1], NULL, 0));
	if (box == MAP_FAILED)
		err(1, "mailbox: %s", argv[1]);
	for (;;) {
		__atomic_store_n(&box->now, __rdtsc(), __ATOMIC_RELAXED);
		asked = __atomic_load_n(&box->asked, __ATOMIC_ACQUIRE);
		if (!asked) {
			nanosleep(&pause, NULL);
			continue;
		}
		if (asked == box->answered)
			continue;
		_mm_lfence();
		box->tsc = __rdtsc();
		__atomic_store_n(&box->answered, asked, __ATOMIC_RELEASE);
	}
}

/* follow: prints each disruption that the epoch shows, for ever. */
static int guest_follow(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = NSEC_PER_SEC / 100 };
	struct paraclock *clk = open_clock("vmclock");
	uint64_t epoch = paraclock_epoch(clk);
	int ret;

	(void)argc;
	(void)argv;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("epoch=%" PRIu64 "\n", epoch);
	while (!ferror(stdout)) {
		ret = paraclock_disrupted(clk, epoch);
		if (ret) {
			epoch = paraclock_epoch(clk);
			printf("disrupted=%d epoch=%" PRIu64 "\n", ret, epoch);
		}
		nanosleep(&pause, NULL);
	}
	return 1;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {
		{ "mailbox", guest_mailbox },
		{ "follow", guest_follow },
		{ "phc", guest_phc },
		{ "set", guest_set },
		{ "tai", guest_tai },
		{ "clocksource", guest_clocksource },
		{ "clock", guest_clock },
		{ "steps", guest_steps },
		{ "step", guest_step },
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc > 1 && strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "usage: guest COMMAND ...\n");
	return 2;
}
