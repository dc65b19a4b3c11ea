/*
 * ending.c - how long a service that was asked to end goes on.
 *
 * Nothing is lost by ending at once: the change log has it.  But who waits for
 * a round wants its sinks to have it, however long a merge or a slow target
 * takes, and who stops a machine wants an end soon.
 */

#include "ending.h"

#include <signal.h>

#include "log.h"
#include "merge.h"

/* A sink that was started with us may need so long to connect. */
#define ABSENT_MS 5000

enum ending_step
ending_ask(struct ending *e, int signal, int64_t now_ms)
{
	bool before = e->since_ms != 0;

	if (signal != SIGTERM && signal != SIGINT && signal != SIGUSR1)
		return ENDING_ON;
	if (before && !e->finishing)
		return signal == SIGUSR1 ? ENDING_ON : ENDING_NOW;
	e->finishing = signal == SIGUSR1;
	e->since_ms = now_ms;
	return before ? ENDING_ON : ENDING_BEGIN;
}

/* Who finishes has all the time that something goes on in. */
static void
extend(struct ending *e, const struct join *j, struct link *const *links,
    size_t n, int64_t now_ms)
{
	int64_t mark = j->store->newest;

	for (size_t i = 0; i < n; i++)
		mark += link_moves(links[i]);
	if (e->finishing && (mark != e->mark || merge_busy(j)))
		e->since_ms = now_ms;
	e->mark = mark;
}

bool
ending_due(struct ending *e, const struct join *j, struct link *const *links,
    size_t n, int64_t now_ms)
{
	bool absent;

	if (e->since_ms == 0)
		return false;
	extend(e, j, links, n, now_ms);
	if (now_ms - e->since_ms >= e->drain_ms)
		return true;
	if (merge_busy(j))
		return false;
	absent = now_ms - e->since_ms >= ABSENT_MS;
	for (size_t i = 0; i < n; i++)
		if (!link_idle(links[i]) && !(absent && !link_there(links[i])))
			return false;
	return true;
}

int
ending_code(const struct join *j, struct link *const *links, size_t n)
{
	int code = merge_stopped(j->store) ? EXIT_PARTLY : EXIT_DONE;

	if (merge_busy(j)) {
		log_warn("%s: the merge is not done; it goes on with the next "
			 "start",
		    j->store->path);
		code = EXIT_TEMPORARY;
	}
	for (size_t i = 0; i < n; i++)
		if (link_behind(links[i]))
			code = EXIT_TEMPORARY;
	return code;
}
