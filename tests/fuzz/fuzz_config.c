/*
 * fuzz_config.c - any bytes as a source file and as a run file: never a
 * crash; what is refused has at least one whole line of reason, and what is
 * taken has none.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int r, struct buf *errors)
{
	if ((r == 0) != (errors->len == 0))
		abort();
	if (errors->len > 0 && errors->data[errors->len - 1] != '\n')
		abort();
	buf_clear(errors);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct config_source source;
	struct config_run run;
	struct buf errors = { 0 };
	char path[32];
	int r;

	if (fd < 0)
		fd = memfd_create("fuzz_config", 0);
	if (fd < 0 || ftruncate(fd, 0) != 0 ||
	    pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = config_source_read(path, &source, &errors);
	check(r, &errors);
	if (r == 0 && strncmp(source.api_key, "secret://", 9) != 0)
		abort();
	config_source_free(&source);
	r = config_run_read(path, &run, &errors);
	check(r, &errors);
	if (r == 0 && (run.sources.n == 0 || run.sinks.n == 0))
		abort();
	config_run_free(&run);
	buf_free(&errors);
	return 0;
}
