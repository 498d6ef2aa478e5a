/* SPDX-License-Identifier: MIT */
/* The functions of a VM's env: what a program in the VM sees. */
#ifndef SIM_GUEST_H
#define SIM_GUEST_H

#include "sim/world/world.h"

/* Descriptors: PTP clocks, a vmclock, watchers, and a group of watchers. */
#define SIM_FD_PTP     200
#define SIM_FD_VMCLOCK 300
#define SIM_FD_WATCH   400
#define SIM_FD_GROUP   500

static inline struct paraclock_sim_vm *sim_vm_of(void *ctx)
{
	return ((struct sim_view *)ctx)->vm;
}

/* env.c. NULL: this env is not of a simulated VM. */
struct sim_view *pclk_sim_view_of(const struct paraclock_env *env);

/* registers.c */
int pclk_sim_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		   uint32_t ret_regs[4]);
int pclk_sim_rdmsr(void *ctx, uint32_t msr, uint64_t *ret_value);
int pclk_sim_wrmsr(void *ctx, uint32_t msr, uint64_t value);
int pclk_sim_hypercall(void *ctx, uint64_t number, const uint64_t args[4],
		       uint64_t ret_regs[4]);

/* devices.c */
int pclk_sim_read_text(void *ctx, const char *path, char *buf, size_t size);
int pclk_sim_open_device(void *ctx, const char *path, int *ret_fd);
int pclk_sim_device_number(void *ctx, int fd, uint32_t *ret_major,
			   uint32_t *ret_minor);
int pclk_sim_ioctl(void *ctx, int fd, unsigned long request, void *arg);
int pclk_sim_read_clock(void *ctx, int clock_id, int64_t *ret_ns);

/* watches.c */
int pclk_sim_watch_clock(void *ctx, int *fd);
int pclk_sim_watch_generation(void *ctx, int *fd);
int pclk_sim_poll_group(void *ctx, int *group, int fd);
void pclk_sim_close_device(void *ctx, int fd);

#endif
