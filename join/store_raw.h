/*
 * store_raw.h - the tables of raw records, as text; raw.h says who fills them.
 *
 * store_schema.c makes them with a new database, store_migrate.c adds the same
 * ones to an old one.
 */

/* The newest raw record of each object that has one.  page: what its page
 * said; seen: NULL while an object is made of it, else the generation that the
 * rules left it out in; zstd: time of the response, a newline, the record. */
"CREATE TABLE raw(pk INTEGER PRIMARY KEY, stream INTEGER NOT NULL,"
    " id TEXT NOT NULL, page INTEGER NOT NULL, hash INTEGER NOT NULL,"
    " seen INTEGER, dict INTEGER NOT NULL, zstd BLOB NOT NULL,"
    " UNIQUE(stream, id));"
    "CREATE INDEX raw_out ON raw(stream, seen) WHERE seen IS NOT NULL;"
    "CREATE INDEX raw_of_page ON raw(page);"
    "CREATE TABLE raw_page(pk INTEGER PRIMARY KEY,"
    " text TEXT NOT NULL UNIQUE);"
    /* What the records of a stream look like, without a value of anybody; the
     * row of stream 0 says that they are kept. */
    "CREATE TABLE raw_dict(pk INTEGER PRIMARY KEY, stream INTEGER NOT NULL,"
    " text TEXT NOT NULL);"
