/*
 * out_bus.c - messages over ZeroMQ: pages to workers, ends to join.
 */

#include "fetch.h"
#include "out.h"
struct out *
out_bus_new(struct fetch *f, struct why *why)
{
	(void)f;
	why_set(why, "E_USE", NULL, "ZeroMQ is not there yet");
	return NULL;
}
