// SPDX-License-Identifier: MIT
#include <paraclock/paraclock.h>
#include <paraclock/relay.h>

#include "env.h"
#include "move.h"

/* An interrupt gate of ring 0, present. */
#define GATE_FLAGS 0x8e00ULL

static struct paraclock_reenlightenment moves;
static struct paraclock_page_writer writer;
static struct paraclock_target target;
static struct paraclock_relay relay;

void guest_on_move(void);
extern const char guest_move_entry[];

/*
 * No end of interrupt: there is no interrupt controller. It has pushed the nine
 * registers that a function may change, so that the stack is aligned.
 */
__asm__(".text\n"
	"guest_move_entry:\n\t"
	"push %rax\n\tpush %rcx\n\tpush %rdx\n\t"
	"push %rsi\n\tpush %rdi\n\tpush %r8\n\t"
	"push %r9\n\tpush %r10\n\tpush %r11\n\t"
	"cld\n\t"
	"call guest_on_move\n\t"
	"pop %r11\n\tpop %r10\n\tpop %r9\n\t"
	"pop %r8\n\tpop %rdi\n\tpop %rsi\n\t"
	"pop %rdx\n\tpop %rcx\n\tpop %rax\n\t"
	"iretq\n");

void guest_on_move(void)
{
	paraclock_reenlightenment_notify(&moves);
}

static void set_gate(void)
{
	uint64_t *gate = (uint64_t *)GUEST_IDT + 2 * (uint64_t)GUEST_VECTOR;
	uint64_t handler = (uintptr_t)guest_move_entry;

	gate[0] = (handler & 0xffff) | (uint64_t)GUEST_CODE(0) << 16 |
		  GATE_FLAGS << 32 | (handler >> 16 & 0xffff) << 48;
	gate[1] = handler >> 32;
	__asm__ __volatile__("sti" ::: "memory");
}

static int start_relay(const struct paraclock_env *env,
		       const struct paraclock *clk)
{
	int ret = paraclock_page_writer_acquire(&writer, env);

	target = (struct paraclock_target){
		.size = sizeof(target),
		.page = (void *)GUEST_VMCLOCK,
		.writer = &writer,
		.write = paraclock_vmclock_write,
		.freeze = paraclock_vmclock_freeze,
		.coupling = {
			.size = sizeof(target.coupling),
			.mult = 1,
			.offset = GUEST_L2_TICKS,
			.device_counter = PARACLOCK_COUNTER_X86_TSC,
			.system_counter = PARACLOCK_COUNTER_X86_TSC,
			.flags = PARACLOCK_COUPLING_FIXED |
				 PARACLOCK_COUPLING_TO_DEVICE,
		},
		.marker = 1,
	};
	relay = (struct paraclock_relay){
		.size = sizeof(relay),
		.clk = clk,
		.targets = &target,
		.n_targets = 1,
	};
	moves.relay = &relay;
	return ret ? ret : paraclock_reenlightenment_run(&moves);
}

int guest_move_start(struct guest_mailbox *mailbox)
{
	struct paraclock *clk;
	int ret;

	set_gate();
	moves = (struct paraclock_reenlightenment){
		.size = sizeof(moves),
		.env = guest_env(mailbox),
		.target_vp = mailbox->cpu,
		.vector = GUEST_VECTOR,
	};
	ret = paraclock_reenlightenment_start(&moves);
	if (!ret)
		ret = paraclock_reenlightenment_open(&clk, &moves);
	if (ret)
		return ret;
	mailbox->clock = (uintptr_t)clk;
	return start_relay(moves.env, clk);
}

int guest_move_run(void)
{
	return paraclock_reenlightenment_run(&moves);
}

int guest_move_stop(void)
{
	return paraclock_reenlightenment_stop(&moves);
}
