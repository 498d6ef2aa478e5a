// SPDX-License-Identifier: MIT
/* All pages of a play's VMs, published as files. */

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "publish.h"

static const char *const kind_name[] = {
	[PARACLOCK_SIM_PVCLOCK] = "pvclock",
	[PARACLOCK_SIM_HYPERV] = "hyperv",
	[PARACLOCK_SIM_VMCLOCK] = "vmclock",
};

static int add_page(struct publisher *pub, const struct page_file *like,
		    const char *name)
{
	struct page_file *page =
		realloc(pub->page, (pub->pages + 1) * sizeof(*page));
	int ret;

	if (!page) {
		warnx("out of memory");
		return -EIO;
	}
	pub->page = page;
	page += pub->pages;
	*page = *like;
	if (name)
		ret = page_file_open(page, pub->dir, name);
	else
		ret = page_file_open_into(page, pub->into, pub->at);
	/* The pages before it stay published. */
	if (ret)
		page_file_close(page);
	else
		pub->pages++;
	return ret;
}

static int add_kind(struct publisher *pub, const char *vm_name,
		    struct paraclock_sim_vm *vm, unsigned int kind)
{
	struct page_file p = { .kind = kind, .fd = -1, .pipe = { -1, -1 } };
	char name[64];
	int ret = 0;

	for (unsigned int vcpu = 0; !ret; vcpu++) {
		p.page = paraclock_sim_page(vm, kind, vcpu, &p.size);
		if (!p.page || (vcpu && kind != PARACLOCK_SIM_PVCLOCK))
			break;
		if (kind == PARACLOCK_SIM_PVCLOCK)
			snprintf(name, sizeof(name), "%s.pvclock.%u", vm_name,
				 vcpu);
		else
			snprintf(name, sizeof(name), "%s.%s", vm_name,
				 kind_name[kind]);
		ret = add_page(pub, &p, name);
	}
	return ret;
}

static int add_vm(struct publisher *pub, const char *name,
		  struct paraclock_sim_vm *vm)
{
	struct page_file p = { .kind = PARACLOCK_SIM_VMCLOCK,
			       .fd = -1,
			       .pipe = { -1, -1 } };
	int ret = 0;

	for (unsigned int kind = 0;
	     pub->dir && !ret && kind <= PARACLOCK_SIM_VMCLOCK; kind++)
		ret = add_kind(pub, name, vm, kind);
	if (ret || !pub->into || pub->vms)
		return ret;
	p.page = paraclock_sim_page(vm, p.kind, 0, &p.size);
	if (!p.page) {
		warnx("%s: the script's first VM has no vmclock to publish "
		      "there",
		      pub->into);
		return -EIO;
	}
	return add_page(pub, &p, NULL);
}

/* Only once after a failure: stderr has the reason, and this process may hold
 * the files that a second try would want. */
static int add_new(struct publisher *pub, const struct paraclock_sim_play *play)
{
	struct paraclock_sim_vm *vm;
	const char *name;

	while (!pub->error &&
	       (name = paraclock_sim_play_vm(play, pub->vms, &vm))) {
		pub->error = add_vm(pub, name, vm);
		pub->vms++;
	}
	return pub->error;
}

int publish(struct publisher *pub, const struct paraclock_sim_play *play)
{
	int ret = pub->dir || pub->into ? add_new(pub, play) : 0;

	/* Even after a failure: the last update of a page says that nobody
	 * should use it. */
	for (unsigned int i = 0; i < pub->pages; i++) {
		struct page_file *p = &pub->page[i];

		if (p->fd >= 0 && page_file_show(p)) {
			/* Reported once. */
			close(p->fd);
			p->fd = -1;
			pub->error = -EIO;
		}
	}
	return ret ? ret : pub->error;
}

void publish_end(struct publisher *pub, bool off)
{
	for (unsigned int i = 0; i < pub->pages; i++) {
		const struct page_file *p = &pub->page[i];

		if (off && p->fd >= 0 && p->kind == PARACLOCK_SIM_HYPERV)
			(void)page_file_hide(p);
		page_file_close(p);
	}
	free(pub->page);
	pub->page = NULL;
	pub->pages = 0;
}
