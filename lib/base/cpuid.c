// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "cpu_cache.h"
#include "text.h"

#define LEAF_FEATURES	   1U
#define FEATURE_HYPERVISOR (1U << 31) /* ECX */
#define LEAF_FIRST	   0x40000000U
#define LEAF_STEP	   0x100U
/*
 * Linux scans 256 bases, and each CPUID is an exit to the hypervisor. One that
 * shows two sets of leaves puts the second right behind the first, so the scan
 * usually ends early. In ring 0 a page that is not found cannot be used at all:
 * there, if the near bases show nothing, the scan goes on to the end.
 */
#define BASES_NEAR 16U
#define BASES	   256U

/* Printable characters with NULs after them? What CPUID returns for a base that
 * does not exist has other bytes in it, or is all NUL. */
static bool is_text(const char signature[12])
{
	unsigned int i = 0;

	while (i < 12 && signature[i] >= ' ' && signature[i] <= '~')
		i++;
	if (!i)
		return false;
	while (i < 12 && !signature[i])
		i++;
	return i == 12;
}

/* A base that does not exist returns the last basic leaf or zeros; a real one
 * names one of its own leaves. Only the first base may name none: an old
 * hypervisor there says 0 and has one leaf more. */
static bool is_base(struct pclk_hypervisors *seen, uint32_t n,
		    const uint32_t regs[4])
{
	struct pclk_hypervisor *hv = &seen->found[seen->count];
	const uint32_t leaves = regs[0] - (LEAF_FIRST + n * LEAF_STEP);

	hv->n = (uint16_t)n;
	hv->leaves = (uint16_t)leaves;
	memcpy(hv->signature, &regs[1], sizeof(hv->signature));
	if (leaves < LEAF_STEP)
		return regs[1] | regs[2] | regs[3];
	hv->leaves = regs[0] ? PCLK_LEAVES_NONE : 1;
	return !n && is_text(hv->signature);
}

static int look(const struct paraclock_env *env, struct pclk_hypervisors *seen)
{
	const bool to_the_end = env->wrmsr || env->hypercall;
	uint32_t regs[4];
	int ret = env->cpuid(env->ctx, LEAF_FEATURES, 0, regs);

	memset(seen, 0, sizeof(*seen));
	if (ret)
		return ret;
	seen->is_guest = (regs[2] & FEATURE_HYPERVISOR) != 0;
	for (uint32_t n = 0;
	     seen->is_guest && n < BASES && seen->count < PCLK_HYPERVISORS;
	     n++) {
		if (n == BASES_NEAR && (seen->count || !to_the_end))
			break;
		ret = env->cpuid(env->ctx, LEAF_FIRST + n * LEAF_STEP, 0, regs);
		if (ret)
			return ret;
		seen->count += is_base(seen, n, regs);
	}
	return 0;
}

int pclk_hypervisors_look(const struct paraclock_env *env,
			  struct pclk_hypervisors *ret_seen)
{
	struct cpu_cache *cache = cpu_cache_of(env);
	int ret;

	if (!env->cpuid)
		return -EOPNOTSUPP;
	if (cache && cpu_slot_is_filled(env, &cache->seen_slot)) {
		*ret_seen = cache->seen;
		return 0;
	}
	ret = look(env, ret_seen);
	if (!ret && cache && cpu_slot_claim(env, &cache->seen_slot)) {
		cache->seen = *ret_seen;
		cpu_slot_publish(&cache->seen_slot);
	}
	return ret;
}

static int find(const struct paraclock_env *env, const char *signature,
		struct pclk_hypervisor *ret_hv)
{
	struct pclk_hypervisors seen;
	int ret = pclk_hypervisors_look(env, &seen);

	if (ret)
		return ret;
	for (unsigned int i = 0; i < seen.count; i++) {
		/* A set that names no leaf of its own is reported, but not
		 * relied on. */
		if (seen.found[i].leaves != PCLK_LEAVES_NONE &&
		    memcmp(seen.found[i].signature, signature, 12) == 0) {
			*ret_hv = seen.found[i];
			return 0;
		}
	}
	return -ENODEV;
}

int pclk_hypervisor_find(const struct paraclock_env *env, const char *signature,
			 uint32_t *ret_base)
{
	struct pclk_hypervisor hv;
	int ret = find(env, signature, &hv);

	if (!ret)
		*ret_base = pclk_hypervisor_base(&hv);
	return ret;
}

int pclk_hypervisor_leaf(const struct paraclock_env *env, const char *signature,
			 uint32_t n, uint32_t ret_regs[4])
{
	struct pclk_hypervisor hv;
	int ret = find(env, signature, &hv);

	if (ret)
		return ret;
	return n <= hv.leaves
		       ? env->cpuid(env->ctx, pclk_hypervisor_base(&hv) + n, 0,
				    ret_regs)
		       : -ENODEV;
}

void pclk_signature_quote(const char signature[12],
			  char ret_text[PCLK_QUOTED_MAX])
{
	static const char hex[] = "0123456789abcdef";
	char *to = ret_text;

	*to++ = '"';
	for (unsigned int i = 0; i < 12; i++) {
		const unsigned char c = (unsigned char)signature[i];

		if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
			*to++ = (char)c;
			continue;
		}
		*to++ = '\\';
		*to++ = c ? 'x' : '0';
		if (c) {
			*to++ = hex[c >> 4];
			*to++ = hex[c & 15];
		}
	}
	*to++ = '"';
	*to = '\0';
}

/* Join parts to the text that is in buf. */
#define APPEND(buf, size, used, ...)                                \
	do {                                                        \
		TEXT((buf) + (used), (size) - (used), __VA_ARGS__); \
		while ((buf)[used])                                 \
			(used)++;                                   \
	} while (0)

void pclk_hypervisors_say(const struct paraclock_env *env, const char *text,
			  char *buf, size_t size)
{
	char quoted[PCLK_QUOTED_MAX];
	struct pclk_hypervisors seen;
	size_t used = 0;
	int ret;

	if (!buf || !size)
		return;
	while (buf[used])
		used++;
	ret = pclk_hypervisors_look(env, &seen);
	APPEND(buf, size, used, text,
	       ret		? "CPUID cannot be asked"
	       : !seen.is_guest ? "CPUID shows no hypervisor"
	       : seen.count	? "CPUID shows "
				: "CPUID shows a hypervisor without a name");
	for (unsigned int i = 0; !ret && i < seen.count; i++) {
		pclk_signature_quote(seen.found[i].signature, quoted);
		APPEND(buf, size, used, i ? " and " : "", quoted);
	}
}
