// SPDX-License-Identifier: MIT
#include <linux/ptp_clock.h>
#include <stdio.h>

#include "fake_ptp.h"

/* The kernel's own definitions, against which the library's are tested. */
_Static_assert(PTP_CLOCK_GETCAPS == 0x80503d01, "as the library has it");

#define FIRST_FD 200

#define RAW_ID	       4
#define NSEC	       1000000000
#define DYNAMIC_FD(id) (~((id) >> 3))

int64_t fake_phc_at(const struct fake_ptp *ptp, const struct fake_phc *phc,
		    uint64_t counter)
{
	const struct fake_rate *rate = &phc->time;
	uint64_t ticks = counter - ptp->clocks.origin;

	/* A time more than a day before it does not fit. */
	return rate->base + (int64_t)(ticks * rate->num / rate->den) +
	       phc->step;
}

static struct fake_phc *of_fd(struct fake_ptp *ptp, int fd)
{
	assert_in_range(fd, FIRST_FD, FIRST_FD + FAKE_PHCS - 1);
	return &ptp->phc[fd - FIRST_FD];
}

/* A reading of the device: its time at an instant of now. */
static int64_t reading(struct fake_ptp *ptp, struct fake_phc *phc)
{
	uint64_t ticks = phc->ticks + ptp->readings * phc->late;
	int64_t ns;

	ptp->clocks.world.counter += ticks / 2;
	ptp->readings++;
	if (ptp->on_device)
		ptp->on_device(ptp, phc);
	ns = fake_phc_at(ptp, phc, ptp->clocks.world.counter);
	ptp->clocks.world.counter += ticks - ticks / 2;
	return ns;
}

static struct ptp_clock_time to_ptp(int64_t ns)
{
	int64_t sec = ns / NSEC - (ns % NSEC < 0);

	return (struct ptp_clock_time){
		.sec = sec,
		.nsec = (uint32_t)(ns - sec * NSEC),
	};
}

static struct ptp_clock_time system_time(const struct fake_ptp *ptp,
					 enum paraclock_clock clock,
					 uint64_t counter)
{
	return to_ptp(fake_clock_at(&ptp->clocks, clock, counter));
}

static int get_caps(const struct fake_phc *phc, struct ptp_clock_caps *caps)
{
	if (phc->caps_error)
		return phc->caps_error;
	*caps = (struct ptp_clock_caps){
		.cross_timestamping = phc->cross,
	};
	return 0;
}

static int precise(struct fake_ptp *ptp, struct fake_phc *phc,
		   struct ptp_sys_offset_precise *offset)
{
	uint64_t at;
	int64_t ns;

	if (phc->precise)
		return phc->precise;
	if (phc->needs_image && ptp->clocks.kind != PARACLOCK_CLOCKSOURCE_IMAGE)
		return -ENODEV;
	ns = reading(ptp, phc);
	at = ptp->clocks.world.counter - phc->ticks / 2;
	*offset = (struct ptp_sys_offset_precise){
		.device = to_ptp(ns),
		.sys_realtime = system_time(ptp, PARACLOCK_CLOCK_REALTIME, at),
		.sys_monoraw =
			system_time(ptp, PARACLOCK_CLOCK_MONOTONIC_RAW, at),
	};
	return 0;
}

static int extended(struct fake_ptp *ptp, struct fake_phc *phc,
		    struct ptp_sys_offset_extended *offset)
{
	enum paraclock_clock clock = PARACLOCK_CLOCK_REALTIME;
	/* Number of readings, clock id, two reserved; older headers have no
	 * name for the id. */
	uint32_t head[4];

	memcpy(head, offset, sizeof(head));
	if (phc->extended)
		return phc->extended;
	if (head[0] > PTP_MAX_SAMPLES || head[2] || head[3] ||
	    (head[1] && (phc->old_kernel || head[1] != RAW_ID)))
		return -EINVAL;
	if (head[1] && !phc->own_clock)
		clock = PARACLOCK_CLOCK_MONOTONIC_RAW;
	for (unsigned int i = 0; i < offset->n_samples; i++) {
		offset->ts[i][0] =
			system_time(ptp, clock, ptp->clocks.world.counter);
		offset->ts[i][1] = to_ptp(reading(ptp, phc));
		offset->ts[i][2] =
			system_time(ptp, clock, ptp->clocks.world.counter);
	}
	return 0;
}

static void count(struct fake_ptp *ptp, unsigned long request, const void *arg)
{
	uint32_t head[4];

	if (request == PTP_CLOCK_GETCAPS) {
		ptp->calls.caps++;
	} else if (request == PTP_SYS_OFFSET_PRECISE) {
		ptp->calls.precise++;
	} else if (request == PTP_SYS_OFFSET_EXTENDED) {
		memcpy(head, arg, sizeof(head));
		if (head[1] == RAW_ID)
			ptp->calls.raw++;
		else
			ptp->calls.realtime++;
	}
}

static int ptp_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	struct fake_ptp *ptp = ctx;
	struct fake_phc *phc = of_fd(ptp, fd);
	int ret;

	count(ptp, request, arg);
	if (phc->busy && request != PTP_CLOCK_GETCAPS) {
		phc->busy--;
		return -EBUSY;
	}
	switch (request) {
	case PTP_CLOCK_GETCAPS:
		return get_caps(phc, arg);
	case PTP_SYS_OFFSET_PRECISE:
		ret = precise(ptp, phc, arg);
		break;
	case PTP_SYS_OFFSET_EXTENDED:
		ret = extended(ptp, phc, arg);
		break;
	default:
		fail_msg("no such request: %#lx", request);
		return -ENOTTY;
	}
	if (!ret && ptp->on_answer)
		ptp->on_answer(ptp, arg);
	return ret;
}

static int ptp_read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	struct fake_ptp *ptp = ctx;
	struct fake_phc *phc;

	if (clock_id >= 0)
		return ptp->clocks_read(ctx, clock_id, ret_ns);
	assert_int_equal(clock_id & 7, 3);
	phc = of_fd(ptp, DYNAMIC_FD(clock_id));
	ptp->calls.read++;
	if (phc->read)
		return phc->read;
	*ret_ns = reading(ptp, phc);
	return 0;
}

static struct fake_phc *find(struct fake_ptp *ptp, const char *path,
			     const char *format)
{
	char name[64];

	for (unsigned int i = 0; i < FAKE_PHCS; i++) {
		if (!ptp->phc[i].name[0])
			continue;
		snprintf(name, sizeof(name), format, i);
		if (strcmp(name, path) == 0)
			return &ptp->phc[i];
	}
	return NULL;
}

static const struct fake_node *node_of(const struct fake_ptp *ptp,
				       const char *path)
{
	for (unsigned int i = 0; i < FAKE_NODES; i++) {
		if (ptp->node[i].path && strcmp(ptp->node[i].path, path) == 0)
			return &ptp->node[i];
	}
	return NULL;
}

/* The device at a path. */
static struct fake_phc *find_node(struct fake_ptp *ptp, const char *path)
{
	const struct fake_node *node = node_of(ptp, path);
	struct fake_phc *phc = find(ptp, path, "/dev/ptp%u");

	if (node)
		return &ptp->phc[node->phc];
	return phc && !phc->nodeless ? phc : NULL;
}

static int ptp_read_text(void *ctx, const char *path, char *buf, size_t size)
{
	struct fake_ptp *ptp = ctx;
	struct fake_phc *phc;

	if (ptp->no_sysfs)
		return -ENODEV;
	phc = find(ptp, path, "/sys/class/ptp/ptp%u/clock_name");
	if (!phc && !ptp->no_char_devs)
		phc = find(ptp, path, "/sys/dev/char/248:%u/clock_name");
	if (phc)
		return phc->nameless ? -ENODEV
				     : snprintf(buf, size, "%s", phc->name);
	phc = find(ptp, path, "/sys/dev/char/248:%u/uevent");
	if (!phc || ptp->no_char_devs)
		return -ENODEV;
	return snprintf(buf, size, "MAJOR=248\nMINOR=%u\nDEVNAME=ptp%u",
			(unsigned int)(phc - ptp->phc),
			(unsigned int)(phc - ptp->phc));
}

static int ptp_device_number(void *ctx, int fd, uint32_t *ret_major,
			     uint32_t *ret_minor)
{
	struct fake_ptp *ptp = ctx;

	if (ptp->no_numbers)
		return -ENODEV;
	*ret_major = FAKE_MAJOR;
	*ret_minor = (uint32_t)(of_fd(ptp, fd) - ptp->phc);
	return 0;
}

static int ptp_next_number(void *ctx, const char *prefix, uint32_t from,
			   uint32_t *ret_number)
{
	struct fake_ptp *ptp = ctx;
	bool dev = strcmp(prefix, "/dev/ptp") == 0;
	char path[64];

	if (!dev && strcmp(prefix, "/sys/class/ptp/ptp") != 0)
		return -ENODEV;
	if (ptp->no_list || (!dev && ptp->no_sysfs))
		return -ENODEV;
	for (uint32_t i = from; i < FAKE_PHCS; i++) {
		snprintf(path, sizeof(path), "/dev/ptp%u", i);
		if (dev ? !find_node(ptp, path) : !ptp->phc[i].name[0])
			continue;
		*ret_number = i;
		return 0;
	}
	return -ENODEV;
}

static int ptp_open_device(void *ctx, const char *path, int *ret_fd)
{
	struct fake_ptp *ptp = ctx;
	struct fake_phc *phc = find_node(ptp, path);

	if (!phc)
		return -ENODEV;
	if (phc->open_error)
		return phc->open_error;
	*ret_fd = FIRST_FD + (int)(phc - ptp->phc);
	ptp->opens++;
	return 0;
}

static void ptp_close_device(void *ctx, int fd)
{
	struct fake_ptp *ptp = ctx;

	(void)of_fd(ptp, fd);
	ptp->shuts++;
}

void fake_ptp_init(struct fake_ptp *ptp)
{
	struct paraclock_env *env = &ptp->clocks.world.env;

	memset(ptp, 0, sizeof(*ptp));
	fake_clocks_init(&ptp->clocks);
	ptp->clocks.world.pvclock_error = -ENODEV;
	ptp->clocks_read = env->read_clock;
	env->read_clock = ptp_read_clock;
	env->read_text = ptp_read_text;
	env->open_device = ptp_open_device;
	env->device_number = ptp_device_number;
	env->next_number = ptp_next_number;
	env->close_device = ptp_close_device;
	env->ioctl = ptp_ioctl;
}

struct fake_phc *fake_ptp_add(struct fake_ptp *ptp, unsigned int number,
			      const char *name, int64_t ahead_ns)
{
	struct fake_phc *phc = &ptp->phc[number];

	memset(phc, 0, sizeof(*phc));
	strcpy(phc->name, name);
	phc->precise = -EOPNOTSUPP;
	phc->extended = -EOPNOTSUPP;
	phc->time = (struct fake_rate){
		.base = fake_clock_at(&ptp->clocks, PARACLOCK_CLOCK_REALTIME,
				      ptp->clocks.origin) +
			ahead_ns,
		.num = 1000025,
		.den = 2600000,
	};
	phc->ticks = 1040;
	return phc;
}

void fake_ptp_check_pair(const struct fake_ptp *ptp, const struct fake_phc *phc,
			 const struct paraclock_sample *sample)
{
	int64_t truth = fake_phc_at(ptp, phc, sample->host_tsc);
	int64_t off = sample->host_ns - truth;

	if ((uint64_t)(off < 0 ? -off : off) > sample->pair_error_ns)
		fail_msg("%lld ns off, by its own word at most %llu",
			 (long long)off,
			 (unsigned long long)sample->pair_error_ns);
}
