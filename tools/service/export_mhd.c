// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

#include "export_mhd.h"
#include "service.h"

/* The ABI of every version from 0.9.40 to 1.0. */
#define LIBRARY "libmicrohttpd.so.12"

/* ISO C has no conversion from dlsym(3)'s result: POSIX stores it like this. */
#define MHD_FUNCTION(name)                         \
	{                                          \
		"MHD_" #name, (void **)&mhd->name, \
	}

static int find_functions(struct mhd *mhd)
{
	const struct {
		const char *name;
		void **to;
	} functions[] = {
		MHD_FUNCTION(add_response_header),
		MHD_FUNCTION(create_response_from_buffer),
		MHD_FUNCTION(destroy_response),
		MHD_FUNCTION(get_connection_info),
		MHD_FUNCTION(get_fdset2),
		MHD_FUNCTION(get_timeout),
		MHD_FUNCTION(lookup_connection_value),
		MHD_FUNCTION(queue_response),
		MHD_FUNCTION(run),
		MHD_FUNCTION(start_daemon),
		MHD_FUNCTION(stop_daemon),
	};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		*functions[i].to = dlsym(mhd->library, functions[i].name);
		if (!*functions[i].to)
			return -ENOENT;
	}
	return 0;
}

int mhd_load(struct mhd *mhd)
{
	mhd->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (mhd->library && !find_functions(mhd))
		return 0;
	service_log(LOG_LEVEL_ERROR, "--listen needs libmicrohttpd: %s",
		    dlerror());
	mhd_unload(mhd);
	return -ENOENT;
}

void mhd_unload(struct mhd *mhd)
{
	if (mhd->library)
		dlclose(mhd->library);
	mhd->library = NULL;
}
