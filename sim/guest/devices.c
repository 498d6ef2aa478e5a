// SPDX-License-Identifier: MIT
/*
 * The system clocks and the PTP clocks that a process in the VM reads.
 *
 * Reference: Linux drivers/ptp/ptp_kvm_common.c, ptp_vmclock.c,
 * drivers/hv/hv_util.c.
 */

#include <errno.h>
#include <stdio.h>

#include "guest.h"
#include "linux/ptp.h"

#define PTP_CLOCKS    3
#define MAJOR	      250
#define DYNAMIC_FD(x) (~((x) >> 3))
#define ID_RAW	      4

/* In the order of their numbers; a VM has some of them. */
static const struct ptp_clock {
	const char *name;
	uint32_t part;
	bool cross, extended;
} ptp_clocks[PTP_CLOCKS] = {
	{ "KVM virtual PTP", PARACLOCK_SIM_HAS_PAIRING, true, false },
	{ "hyperv", PARACLOCK_SIM_HAS_PTP_HYPERV, false, false },
	{ "vmclock0", PARACLOCK_SIM_HAS_PTP_VMCLOCK, true, true },
};

/* The n-th PTP clock of this VM; NULL: it has fewer. */
static const struct ptp_clock *ptp_clock(const struct paraclock_sim_vm *vm,
					 unsigned int n)
{
	for (unsigned int i = 0; i < PTP_CLOCKS; i++) {
		if (vm->opts.parts & ptp_clocks[i].part && !n--)
			return &ptp_clocks[i];
	}
	return NULL;
}

static const struct ptp_clock *ptp_of_fd(const struct paraclock_sim_vm *vm,
					 int fd)
{
	if (fd < SIM_FD_PTP || fd >= SIM_FD_PTP + PTP_CLOCKS)
		return NULL;
	return ptp_clock(vm, (unsigned int)(fd - SIM_FD_PTP));
}

/* The number of the PTP clock whose path, by format, this is; or -1. */
static int ptp_number(const struct paraclock_sim_vm *vm, const char *format,
		      const char *path)
{
	char name[64];

	for (unsigned int i = 0; ptp_clock(vm, i); i++) {
		(void)snprintf(name, sizeof(name), format, i);
		if (strcmp(name, path) == 0)
			return (int)i;
	}
	return -1;
}

int pclk_sim_read_text(void *ctx, const char *path, char *buf, size_t size)
{
	struct paraclock_sim_vm *vm = sim_vm_of(ctx);
	int n = ptp_number(vm, "/sys/class/ptp/ptp%u/clock_name", path);
	int length;

	if (n < 0)
		n = ptp_number(vm, "/sys/dev/char/250:%u/clock_name", path);
	if (n < 0 || !size)
		return -ENODEV;
	length =
		snprintf(buf, size, "%s", ptp_clock(vm, (unsigned int)n)->name);
	return (size_t)length < size ? length : (int)size - 1;
}

int pclk_sim_open_device(void *ctx, const char *path, int *ret_fd)
{
	int n = ptp_number(sim_vm_of(ctx), "/dev/ptp%u", path);

	if (n < 0)
		return -ENODEV;
	*ret_fd = SIM_FD_PTP + n;
	return 0;
}

int pclk_sim_device_number(void *ctx, int fd, uint32_t *ret_major,
			   uint32_t *ret_minor)
{
	if (!ptp_of_fd(sim_vm_of(ctx), fd))
		return -ENODEV;
	*ret_major = MAJOR;
	*ret_minor = (uint32_t)(fd - SIM_FD_PTP);
	return 0;
}

/* --- time ----------------------------------------------------------------- */

/* Read the device's clock now. */
static int device_ns(const struct paraclock_sim_vm *vm,
		     const struct ptp_clock *clock, int64_t *ret_ns)
{
	const struct paraclock_sim_host *real = pclk_sim_real_host(vm->host);
	u128 tai = pclk_sim_host_tai(real, pclk_sim_instant(vm->sim));
	bool is_tai = clock->part == PARACLOCK_SIM_HAS_PTP_VMCLOCK;

	if (clock->part == PARACLOCK_SIM_HAS_PAIRING &&
	    !pclk_sim_is_paired(vm->host))
		return -EOPNOTSUPP;
	/* Linux's driver refuses to read an unreliable vmclock. */
	if (is_tai && real->opts.status == PARACLOCK_STATUS_UNRELIABLE)
		return -EINVAL;
	*ret_ns = (int64_t)((is_tai ? tai : sim_to_utc(&real->utc, tai)) >> 64);
	return 0;
}

/* An exit to the host, which looks at its clock half way through. */
static int ask_device(struct paraclock_sim_vm *vm,
		      const struct ptp_clock *clock, int64_t *ret_ns)
{
	struct paraclock_sim *sim = vm->sim;
	uint32_t half = sim->opts.exit_ns / 2;
	int ret;

	pclk_sim_spend(sim, half);
	ret = device_ns(vm, clock, ret_ns);
	pclk_sim_spend(sim, sim->opts.exit_ns - half);
	return ret;
}

static int read_system(struct paraclock_sim_vm *vm, int clock_id,
		       int64_t *ret_ns)
{
	static const uint8_t clock_of[] = {
		[0] = PARACLOCK_CLOCK_REALTIME,
		[1] = PARACLOCK_CLOCK_MONOTONIC,
		[ID_RAW] = PARACLOCK_CLOCK_MONOTONIC_RAW,
		[7] = PARACLOCK_CLOCK_BOOTTIME,
		[11] = PARACLOCK_CLOCK_TAI,
	};
	const unsigned int known =
		1U << 0 | 1U << 1 | 1U << ID_RAW | 1U << 7 | 1U << 11;
	struct paraclock_sim *sim = vm->sim;
	uint32_t half = sim->opts.clock_ns / 2;
	int ret;

	if (clock_id > 11 || !(known >> clock_id & 1))
		return -EINVAL;
	/* A system call takes time too: a bracket around it has a width. */
	pclk_sim_spend(sim, half);
	ret = pclk_sim_kernel_ns(vm, clock_of[clock_id], ret_ns);
	pclk_sim_spend(sim, sim->opts.clock_ns - half);
	return ret;
}

int pclk_sim_read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	struct paraclock_sim_vm *vm = sim_vm_of(ctx);
	const struct ptp_clock *clock = NULL;
	int ret = -EINVAL;

	if (clock_id < 0)
		clock = ptp_of_fd(vm, DYNAMIC_FD(clock_id));
	pclk_sim_lock(vm->sim);
	if (clock)
		ret = ask_device(vm, clock, ret_ns);
	else if (clock_id >= 0)
		ret = read_system(vm, clock_id, ret_ns);
	pclk_sim_unlock(vm->sim);
	return ret;
}

/* --- ioctls --------------------------------------------------------------- */

static struct ptp_time to_ptp(int64_t ns)
{
	return (struct ptp_time){
		.sec = ns / NSEC_PER_SEC,
		.nsec = (uint32_t)(ns % NSEC_PER_SEC),
	};
}

static struct ptp_time system_time(const struct paraclock_sim_vm *vm,
				   unsigned int clock)
{
	int64_t ns = 0;

	(void)pclk_sim_kernel_ns(vm, clock, &ns);
	return to_ptp(ns);
}

static int get_caps(const struct ptp_clock *clock, struct ptp_caps *caps)
{
	*caps = (struct ptp_caps){ .cross_timestamping = clock->cross };
	return 0;
}

static int precise(struct paraclock_sim_vm *vm, const struct ptp_clock *clock,
		   struct ptp_precise *precise)
{
	uint32_t half = vm->sim->opts.exit_ns / 2;
	int64_t ns;
	int ret;

	if (!clock->cross)
		return -EOPNOTSUPP;
	/* ptp_kvm on x86 pairs with the cycles of kvm-clock only. */
	if (clock->part == PARACLOCK_SIM_HAS_PAIRING &&
	    vm->kernel.kind != PARACLOCK_CLOCKSOURCE_IMAGE)
		return -ENODEV;
	pclk_sim_spend(vm->sim, half);
	ret = device_ns(vm, clock, &ns);
	if (!ret) {
		precise->device = to_ptp(ns);
		precise->realtime = system_time(vm, PARACLOCK_CLOCK_REALTIME);
		precise->monoraw =
			system_time(vm, PARACLOCK_CLOCK_MONOTONIC_RAW);
	}
	pclk_sim_spend(vm->sim, vm->sim->opts.exit_ns - half);
	return ret;
}

static int extended(struct paraclock_sim_vm *vm, const struct ptp_clock *clock,
		    struct ptp_extended *extended)
{
	unsigned int beside = PARACLOCK_CLOCK_REALTIME;
	int64_t ns;
	int ret = 0;

	if (!clock->extended)
		return -EOPNOTSUPP;
	if (extended->n_samples > PTP_MAX_SAMPLES ||
	    (extended->clock_id && extended->clock_id != ID_RAW))
		return -EINVAL;
	if (extended->clock_id)
		beside = PARACLOCK_CLOCK_MONOTONIC_RAW;
	for (unsigned int i = 0; !ret && i < extended->n_samples; i++) {
		extended->time[i][0] = system_time(vm, beside);
		ret = ask_device(vm, clock, &ns);
		if (!ret)
			extended->time[i][1] = to_ptp(ns);
		extended->time[i][2] = system_time(vm, beside);
	}
	return ret;
}

int pclk_sim_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	struct paraclock_sim_vm *vm = sim_vm_of(ctx);
	const struct ptp_clock *clock = ptp_of_fd(vm, fd);
	int ret = -ENOTTY;

	if (!clock)
		return -EBADF;
	pclk_sim_lock(vm->sim);
	if (request == PTP_CLOCK_GETCAPS)
		ret = get_caps(clock, arg);
	else if (request == PTP_SYS_OFFSET_PRECISE)
		ret = precise(vm, clock, arg);
	else if (request == PTP_SYS_OFFSET_EXTENDED)
		ret = extended(vm, clock, arg);
	pclk_sim_unlock(vm->sim);
	return ret;
}
