// SPDX-License-Identifier: MIT
#include "leap_list.h"
#include "duration.h"
#include "service.h"
#include "steer.h"

#define LIST_NS (60 * NSEC_PER_SEC)

int leap_list_get(struct leap_list *list,
		  struct paraclock_leap_table *ret_table)
{
	int64_t now_ns = loop_now_ns();

	if (!list->read_ns || now_ns - list->read_ns > LIST_NS) {
		list->read_ns = now_ns;
		list->error = steer_leap_table(NULL, &list->table);
	}
	if (!list->error)
		*ret_table = list->table;
	return list->error;
}
