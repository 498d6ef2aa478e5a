// SPDX-License-Identifier: MIT
/*
 * A PTP clock that can be steered, for a program that is linked with --wrap: an
 * affine function of CLOCK_MONOTONIC_RAW, 20 ppm fast, behind the calls that
 * Linux has for such a clock, with the errors that Linux gives.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/ptp_clock.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000LL

#define FAKE_PATH "/dev/fake-ptp"
#define OWN_PPB	  20000.0
#define MAX_PPB	  50000

int __real_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __real_clock_gettime(clockid_t id, struct timespec *now);
int __real_clock_adjtime(clockid_t id, struct timex *tx);
int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_adjtime(clockid_t id, struct timex *tx);

static struct {
	int fd;
	int64_t raw_ns;
	int64_t ns;
	double ppb;
} fake = { .fd = -1, .ppb = OWN_PPB };

/* CLOCKFD, 3, and the descriptor above it, as clock_getres(2) has it. */
static int is_fake(clockid_t id)
{
	return fake.fd >= 0 && (id & 7) == 3 && ~(id >> 3) == fake.fd;
}

static int64_t fake_ns(void)
{
	struct timespec raw;
	int64_t raw_ns;

	__real_clock_gettime(CLOCK_MONOTONIC_RAW, &raw);
	raw_ns = raw.tv_sec * NSEC_PER_SEC + raw.tv_nsec;
	fake.ns += (int64_t)((double)(raw_ns - fake.raw_ns) *
			     (1 + fake.ppb / 1e9));
	fake.raw_ns = raw_ns;
	return fake.ns;
}

int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (strcmp(path, FAKE_PATH) != 0)
		return __real_open(path, flags, mode);
	fake.fd = __real_open("/dev/null", flags);
	return fake.fd;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct ptp_clock_caps *caps;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fd != fake.fd || request != PTP_CLOCK_GETCAPS)
		return __real_ioctl(fd, request, arg);
	caps = arg;
	*caps = (struct ptp_clock_caps){ .max_adj = MAX_PPB };
	return 0;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
	int64_t ns;

	if (!is_fake(id))
		return __real_clock_gettime(id, now);
	ns = fake_ns();
	now->tv_sec = ns / NSEC_PER_SEC;
	now->tv_nsec = ns % NSEC_PER_SEC;
	return 0;
}

static int fail(int error)
{
	errno = error;
	return -1;
}

int __wrap_clock_adjtime(clockid_t id, struct timex *tx)
{
	const unsigned int step = ADJ_SETOFFSET | ADJ_NANO;
	double ppb = (double)tx->freq / 65.536;

	if (!is_fake(id))
		return __real_clock_adjtime(id, tx);
	fake_ns();
	if (tx->modes == step) {
		if (tx->time.tv_usec < 0 || tx->time.tv_usec >= NSEC_PER_SEC)
			return fail(EINVAL);
		fake.ns += tx->time.tv_sec * NSEC_PER_SEC + tx->time.tv_usec;
		return 0;
	}
	if (tx->modes != ADJ_FREQUENCY)
		return fail(EOPNOTSUPP);
	if (ppb > MAX_PPB || ppb < -MAX_PPB)
		return fail(ERANGE);
	fake.ppb = OWN_PPB + ppb;
	return 0;
}
