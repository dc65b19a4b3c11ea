/*
 * fuzz_link.c - any bytes as Link headers: never a crash, and a path that
 * comes out begins with / and could not split a request line.
 */

#include <stdint.h>
#include <stdlib.h>

#include "link_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf path = { 0 };

	if (link_next((const char *)data, size, &path) == 1) {
		if (path.len == 0 || path.data[0] != '/')
			abort();
		for (size_t i = 0; i < path.len; i++)
			if ((unsigned char)path.data[i] <= ' ')
				abort();
	} else if (path.len != 0) {
		abort();
	}
	buf_free(&path);
	return 0;
}
