/*
 * delay.c - requests that wait for their answer: --latency and slow faults.
 *
 * server.c puts them in, main.c's loop lets them go.  Kept in order of their
 * time; nearly always a new one goes to the end.
 */

#include "sim.h"

#include <string.h>

#include "clock.h"
#include "mem.h"

void
delay_add(struct sim *sim, struct call *c, int64_t ms)
{
	size_t at = sim->n_waiting;

	if (sim->n_waiting == sim->cap_waiting) {
		sim->cap_waiting = sim->cap_waiting ? sim->cap_waiting * 2 : 64;
		sim->waiting = xrealloc(
		    sim->waiting, sim->cap_waiting * sizeof(*sim->waiting));
	}
	c->phase = CALL_WAITING;
	c->due_ms = clock_ms() + ms;
	while (at > 0 && sim->waiting[at - 1]->due_ms > c->due_ms) {
		sim->waiting[at] = sim->waiting[at - 1];
		at--;
	}
	sim->waiting[at] = c;
	sim->n_waiting++;
	MHD_suspend_connection(c->conn);
}

int64_t
delay_run(struct sim *sim)
{
	int64_t now = clock_ms();
	size_t n = 0;

	while (n < sim->n_waiting && sim->waiting[n]->due_ms <= now) {
		sim->waiting[n]->phase = CALL_READY;
		MHD_resume_connection(sim->waiting[n]->conn);
		n++;
	}
	if (n > 0) {
		sim->n_waiting -= n;
		memmove(sim->waiting, sim->waiting + n,
		    sim->n_waiting * sizeof(*sim->waiting));
		/* The daemon takes them up in its next run, unasked. */
		return 0;
	}
	if (sim->n_waiting == 0)
		return -1;
	return sim->waiting[0]->due_ms - now;
}
