// SPDX-License-Identifier: MIT
/*
 * A nested hypervisor (L1) passes its host's clock on to a guest (L2): the page
 * above, as it stands, onto a vmclock page below. Here L2's page is a file, and
 * its counter is L1's, so that
 *
 *   paraclock read -b vmclock -d PAGE
 *
 * shows in L1 what L2 reads. SIGUSR1 says that L1 is about to be moved, SIGUSR2
 * that it was; an unannounced move is noticed within 10 ms.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <paraclock/paraclock.h>
#include <paraclock/relay.h>

/* What wakes paraclock_event_fd() could end this nap early. */
#define PERIOD_US 10000

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
	signalled = number;
}

/* A new guest's page: zeroed memory. */
static void *make_page(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	void *page = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, PARACLOCK_VMCLOCK_PAGE_SIZE))
		page = mmap(NULL, PARACLOCK_VMCLOCK_PAGE_SIZE,
			    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		err(1, "%s: cannot make a new page here", path);
	close(fd);
	return page;
}

static int pass_on(struct paraclock_relay *relay)
{
	int number = signalled;

	signalled = 0;
	if (number == SIGUSR1)
		return paraclock_relay_freeze(relay);
	if (number == SIGUSR2)
		return paraclock_relay_resume(relay);
	return paraclock_relay_update(relay);
}

/* A relay's -EAGAIN is not the clock's: the clock above may be fit again. */
static void say_why_frozen(const struct paraclock_relay *relay, int ret,
			   char *why, size_t size)
{
	struct paraclock_sample now = { 0 };
	int error = paraclock_read(relay->clk, &now);

	if (ret && ret != -EAGAIN)
		paraclock_explain(relay->clk, ret, NULL, why, size);
	else if (error || !now.valid)
		paraclock_explain(relay->clk, error, &now, why, size);
	else
		snprintf(why, size,
			 "L2 is frozen until the move is over and the page "
			 "above is known to be new");
}

static void tell(const char *path, const struct paraclock_relay *relay, int ret)
{
	char why[512] = "";

	if (relay->targets->state == PARACLOCK_TARGET_RUNNING)
		snprintf(why, sizeof(why), "L2 reads the time of %s",
			 paraclock_backend_name(relay->clk));
	else
		say_why_frozen(relay, ret, why, sizeof(why));
	printf("%s: %s, disruptions %llu: %s\n", path,
	       ret ? paraclock_error_name(ret) : "OK",
	       (unsigned long long)relay->disruptions, why);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char why[1536] = "";
	struct paraclock_options opts = { .size = sizeof(opts),
					  .detail = why,
					  .detail_size = sizeof(why) };
	struct paraclock_page_writer writer = { { 0 } };
	struct paraclock_target target = { .size = sizeof(target),
					   .writer = &writer,
					   .marker = 1 };
	struct paraclock_relay relay = { .size = sizeof(relay),
					 .targets = &target,
					 .n_targets = 1 };
	int opt, ret, last = 0, state = PARACLOCK_TARGET_NEW;
	uint64_t disruptions = 0;
	struct paraclock *clk;

	while ((opt = getopt(argc, argv, "b:d:")) != -1) {
		if (opt == 'b')
			opts.backend = optarg;
		else if (opt == 'd')
			opts.device = optarg;
	}
	if (optind != argc - 1)
		errx(2, "usage: relay [-b BACKEND] [-d DEVICE] PAGE");
	if (paraclock_open(&clk, &opts))
		errx(1, "%s", why);
	relay.clk = clk;
	target.page = make_page(argv[optind]);
	target.write = paraclock_vmclock_write;
	target.freeze = paraclock_vmclock_freeze;
	if (paraclock_page_writer_acquire(&writer, NULL))
		errx(1, "%s: cannot become its writer", argv[optind]);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	/* At its end, which ends the loop, L2 must not go on with the page. */
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	while (signalled != SIGINT && signalled != SIGTERM) {
		ret = pass_on(&relay);
		if (target.state != state || ret != last ||
		    relay.disruptions != disruptions)
			tell(argv[optind], &relay, ret);
		state = target.state;
		last = ret;
		disruptions = relay.disruptions;
		usleep(PERIOD_US);
	}
	ret = paraclock_relay_freeze(&relay);
	paraclock_close(clk);
	return ret != 0;
}
