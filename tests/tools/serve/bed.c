// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bed.h"

#define TICK_NS	   10000000
#define HORIZON_NS 100000000
/* Only against a hang. */
#define DEADLINE_NS (120 * NS_PER_SEC)

#define INSTALLED_DIR "/run/paraclock/serve"

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static void pause_for(int64_t ns)
{
	const struct timespec ts = { .tv_sec = ns / NS_PER_SEC,
				     .tv_nsec = ns % NS_PER_SEC };

	nanosleep(&ts, NULL);
}

void bed_fail(struct bed *bed, const char *what)
{
	fprintf(stderr, "%s: %s\n", bed_phase_name(bed->world->phase), what);
	if (!bed->wrong)
		bed->wrong = what;
}

void bed_phase(struct bed *bed, const char *name)
{
	bed->world->phase = bed_phase_number(name);
	printf("%6.1f s  %s\n",
	       (double)ns_of(bed->world,
			     counter_now() - bed->world->truth.span[0].from) /
		       1e9,
	       name);
	fflush(stdout);
}

/* --- processes ---------------------------------------------------------------- */

static void run_serve(const struct bed *bed)
{
	const char *argv[24];
	int n = 0, log = open(bed->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	argv[n++] = bed->options.tool;
	argv[n++] = "serve";
	argv[n++] = "--container";
	argv[n++] = "--clockbound";
	argv[n++] = bed->clockbound;
	if (bed->options.from_kernel) {
		argv[n++] = "--from";
		argv[n++] = "kernel";
	} else {
		argv[n++] = "-b";
		argv[n++] = "vmclock";
	}
	if (!bed->options.is_installed) {
		argv[n++] = "-d";
		argv[n++] = bed->vmclock;
		argv[n++] = "--fixed-size";
		argv[n++] = "--dir";
		argv[n++] = bed->dir;
	}
	argv[n] = NULL;
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	setenv("PARACLOCK_WORLD", bed->world_path, 1);
	setenv("LD_PRELOAD", bed->options.preload, 1);
	if (bed->options.fakes) {
		char path[1024];

		snprintf(path, sizeof(path), "%s:%s", bed->options.fakes,
			 getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
		setenv("PATH", path, 1);
	}
	execv(argv[0], (char *const *)(uintptr_t)argv);
	perror(argv[0]);
	_exit(127);
}

static pid_t start(struct bed *bed)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	/* Nobody outlives the bed. */
	if (!pid && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() == 1))
		_exit(1);
	if (pid < 0)
		bed_fail(bed, "fork failed");
	return pid;
}

int bed_start_serve(struct bed *bed)
{
	bed->started++;
	bed->serve = start(bed);
	if (!bed->serve) {
		bed->world->serve = getpid();
		run_serve(bed);
	}
	return bed->serve > 0 ? 0 : -errno;
}

int bed_start_readers(struct bed *bed)
{
	struct reader_options options = {
		.device = bed->options.is_installed ? NULL : bed->page,
		.page = bed->page,
		.clockbound = bed->clockbound,
		.vmclock = bed->options.is_installed ? bed->vmclock : NULL,
	};

	for (unsigned int i = 0; i < BED_READERS; i++) {
		options.number = i;
		bed->reader[i] = start(bed);
		if (!bed->reader[i])
			_exit(reader_run(bed->world, &options));
	}
	return 0;
}

void bed_kill_serve(struct bed *bed)
{
	int status;

	if (!bed->serve)
		return;
	kill(bed->serve, SIGKILL);
	waitpid(bed->serve, &status, 0);
	bed->serve = 0;
}

static void stop_one(struct bed *bed, pid_t pid)
{
	int status;

	if (pid &&
	    (kill(pid, SIGSTOP) || waitpid(pid, &status, WUNTRACED) != pid ||
	     !WIFSTOPPED(status)))
		bed_fail(bed, "a process did not stop, but ended");
}

/* After this, nobody has read the counter for longer than the horizon. */
void bed_stop(struct bed *bed)
{
	for (int i = 0; i < BED_READERS; i++)
		stop_one(bed, bed->reader[i]);
	if (!bed->is_stopped)
		stop_one(bed, bed->serve);
	while (counter_now() <= bed->world->horizon)
		pause_for(TICK_NS / 10);
	__atomic_store_n(&bed->world->horizon, counter_now(), __ATOMIC_RELEASE);
}

void bed_continue(struct bed *bed)
{
	world_settle(bed->world, HORIZON_NS);
	bed->is_stopped = false;
	if (bed->serve)
		kill(bed->serve, SIGCONT);
	for (int i = 0; i < BED_READERS; i++)
		if (bed->reader[i])
			kill(bed->reader[i], SIGCONT);
}

static void look_after_serve(struct bed *bed)
{
	int status;

	if (!bed->serve ||
	    waitpid(bed->serve, &status, WNOHANG | WUNTRACED) != bed->serve)
		return;
	if (WIFSTOPPED(status)) {
		bed->is_stopped = true;
		return;
	}
	bed->serve = 0;
	if (!bed->world->dies)
		bed_fail(bed, "serve has ended by itself");
}

/* --- time goes on --------------------------------------------------------------- */

static void look_at_page(struct bed *bed)
{
	struct page page;
	const char *wrong;

	if (!bed->served)
		bed->served = page_map(bed->page, PAGE_SIZE);
	if (!bed->served || !page_copy(bed->served, &page) ||
	    page.seq == bed->last.seq)
		return;
	bed->last = page;
	bed->pages++;
	if (page_is_usable(&page) &&
	    page_is_own_kernel(&page) != bed->options.from_kernel)
		bed_fail(bed, "a page does not say whose clock it repeats");
	if (bed->must_be_served && !page_is_usable(&page))
		bed_fail(bed, "a host that keeps its bound is not served");
	if (bed->options.from_kernel || !page_is_usable(&page))
		return;
	wrong = source_is_covered(&bed->source, &page);
	if (!wrong)
		return;
	if (!bed->unlike_source++)
		fprintf(stderr, "%s: %s\n", bed_phase_name(bed->world->phase),
			wrong);
}

static void tick(struct bed *bed)
{
	int ret;

	if (bed->plan)
		bed->plan(&bed->steering, HORIZON_NS);
	else
		world_settle(bed->world, HORIZON_NS);
	ret = source_update(&bed->source);
	if (ret)
		bed_fail(bed, "the host's page could not be written");
	look_after_serve(bed);
	look_at_page(bed);
	pause_for(TICK_NS);
}

void bed_run(struct bed *bed, int64_t ns)
{
	const int64_t end_ns = now_ns() + ns;

	do
		tick(bed);
	while (now_ns() < end_ns);
}

void bed_run_until_served(struct bed *bed)
{
	const uint64_t from = counter_now();
	const int64_t end_ns = now_ns() + DEADLINE_NS;

	while (__atomic_load_n(&bed->world->newest_page, __ATOMIC_RELAXED) <
	       from) {
		if (now_ns() > end_ns) {
			bed_fail(bed, "no valid read of a new page");
			return;
		}
		tick(bed);
	}
}

bool bed_run_to_step(struct bed *bed, uint32_t steps, bool dies)
{
	const int64_t end_ns = now_ns() + DEADLINE_NS;

	bed->world->dies = dies;
	__atomic_store_n(&bed->world->stops_in, steps, __ATOMIC_RELAXED);
	while (bed->serve && !bed->is_stopped && now_ns() < end_ns)
		tick(bed);
	__atomic_store_n(&bed->world->stops_in, 0, __ATOMIC_RELAXED);
	bed->world->dies = false;
	return !bed->serve || bed->is_stopped;
}

void bed_disrupt(struct bed *bed, const struct disruption *d)
{
	struct world *world = bed->world;
	const struct clock_line *truth = &world->truth;
	const uint64_t rate = truth->span[truth->spans - 1].rate;
	uint32_t flags = 0;

	if (d->is_disruption)
		flags |= SPAN_DISRUPTION;
	if (d->is_marked)
		flags |= SPAN_MARKED;
	bed_stop(bed);
	line_add(world, &world->truth, rate_faster(rate, d->ppm), d->jump_ns,
		 flags);
	world_settle(world, HORIZON_NS);
	if (!d->is_disruption)
		(void)source_update(&bed->source);
	else if (source_move(&bed->source, d->is_marked, d->is_restored))
		bed_fail(bed, "the host's page could not be moved");
	bed_continue(bed);
}

/* --- the beginning and the end ---------------------------------------------------- */

static int make_file(const char *path)
{
	const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return fd < 0 || ftruncate(fd, PAGE_SIZE) ? -1 : fd;
}

/* Sealed, as what cannot shrink is mapped. */
static int make_sealed(void)
{
	const int fd = memfd_create("vmclock", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, PAGE_SIZE) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		return -1;
	return fd;
}

static int make_source(struct bed *bed)
{
	const int fd = bed->options.is_installed ? make_sealed()
						 : make_file(bed->vmclock);
	void *page;
	int ret;

	if (fd < 0)
		return -errno;
	page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	if (bed->options.is_installed) {
		char dev[300];

		snprintf(dev, sizeof(dev), "%s/dev", bed->dir);
		ret = mkdir(dev, 0700) ? -errno : place_install(dev, fd);
		if (ret)
			return ret;
	}
	ret = source_init(&bed->source, bed->world, page,
			  !bed->options.is_installed);
	return ret ? ret : source_update(&bed->source);
}

static void name_files(struct bed *bed)
{
	const char *dir = bed->options.is_installed ? INSTALLED_DIR : bed->dir;

	snprintf(bed->page, sizeof(bed->page), "%s/utc.vmclock", dir);
	snprintf(bed->clockbound, sizeof(bed->clockbound), "%s/shm0", dir);
	if (bed->options.is_installed)
		snprintf(bed->vmclock, sizeof(bed->vmclock), "/dev/vmclock0");
	else
		snprintf(bed->vmclock, sizeof(bed->vmclock), "%s/host.vmclock",
			 bed->dir);
	snprintf(bed->log, sizeof(bed->log), "%s/log", bed->dir);
	snprintf(bed->world_path, sizeof(bed->world_path), "%s/world",
		 bed->dir);
}

int bed_open(struct bed *bed, const struct bed_options *options)
{
	int ret;

	*bed = (struct bed){ .options = *options };
	snprintf(bed->dir, sizeof(bed->dir), "%s/serve.XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(bed->dir)) {
		perror(bed->dir);
		return 1;
	}
	name_files(bed);
	bed->world = world_make(bed->world_path);
	if (!bed->world) {
		perror(bed->world_path);
		return 1;
	}
	bed->world->device_is_visible = options->is_installed;
	bed->source.random = bed->random = options->seed;
	world_settle(bed->world, HORIZON_NS);
	ret = make_source(bed);
	if (ret && ret != 77)
		fprintf(stderr, "the host's page cannot be made: %s\n",
			strerror(-ret));
	return ret < 0 ? 1 : ret;
}

static void show_log(const struct bed *bed)
{
	char line[512];
	FILE *log = fopen(bed->log, "re");

	while (log && fgets(line, sizeof(line), log))
		printf("  %s", line);
	if (log)
		fclose(log);
}

static void remove_all(const struct bed *bed)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf '%s'", bed->dir);
	(void)!system(command);
}

int bed_close(struct bed *bed)
{
	uint64_t faults;
	int status;

	__atomic_store_n(&bed->world->ends, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < BED_READERS; i++)
		if (bed->reader[i] > 0 &&
		    (waitpid(bed->reader[i], &status, 0) != bed->reader[i] ||
		     status))
			bed_fail(bed, "a reader has crashed");
	if (bed->serve > 0) {
		kill(bed->serve, SIGTERM);
		if (waitpid(bed->serve, &status, 0) != bed->serve || status)
			bed_fail(bed, "serve did not end cleanly");
		bed->serve = 0;
	}
	faults = bed_tell(bed);
	if (faults || bed->wrong) {
		printf("what serve said:\n");
		show_log(bed);
	}
	remove_all(bed);
	return faults || bed->wrong ? 1 : 0;
}
