#!/usr/bin/env bash
# join-version.sh - a database of an older version becomes one of today's with
# all that is in it; a newer one, and what is no database, stays as it is.
. tests/setup.sh
. tests/records.sh

# columns DB: every table and index with its columns.
columns() {
	sqlite3 "$1" "SELECT m.type, m.name, group_concat(p.name || ' ' || p.type ||
		' ' || p.\"notnull\" || ' ' || ifnull(p.dflt_value, '-') || ' ' || p.pk)
		FROM sqlite_schema m LEFT JOIN pragma_table_info(m.name) p
		WHERE m.name NOT LIKE 'sqlite_%' GROUP BY m.name ORDER BY m.name"
}
version() { sqlite3 "$1" 'PRAGMA user_version'; }
old=$TMP/old.db
sqlite3 "$old" <tests/old/join-3.sql
changes </dev/null
want=$(version "$db")

run "$JOIN" runs --db "$old"
like 'a reader leaves an older one alone' "$status:$err:$(version "$old")" \
	'^100:.*version 3 of an older idmesh: the next run .* brings it .*:3$'
cp "$old" "$TMP/full.db"
run bash -c 'ulimit -f 8; exec "$1" begin --db "$2" okta:contoso' _ "$JOIN" "$TMP/full.db"
is 'without room it stays what it was' \
	"$status:$(sqlite3 "$TMP/full.db" 'PRAGMA user_version; PRAGMA integrity_check' | paste -sd' ')" '111:3 ok'
chmod 640 "$old"
store=$(sqlite3 "$old" 'SELECT id FROM store')
run "$JOIN" --db "$old" --after "$store:25" </dev/null
is 'join brings it to this version' "$status:$(version "$old")" "0:$want"
like 'and says so' "$err" "version 3 became version $want"
is 'with the tables of a new one' "$(columns "$old")" "$(columns "$db")"
db=$old
is 'all objects are there' "$(count)" 21
is 'the runs too' "$("$JOIN" runs --db "$db" --json | jq -r .state | paste -sd' ')" 'done done held'
is 'and the dead letter' \
	"$("$JOIN" dead --db "$db" --json | jq -rc '[.id, .firstRun, .tries, .raw.id]')" '["u12",2,0,"u12"]'
is 'and the watermarks' "$("$JOIN" watermark --db "$db" $S | jq -r .u)" 2026-04-22T08:10:30.000Z
is 'what is gone has a tombstone' \
	"$(sqlite3 "$db" "SELECT count(*) FROM tombstone d JOIN object o USING(pk) WHERE o.gone IS NOT NULL")" 2
ok 'the held run can be approved' "$JOIN" approve --db "$db" 3
is 'and lets its own go' "$(count)" 19
run "$JOIN" dead --retry --db "$db"
like 'the letter can be tried again' "$status:$(tail -n 1 <<<"$err")" '^0:.* 1 applied'
{
	mode=delta page User 1 '' "$(user u13)" "$(user u40)"
	mode=delta end User 2
} | changes
is 'it works on' "$status:$(sort <<<"$changes")" "0:put User $S/u13
put User $S/u40"

# --- versions before
for v in 1 2; do
	db=$TMP/v$v.db
	sqlite3 "$db" <tests/old/join-3.sql
	[ $v = 2 ] || sqlite3 "$db" 'DROP TABLE leaving'
	sqlite3 "$db" "DROP TABLE restored; PRAGMA user_version = $v"
	changes </dev/null
	is "version $v too" "$status:$(version "$db"):$(count):$(columns "$db" | cksum)" \
		"0:$want:21:$(columns "$old" | cksum)"
done

# --- not while an older join is at work
db=$TMP/busy.db
sqlite3 "$db" <tests/old/join-3.sql
printf '4711\n' >"$db.lock"
start holder perl -MFcntl -e '
	open(my $f, "+<", $ARGV[0]) or die;
	# struct flock: type, whence, start, length, pid; F_OFD_SETLK is 37
	my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 1, 1, 0);
	fcntl($f, 37, $lock) or die $!;
	$| = 1; print "held\n"; sleep 60' "$db.lock"
wait_for grep -q held "$TMP/holder.out"
run "$JOIN" begin --db "$db" $S
like 'an older join is at work: 111' "$status:$err:$(version "$db")" '^111:.*process 4711.*:3$'
stop holder

# --- newer, damaged, none of ours
cp "$old" "$TMP/newer.db"
sqlite3 "$TMP/newer.db" 'PRAGMA user_version = 99'
sum=$(cksum <"$TMP/newer.db")
for command in runs "begin $S" 'dead --retry' 'approve 1'; do
	# shellcheck disable=SC2086 # words on purpose
	run "$JOIN" $command --db "$TMP/newer.db"
	like "newer: $command" "$status:$err" '^100:.*version 99.*newer idmesh'
done
is 'untouched' "$(cksum <"$TMP/newer.db")" "$sum"
for command in "begin $S" 'dead --retry' 'approve 1' runs ''; do
	rm -f "$TMP/foreign.db"
	sqlite3 "$TMP/foreign.db" 'CREATE TABLE theirs(a)'
	sum=$(cksum <"$TMP/foreign.db")
	# shellcheck disable=SC2086 # words on purpose
	run "$JOIN" $command --db "$TMP/foreign.db" </dev/null
	is "a database of others stays as it is: ${command:-join}" \
		"$status:$(cksum <"$TMP/foreign.db")" "100:$sum"
done
mkdir "$TMP/folder.db"
for command in "begin $S" 'dead --retry' runs dump; do
	# shellcheck disable=SC2086 # words on purpose
	run "$JOIN" $command --db "$TMP/folder.db"
	like "a folder is no file: $command" "$status:$err" \
		'^100:.*folder.db: Is a directory'
done
head -c 20000 "$old" >"$TMP/torn.db"
run "$JOIN" begin --db "$TMP/torn.db" $S
like 'a damaged one: 111 and what to do' "$status:$err" '^111:.*(malformed|disk image).*(backup|disk)'
done_testing
