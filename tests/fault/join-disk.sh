#!/usr/bin/env bash
# join-disk.sh - a full disk under join's database: it says so and ends with
# 111, and what was committed is where the next run goes on.
. tests/setup.sh
. tests/records.sh

crowd 3000 10 >"$TMP/in"
"$JOIN" --db "$TMP/calm.db" <"$TMP/in" >/dev/null 2>&1
# The files may grow to 1 MiB, which is not enough.
run bash -c 'ulimit -f 1024; exec "$1" --db "$2" <"$3"' _ "$JOIN" "$db" "$TMP/in"
is 'no room: 111' "$status" 111
like 'and which file' "$err" "$db: .*(full|I/O)"
is 'the database is whole' "$(sqlite3 "$db" 'PRAGMA integrity_check')" ok
is 'what was sent was committed' \
	"$(jq -rs 'map(select(.kind == "change") | .seq) | max // 0' <<<"$out")" \
	"$(sqlite3 "$db" 'SELECT newest FROM store')"
run "$JOIN" --db "$db" --rules "$ROOT/rules" <"$TMP/in"
is 'with room again all is well' "$status" 0
ok 'and the mesh is whole' diff <("$JOIN" dump --db "$db") \
	<("$JOIN" dump --db "$TMP/calm.db")
run bash -c 'ulimit -f 8; exec "$1" begin --db "$2" okta:other' _ "$JOIN" "$TMP/new.db"
is 'a begin without room: 111' "$status" 111
is 'prints no state' "$out" ''
done_testing
