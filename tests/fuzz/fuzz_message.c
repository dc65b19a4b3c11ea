/*
 * fuzz_message.c - hostile bytes where a message is expected.
 *
 * What msg_read() takes is offered to a committer and written out again; the
 * copy must be a message too.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "committer.h"
#include "msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The header fields of m, as a stage passes them on. */
static void
write_again(struct buf *b, const struct msg *m)
{
	msg_open(b, m->kind);
	msg_address(b, m->source, m->stream, m->run, m->epoch);
	msg_int(b, MSG_SEQ, m->seq);
	msg_str(b, MSG_INSTANCE, m->instance);
	msg_val(b, MSG_CONTEXT, m->context);
	msg_val(b, MSG_STATE, m->state);
	msg_val(b, MSG_TYPES, m->types);
	msg_val(b, MSG_RECORDS, m->records);
	msg_val(b, MSG_CHANGES, m->changes);
	msg_close(b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct committer *c = committer_new(32);
	struct committer_stream *of;
	struct buf b = { 0 };
	struct why why;
	struct msg m, copy;

	committer_set(c, "okta:contoso", "User", 1, 1, 0);
	if (msg_read(&m, (const char *)data, len, &why) == 0) {
		write_again(&b, &m);
		if (msg_read(&copy, b.data, b.len, &why) < 0)
			abort();
		msg_free(&copy);
		if (m.source != NULL && m.stream != NULL)
			committer_offer(c, &m, 0);
		if (committer_next(c, &of) != NULL)
			committer_step(of);
		committer_done(c);
		msg_free(&m);
	}
	buf_free(&b);
	committer_free(c);
	return 0;
}
