#ifndef IDMESH_RULES_SOURCE_H
#define IDMESH_RULES_SOURCE_H

/*
 * rules_source.h - the order and the lines that Lua tables forget.
 *
 * layer 2.  A Lua table keeps neither the order of its keys nor the one of
 * two equal keys that was written first.  The loader therefore reads the
 * tokens of a rules file once more: a key given twice in one table is an
 * error, and each statement gets its keys in the order of the file.
 */

#include <stddef.h>

#include "rules_term.h"

struct source;

/*
 * Scans one file; duplicate keys go to l's errors.  NULL when the text is no
 * Lua (the Lua compiler says what is wrong).  Lives in l's arena.
 */
struct source *source_scan(
    struct load *l, const char *file, const char *text, size_t len);

/*
 * Puts the entries of a statement's tables in the order of the file and gives
 * each its line; keys that the file computes come last, sorted.
 */
void source_order(struct load *l, const struct source *s, struct statement *st);

#endif
