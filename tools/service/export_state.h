/* SPDX-License-Identifier: MIT */
/* What keep, feed and serve say of themselves, in their files. */
#ifndef EXPORT_STATE_H
#define EXPORT_STATE_H

#include "export_data.h"

/* Names of services and of states: enum values are the index. */
extern const char *const export_service_names[EXPORT_SERVICES];
extern const char *const export_state_names[EXPORT_STATES];
/* What a vmclock page says of its time. */
extern const char *const export_status_names[EXPORT_STATUSES];

/* What a file says; the bytes may be anything. A member that is missing, or is
 * not what it should be, is not known. */
void export_state_parse(const char *text, size_t size,
			struct export_service *ret_service);

/* DIR/NAME/NAME.json. Whatever is there, it does not wait. */
void export_state_load(const char *folder, enum export_service_kind kind,
		       struct export_service *ret_service);

#endif
