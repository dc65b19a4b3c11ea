/*
 * waiting.c - when it is said that a peer is not there.
 *
 * Beside the flow: the ticks of fetch, transform and join call it.
 */

#include "waiting.h"

#include "log.h"

void
waiting_tick(struct waiting *w, bool absent, int64_t now_ms, const char *whom,
    const char *endpoint)
{
	if (!absent) {
		if (w->said_ms != 0)
			log_info("%s is there at %s", whom, endpoint);
		*w = (struct waiting){ 0 };
		return;
	}
	if (w->since_ms == 0)
		w->since_ms = now_ms;
	if (now_ms - w->since_ms < WAITING_FIRST_MS ||
	    (w->said_ms != 0 && now_ms - w->said_ms < WAITING_AGAIN_MS))
		return;
	w->said_ms = now_ms;
	log_warn("waiting for %s at %s", whom, endpoint);
}
