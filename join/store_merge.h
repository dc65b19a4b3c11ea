/*
 * store_merge.h - the tables of types with a join rule, as text.
 *
 * store_schema.c makes them with a new database, store_migrate.c adds the same
 * ones to an old one; merge.h says who writes them.
 */

/* Keys by type and print, which changes with their meaning; matchkey.key. */
"CREATE TABLE keydef(pk INTEGER PRIMARY KEY, type INTEGER NOT NULL,"
    " print TEXT NOT NULL, label TEXT NOT NULL, UNIQUE(type, print));"
    /* Normalised key values; tombstones keep theirs. */
    "CREATE TABLE matchkey(key INTEGER NOT NULL, value TEXT NOT NULL,"
    " object INTEGER NOT NULL, PRIMARY KEY(key, value, object))"
    " WITHOUT ROWID;"
    "CREATE INDEX matchkey_object ON matchkey(object);"
    /* Objects that the next merge looks at; changed: 1 in an attribute that the
     * rules guard, 2 it left by an operator's word, 4 it was disabled; was: the
     * guarded attributes behind the last merge, NULL when none has changed. */
    "CREATE TABLE dirty(type INTEGER NOT NULL, object INTEGER NOT NULL,"
    " changed INTEGER NOT NULL DEFAULT 0, was TEXT,"
    " PRIMARY KEY(type, object)) WITHOUT ROWID;"
    /* Mesh objects whose body is to be made again; grp: those of one component,
     * which go to the sinks together. */
    "CREATE TABLE stale(grp INTEGER NOT NULL, mesh INTEGER NOT NULL,"
    " PRIMARY KEY(grp, mesh)) WITHOUT ROWID;"
    /* Who is part of whom; mesh 0: held.  key: the keydef that linked it, -1 it
     * stands for itself or led, -2 decided, -3 by a decision that was undone;
     * other: the object that it was linked to, 0 none; run: generation that
     * made the link. */
    "CREATE TABLE link(object INTEGER PRIMARY KEY, mesh INTEGER NOT NULL,"
    " key INTEGER NOT NULL, other INTEGER NOT NULL DEFAULT 0,"
    " run INTEGER NOT NULL);"
    "CREATE INDEX link_mesh ON link(mesh);"
    "CREATE TABLE held(object INTEGER PRIMARY KEY, why TEXT NOT NULL);"
    /* What an operator may want to decide; object is of the lower rank. */
    "CREATE TABLE conflict(object INTEGER NOT NULL, other INTEGER NOT NULL,"
    " why TEXT NOT NULL, key INTEGER NOT NULL, value TEXT,"
    " against INTEGER NOT NULL);"
    "CREATE INDEX conflict_object ON conflict(object);"
    /* verb: join, never, alone; a and b: \"okta:contoso/00u1\". */
    "CREATE TABLE decision(pk INTEGER PRIMARY KEY, type INTEGER NOT NULL,"
    " verb TEXT NOT NULL, a TEXT NOT NULL, b TEXT, who TEXT, why TEXT,"
    " at TEXT NOT NULL, undone_at TEXT, undone_who TEXT);"
    /* Where things stood when it was made, for what came of it is what an undo
     * takes back: the link of each object that had to do with it, mesh 0: it
     * was in no person; run: generation of the decision. */
    "CREATE TABLE IF NOT EXISTS decided(decision INTEGER NOT NULL,"
    " object INTEGER NOT NULL, run INTEGER NOT NULL, mesh INTEGER NOT NULL,"
    " key INTEGER NOT NULL DEFAULT -1, other INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY(decision, object)) WITHOUT ROWID;"
    /* Ids of persons who became part of another. */
    "CREATE TABLE alias(id TEXT PRIMARY KEY, mesh INTEGER NOT NULL,"
    " at INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX alias_mesh ON alias(mesh);"
    /* contributors: JSON array in rank order; state: of the mesh object when it
     * was made; at: server time that functions were told then, ms, NULL where
     * none was asked. */
    "CREATE TABLE body(mesh INTEGER PRIMARY KEY, text TEXT NOT NULL,"
    " contributors TEXT NOT NULL, state TEXT, at INTEGER);"
    "CREATE INDEX mesh_minter ON mesh(minter) WHERE minter IS NOT NULL;"
    "CREATE INDEX mesh_leaving ON mesh(leave_at) WHERE leave_at IS NOT NULL;"
    /* object refers to what has this id in this stream; a negative stream is a
     * keydef, and id a value of it. */
    "CREATE TABLE ref(stream INTEGER NOT NULL, id TEXT NOT NULL,"
    " object INTEGER NOT NULL, PRIMARY KEY(stream, id, object))"
    " WITHOUT ROWID;"
    "CREATE INDEX ref_object ON ref(object);"
    /* The membership of two mesh objects. */
    "CREATE TABLE edge(grp INTEGER NOT NULL, member INTEGER NOT NULL,"
    " mesh INTEGER NOT NULL, PRIMARY KEY(grp, member)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS edge_mesh ON edge(mesh);"
    /* state: due, running (the guard let it pass), linked (bodies are left),
     * stopped; plan: its hash; at: server time, ms. */
    "CREATE TABLE merge(type INTEGER PRIMARY KEY, state TEXT NOT NULL,"
    " plan TEXT, at INTEGER NOT NULL DEFAULT 0);"
    /* Plans that a guard looked at; state: stopped, approved, done, outdated.
     */
    "CREATE TABLE plan(pk INTEGER PRIMARY KEY, hash TEXT NOT NULL,"
    " type INTEGER NOT NULL, state TEXT NOT NULL, at TEXT NOT NULL,"
    " summary TEXT NOT NULL);"
