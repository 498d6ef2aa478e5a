// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdbool.h>

#include "env.h"

/* Memory is never released: it is enough for hundreds of clocks. */
#define HEAP_BYTES (2UL << 20)
#define ALIGNMENT  64UL

static struct paraclock_env envs[GUEST_CPUS];
static unsigned char heap[GUEST_CPUS][HEAP_BYTES]
	__attribute__((aligned(ALIGNMENT)));
static size_t heap_used[GUEST_CPUS];

/*
 * The compiler calls these. volatile: without it the compiler would turn their
 * own loops into calls of them.
 */
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
	void *ret = to;

	__asm__ __volatile__("rep movsb"
			     : "+D"(to), "+S"(from), "+c"(n)
			     :
			     : "memory");
	return ret;
}

void *memmove(void *to, const void *from, size_t n)
{
	volatile unsigned char *target = to;
	const volatile unsigned char *source = from;

	if (target <= source)
		return memcpy(to, from, n);
	while (n--)
		target[n] = source[n];
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	void *ret = to;

	__asm__ __volatile__("rep stosb"
			     : "+D"(to), "+c"(n)
			     : "a"(byte)
			     : "memory");
	return ret;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const volatile unsigned char *left = a, *right = b;
	int differ = 0;

	for (size_t i = 0; i < n && !differ; i++)
		differ = left[i] - right[i];
	return differ;
}

uint64_t guest_tsc(void)
{
	uint32_t low, high;

	__asm__ __volatile__("lfence\n\trdtsc"
			     : "=a"(low), "=d"(high)
			     :
			     : "memory");
	return (uint64_t)high << 32 | low;
}

static uint64_t scaled_counter(void *ctx)
{
	const volatile struct guest_mailbox *mailbox = ctx;
	__extension__ unsigned __int128 product = guest_tsc() - mailbox->base;

	product *= mailbox->mult;
	return mailbox->offset + (uint64_t)(product >> 32);
}

static int cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		 uint32_t ret_regs[4])
{
	(void)ctx;
	__asm__ __volatile__("cpuid"
			     : "=a"(ret_regs[0]), "=b"(ret_regs[1]),
			       "=c"(ret_regs[2]), "=d"(ret_regs[3])
			     : "a"(leaf), "c"(subleaf));
	return 0;
}

static int rdmsr(void *ctx, uint32_t msr, uint64_t *ret_value)
{
	uint32_t low, high;

	(void)ctx;
	__asm__ __volatile__("rdmsr"
			     : "=a"(low), "=d"(high)
			     : "c"(msr)
			     : "memory");
	*ret_value = (uint64_t)high << 32 | low;
	return 0;
}

static int wrmsr(void *ctx, uint32_t msr, uint64_t value)
{
	(void)ctx;
	__asm__ __volatile__("wrmsr"
			     :
			     : "c"(msr), "a"((uint32_t)value),
			       "d"((uint32_t)(value >> 32))
			     : "memory");
	return 0;
}

/*
 * The other maker's instruction is invalid here, and KVM would have to patch
 * it.
 */
static bool is_intel(void)
{
	uint32_t regs[4];

	cpuid(NULL, 0, 0, regs);
	return regs[2] == 0x6c65746e; /* "ntel" */
}

static int hypercall(void *ctx, uint64_t number, const uint64_t args[4],
		     uint64_t ret_regs[4])
{
	uint64_t rax = number;

	(void)ctx;
	if (is_intel())
		__asm__ __volatile__("vmcall"
				     : "+a"(rax)
				     : "b"(args[0]), "c"(args[1]), "d"(args[2]),
				       "S"(args[3])
				     : "memory");
	else
		__asm__ __volatile__("vmmcall"
				     : "+a"(rax)
				     : "b"(args[0]), "c"(args[1]), "d"(args[2]),
				       "S"(args[3])
				     : "memory");
	ret_regs[0] = rax;
	return 0;
}

/* No two of these names begin with the same letter. */
static uint64_t find_page(const struct guest_mailbox *mailbox, const char *name)
{
	switch (name[0]) {
	case 'p':
		return mailbox->pvclock;
	case 'h':
		return mailbox->hyperv;
	case 'v':
		return mailbox->vmclock;
	case 'k':
		return mailbox->pairing;
	default:
		return 0;
	}
}

static int map_page(void *ctx, const char *name, const char *path,
		    struct paraclock_mapping *ret_map)
{
	const struct guest_mailbox *mailbox = ctx;
	uint64_t page = path ? 0 : find_page(mailbox, name);

	if (!page) {
		memcpy(ret_map->why, "no such page", sizeof("no such page"));
		return -ENODEV;
	}
	ret_map->addr = (const void *)page;
	ret_map->size = GUEST_PAGE;
	ret_map->phys = mailbox->physical ? page : 0;
	ret_map->fd = -1;
	return 0;
}

/* go: this env moves no thread. */
static int run_on_cpu(void *ctx, unsigned int cpu, int go)
{
	const struct guest_mailbox *mailbox = ctx;

	(void)go;
	return mailbox->cpu == cpu ? 0 : -EAGAIN;
}

static void *alloc(void *ctx, size_t size)
{
	uint32_t cpu = ((const struct guest_mailbox *)ctx)->cpu;
	size_t used = heap_used[cpu];

	if (size > HEAP_BYTES - used)
		return NULL;
	heap_used[cpu] += (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	return &heap[cpu][used];
}

static void release(void *ctx, void *ptr)
{
	(void)ctx;
	(void)ptr;
}

const struct paraclock_env *guest_env(struct guest_mailbox *mailbox)
{
	struct paraclock_env *env = &envs[mailbox->cpu];

	*env = (struct paraclock_env){
		.size = sizeof(*env),
		.ctx = mailbox,
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
		.counter = mailbox->mult ? scaled_counter : NULL,
		.cpuid = cpuid,
		.rdmsr = rdmsr,
		.wrmsr = wrmsr,
		.map_page = map_page,
		.run_on_cpu = run_on_cpu,
		.alloc = alloc,
		.free = release,
		.hypercall = hypercall,
	};
	return env;
}
