// SPDX-License-Identifier: MIT
/*
 * Preloaded into the tool itself: its CPUID answers as a file says, or as the
 * CPU does, and is counted. The instruction is replaced by one that traps (ud2
 * is two bytes as well), so no CPU needs to be able to fault on CPUID.
 *
 * OTHER_CPU_SITES: "OBJECT OFFSET[ OFFSET ...]\n" for each object, as objdump
 * has them; OTHER_CPU_LEAVES: a description's cpuid lines, as "LEAF EAX EBX ECX
 * EDX\n", or nothing; OTHER_CPU_COUNT: the file that the count goes to.
 */

#include <cpuid.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE	   4096UL
#define LEAVES_MAX 64
#define SITES_MAX  16

static uint32_t leaves[LEAVES_MAX][5];
static size_t n_leaves;
static const unsigned char *sites[SITES_MAX];
static size_t n_sites;
static unsigned int count;

static void answer(greg_t *regs)
{
	const uint32_t leaf = (uint32_t)regs[REG_RAX];
	uint32_t got[4] = { 0 };

	if (!n_leaves)
		__cpuid_count(leaf, (uint32_t)regs[REG_RCX], got[0], got[1],
			      got[2], got[3]);
	for (size_t i = 0; i < n_leaves; i++) {
		if (leaves[i][0] == leaf)
			memcpy(got, &leaves[i][1], sizeof(got));
	}
	regs[REG_RAX] = got[0];
	regs[REG_RBX] = got[1];
	regs[REG_RCX] = got[2];
	regs[REG_RDX] = got[3];
}

static void on_trap(int signal_number, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)signal_number;
	(void)info;
	for (size_t i = 0; i < n_sites; i++) {
		if ((uintptr_t)sites[i] == (uintptr_t)regs[REG_RIP]) {
			count++;
			answer(regs);
			regs[REG_RIP] += 2;
			return;
		}
	}
	abort();
}

static void replace(unsigned char *site)
{
	uintptr_t page = (uintptr_t)site & ~(PAGE - 1);
	size_t length = (uintptr_t)site + 2 - page;

	/* CPUID, or the file differs from the disassembled one. */
	if (site[0] != 0x0f || site[1] != 0xa2 || n_sites == SITES_MAX ||
	    mprotect((void *)page, length, PROT_READ | PROT_WRITE | PROT_EXEC))
		_exit(99);
	site[1] = 0x0b;
	sites[n_sites++] = site;
}

static int on_object(struct dl_phdr_info *info, size_t size, void *line)
{
	const char *name = info->dlpi_name[0] ? info->dlpi_name : "main";
	const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	size_t length = strlen(base);
	char *at = (char *)line + length;

	(void)size;
	if (strncmp(base, line, length) != 0 || *at != ' ')
		return 0;
	while (*at == ' ')
		replace((unsigned char *)info->dlpi_addr +
			strtoull(at, &at, 16));
	return 1;
}

static void read_leaves(const char *text)
{
	for (char *end; *text && n_leaves < LEAVES_MAX; n_leaves++) {
		for (unsigned int i = 0; i < 5; i++, text = end)
			leaves[n_leaves][i] =
				(uint32_t)strtoull(text, &end, 16);
		text += strspn(text, "\n");
	}
}

__attribute__((constructor)) static void begin(void)
{
	const struct sigaction act = { .sa_sigaction = on_trap,
				       .sa_flags = SA_SIGINFO | SA_NODEFER };
	const char *text = getenv("OTHER_CPU_LEAVES");
	char *list = getenv("OTHER_CPU_SITES");

	if (!list || sigaction(SIGILL, &act, NULL))
		_exit(99);
	read_leaves(text ? text : "");
	list = strdup(list);
	for (char *line = strtok(list, "\n"); line; line = strtok(NULL, "\n")) {
		if (!dl_iterate_phdr(on_object, line))
			_exit(99);
	}
	free(list);
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("OTHER_CPU_COUNT");
	FILE *file = path ? fopen(path, "we") : NULL;

	if (!file)
		return;
	fprintf(file, "%u\n", count);
	fclose(file);
}
