#!/usr/bin/env bash
# sink-sqlite.sh - changes on stdin into a SQLite database: what a person sees
# in it, and that its cursor and its rows are never apart.
. tests/setup.sh

sink=$BUILD/idmesh-sink
db=$TMP/mesh.db
sql() { sqlite3 "${2:-$db}" "$1"; }

# schema [STORE]: what join sends first.
schema() {
	jq -cn --arg s "${1:-st}" '{v: 1, kind: "schema", source: $s, types: [
		{type: "User", attributes: ["login", "active", "age", "big",
			"emails", "type", "note", "order by"]},
		{type: "Group", attributes: ["name"]},
		{type: "GroupMember", attributes: ["groupId", "memberId"]}]}'
}
# change RUN FIRST SEQ CHANGES [STORE]
change() {
	jq -cn --argjson run "$1" --argjson first "$2" --argjson seq "$3" \
		--argjson changes "$4" --arg s "${5:-st}" '{v: 1,
		kind: "change", source: $s, stream: "mesh", run: $run,
		epoch: 1, first: $first, seq: $seq, changes: $changes}'
}
# put ID LOGIN: one entry of `changes`.
put() { printf '{"op":"put","type":"User","id":"%s","object":{"login":"%s"},"contributors":["okta:c/%s"]}' "$1" "$2" "$1"; }
remove() { printf '{"op":"delete","type":"User","id":"%s","reason":"removed"}' "$1"; }
rebuilt() {
	printf '{"v":1,"kind":"end","source":"st","stream":"mesh","run":%s,"epoch":1,"seq":%s,"complete":true,"cursor":"st:%s"}\n' "$@"
}
# from_fifo TARGET: reads until the writer of the fifo closes it.
from_fifo() { exec "$sink" "$1" <"$TMP/fifo"; }
cursor() { "$sink" cursor "sqlite:${1:-$db}"; }

is 'a missing target has no cursor' "$(cursor)" -
ok 'and asking makes no file' test ! -e "$db"

# Numbers as text: jq would round them.
all='[{"op":"put","type":"User","id":"u1","object":{"login":"anna@example.com","active":true,"age":42,"big":9007199254740993,"emails":["a","b"],"type":{"id":"t"},"note":null,"order by":"x\"y"},"contributors":["okta:c/00u1"]},{"op":"put","type":"Group","id":"g1","object":{"name":"It'"'"'s"}},{"op":"put","type":"GroupMember","id":"g1:u1","object":{"groupId":"g1","memberId":"u1"}}]'
{
	schema
	printf '{"v":1,"kind":"change","source":"st","stream":"mesh","run":0,"epoch":1,"first":1,"seq":3,"changes":%s}\n' "$all"
} >"$TMP/first"
schema | run "$sink" "sqlite:$TMP/bare.db"
is 'a table without rows has no index' \
	"$(sql "SELECT group_concat(name) FROM sqlite_master WHERE type <> 'view' AND name LIKE 'mesh\_%' ESCAPE '\'" "$TMP/bare.db")" \
	'mesh_User,mesh_Group,mesh_GroupMember'
run "$sink" "sqlite:$db" <"$TMP/first"
is 'a first log is taken' "$status" 0
is 'the cursor is the last number' "$(cursor)" st:3
is 'a view has meshId and the attributes in order' \
	"$(sql 'SELECT group_concat(name) FROM pragma_table_info("User")')" \
	'meshId,login,active,age,big,emails,type,note,order by,meshState,leaveAt'
is 'columns: text, 0/1, exact numbers, JSON, NULL' \
	"$(sql 'SELECT login, active, typeof(active), big, emails, type, note IS NULL, "order by" FROM "User"')" \
	'anna@example.com|1|integer|9007199254740993|["a","b"]|{"id":"t"}|1|x"y'
is 'the object stays whole, its null too' \
	"$(sql "SELECT json_type(object, '\$.note'), contributors FROM mesh_User")" \
	'null|["okta:c/00u1"]'
is 'the views can be joined' \
	"$(sql 'SELECT u.login FROM "Group" g JOIN "GroupMember" m ON m.groupId = g.meshId JOIN "User" u ON u.meshId = m.memberId WHERE g.name = '"'It''s'")" \
	anna@example.com
like 'the usual questions have an index' \
	"$(sql 'EXPLAIN QUERY PLAN SELECT * FROM "User" WHERE login = 1; EXPLAIN QUERY PLAN SELECT * FROM "GroupMember" WHERE memberId = 1')" \
	'mesh_User_login.*|mesh_GroupMember_memberId'
is 'but not on what the schema lacks' \
	"$(sql "SELECT count(*) FROM sqlite_master WHERE name = 'mesh_User_email'")" 0
is 'it is our database and durable' \
	"$(sql 'PRAGMA application_id; PRAGMA user_version; PRAGMA journal_mode')" \
	"$(printf '1768189299\n3\nwal')"

run "$sink" "sqlite:$db" <"$TMP/first"
is 'the same log again changes nothing' "$status $(cursor)" '0 st:3'
like 'and says so' "$err" '0 put.* 1 messages seen before'

{
	change 0 4 4 "[$(put u1 anna2)]"
	change 0 5 6 "[$(put u2 bob),$(remove nobody)]"
} >"$TMP/more"
run "$sink" "sqlite:$db" <"$TMP/more"
is 'a put replaces, a delete of nobody is no failure' \
	"$status $(sql 'SELECT group_concat(meshId||"="||login) FROM "User"')" \
	'0 u1=anna2,u2=bob'
like 'it is counted' "$err" '2 put, 0 deleted, 1 deletes of unknown'
change 0 7 7 "[$(remove u2)]" | "$sink" "sqlite:$db" 2>/dev/null
is 'a delete removes the row' \
	"$(cursor) $(sql 'SELECT count(*) FROM mesh_User')" 'st:7 1'

run "$sink" "sqlite:$db" < <(change 0 9 9 "[$(put x y)]")
is 'a missing number is refused' "$status $(cursor)" '100 st:7'
like 'with the way out' "$err" 'join --after'
cp "$db" "$TMP/hole.db"
run "$sink" "sqlite:$TMP/hole.db" < <(change 0 8 8 "[$(put u3 y)]"; change 0 10 10 "[$(put x y)]")
is 'a hole in the middle is temporary' "$status" 111
run "$sink" "sqlite:$db" < <(schema other)
is 'another store is refused' "$status $(cursor)" '100 st:7'
like 'with both names' "$err" 'store st,.*store other'
run "$sink" "sqlite:$db" < <(change 0 2 2 "[$(put x y)]")
is 'a log that ends before the target is refused' "$status" 100
like 'as a restored database' "$err" 'restored from a backup'

half=$(change 0 8 8 "[$(put u8 y)]"; change 0 9 9 "[$(put u9 y)]")
printf '%s' "$half" | "$sink" "sqlite:$db" 2>"$TMP/err"
is 'half a line ends with 111' "${PIPESTATUS[1]}" 111
is 'nothing of it is applied, all before it is' "$(cursor)" st:8
like 'and it is said' "$(cat "$TMP/err")" 'middle of a line'
run "$sink" "sqlite:$db" < <(echo '{"v":1,"kind":"change"')
is 'broken JSON is 111' "$status $(cursor)" '111 st:8'
run "$sink" "sqlite:$db" < <(echo '{"v":2,"kind":"change"}')
is 'another version is wrong use' "$status $(cursor)" '100 st:8'
run "$sink" "sqlite:$db" < <(echo '{"v":1,"kind":"page","source":"o:c","stream":"User","seq":1,"records":[]}')
is 'a page is wrong use' "$status" 100

# Rebuilds.
run "$sink" "sqlite:$db" < <(schema; change 7 1 1 "[$(put u1 one)]")
is 'a rebuild without its end is 111' "$status $(cursor)" '111 st:8'
is 'and the old rows are there' \
	"$(sql 'SELECT group_concat(meshId||"="||login) FROM "User"')" \
	'u1=one,u8=y'
run "$sink" "sqlite:$db" < <(schema; change 8 1 1 "[$(put u1 two)]"; change 8 2 2 "[$(put u5 five)]"; rebuilt 8 3 50; change 0 51 51 "[$(put u6 six)]")
is 'a whole one deletes the rest and goes on' \
	"$status $(cursor) $(sql 'SELECT group_concat(meshId||"="||login) FROM "User"'; sql 'SELECT count(*) FROM mesh_Group')" \
	"$(printf '0 st:51 u1=two,u5=five,u6=six\n0')"
run "$sink" "sqlite:$TMP/empty.db" < <(schema; rebuilt 3 1 0)
is 'an empty mesh is a place too' "$status $(cursor "$TMP/empty.db")" '0 st:0'

# A first import has no index until an id comes back.
two=$TMP/two.db
run "$sink" "sqlite:$two" < <(change 0 1 2 "[$(put a 1),$(put b 1)]"; change 0 3 5 "[$(put a 2),$(remove c),$(remove b)]"; change 0 6 6 "[$(put b 3),$(put b 4)]")
is 'ids that come back inside of a first import' \
	"$status $(sql 'SELECT group_concat(meshId||"="||object) FROM mesh_User' "$two")" \
	'0 a={"login":"2"},b={"login":"4"}'
like 'are counted as ever' "$err" '5 put, 1 deleted, 1 deletes of unknown'
# As after a kill -9: rows, and no index yet.
sql 'DROP INDEX mesh_User_meshId' "$two"
run "$sink" "sqlite:$two" < <(change 0 7 7 "[$(put a 9)]")
is 'a first import that was killed goes on' \
	"$status $(sql 'SELECT group_concat(meshId||"="||object) FROM (SELECT * FROM mesh_User ORDER BY 2)' "$two")" \
	'0 a={"login":"9"},b={"login":"4"}'

# A schema that changes.
jq -cn '{v: 1, kind: "schema", source: "st", types: [
	{type: "User", attributes: ["email", "login"]}]}' >"$TMP/schema"
run "$sink" "sqlite:$db" <"$TMP/schema"
is 'views follow the schema' \
	"$status $(sql 'SELECT group_concat(name) FROM pragma_table_info("User")') $(sql "SELECT count(*) FROM sqlite_master WHERE type = 'view'")" \
	'0 meshId,email,login,meshState,leaveAt 1'
is 'indexes too' \
	"$(sql "SELECT group_concat(name) FROM (SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'mesh_User' ORDER BY name)")" \
	'mesh_User_email,mesh_User_login,mesh_User_meshId'
for bad in 'meshid' 'a\"b' ''; do
	run "$sink" "sqlite:$db" < <(printf '{"v":1,"kind":"schema","source":"st","types":[{"type":"User","attributes":["%s"]}]}\n' "$bad")
	is "an attribute named '$bad' is refused" "$status" 100
done
run "$sink" "sqlite:$db" < <(echo '{"v":1,"kind":"schema","source":"st","types":[{"type":"mesh_User","attributes":["a"]}]}')
is 'a type that would hide a table is refused' "$status" 100
is 'and the views stay' "$(sql 'SELECT login FROM "User" WHERE meshId = "u5"')" five
run "$sink" "sqlite:$db" < <(printf '{"v":1,"kind":"change","source":"st","stream":"mesh","run":0,"epoch":1,"first":52,"seq":52,"changes":[{"op":"put","type":"We\\"ird","id":"w","object":{}}]}\n')
is 'a type without a schema is kept as JSON' \
	"$status $(sql 'SELECT object FROM "mesh_We""ird"')" '0 {}'

# Files that are not ours.
sqlite3 "$TMP/foreign.db" 'CREATE TABLE t(x)'
run "$sink" "sqlite:$TMP/foreign.db" <"$TMP/first"
is "another program's database is refused" "$status" 100
like 'and named' "$err" 'foreign.db is a database of another program'
is 'and untouched' "$(sql 'SELECT group_concat(name) FROM sqlite_master' "$TMP/foreign.db")" t
run "$sink" cursor "sqlite:$TMP/foreign.db"
is 'its cursor too' "$status" 100
seq 1000 >"$TMP/text"
run "$sink" "sqlite:$TMP/text" <"$TMP/first"
is 'a text file is refused' "$status $(wc -l <"$TMP/text")" '100 1000'
# --- a leaver in its grace; a database of the format before
leaver='[{"op":"put","type":"User","id":"u1","object":{"login":"a","active":false},"contributors":[],"state":"leaving","leaveAt":"2026-05-01T00:00:00.000Z"}]'
old=$TMP/old.db
run "$sink" "sqlite:$old" <"$TMP/first"
sqlite3 "$old" 'DROP VIEW "User"; DROP VIEW "Group"; DROP VIEW "GroupMember";
	ALTER TABLE mesh_User DROP COLUMN meshState; ALTER TABLE mesh_User DROP COLUMN leaveAt;
	ALTER TABLE mesh_Group DROP COLUMN meshState; ALTER TABLE mesh_Group DROP COLUMN leaveAt;
	ALTER TABLE mesh_GroupMember DROP COLUMN meshState; ALTER TABLE mesh_GroupMember DROP COLUMN leaveAt;
	PRAGMA user_version = 2'
{
	schema
	printf '{"v":1,"kind":"change","source":"st","stream":"mesh","run":0,"epoch":1,"first":4,"seq":4,"changes":%s}\n' "$leaver"
} >"$TMP/leaver"
cp "$old" "$TMP/odd.db"
sqlite3 "$TMP/odd.db" 'ALTER TABLE mesh_User ADD COLUMN leaveAt TEXT'
run "$sink" "sqlite:$TMP/odd.db" <"$TMP/leaver"
like 'what cannot be brought to ours is as it was, with the reason' \
	"$status:$err:$(sqlite3 "$TMP/odd.db" 'PRAGMA user_version')" \
	'^111:.*odd.db: .*duplicate column.*:2$'
run "$sink" "sqlite:$old" <"$TMP/leaver"
is 'an older format is brought to ours, and says who leaves when' \
	"$status:$(sqlite3 "$old" 'SELECT meshId, active, meshState, leaveAt FROM "User"; PRAGMA user_version')" \
	"0:u1|0|leaving|2026-05-01T00:00:00.000Z
3"

sqlite3 "$TMP/newer.db" 'PRAGMA application_id=1768189299; PRAGMA user_version=9; CREATE TABLE t(x)'
run "$sink" "sqlite:$TMP/newer.db" <"$TMP/first"
is 'a newer format is refused' "$status" 100
like 'with its number' "$err" 'format 9'
run "$sink" "sqlite:$TMP/no/mesh.db" <"$TMP/first"
is 'a missing folder is wrong use' "$status" 100
mkdir "$TMP/folder.db"
for command in '' cursor; do
	# shellcheck disable=SC2086 # a word, or none
	run "$sink" $command "sqlite:$TMP/folder.db" <"$TMP/first"
	like "a folder too ${command:+(its cursor)}" "$status:$err" \
		'^100:.*folder.db: Is a directory'
done
for target in mesh.db sqlite: xlsx:a; do
	run "$sink" "$target" <"$TMP/first"
	is "$target is no target" "$status" 100
done
run "$sink" cursor
is 'cursor wants a target' "$status" 100

# Two at a time.
mkfifo "$TMP/fifo"
start holder from_fifo "sqlite:$TMP/held.db"
exec 5>"$TMP/fifo"
cat "$TMP/first" >&5
wait_for sh -c "[ \"\$('$sink' cursor 'sqlite:$TMP/held.db')\" = st:3 ]"
is 'it commits while the pipe is open, readers see it' \
	"$(sql 'SELECT login FROM "User"' "$TMP/held.db")" anna@example.com
run "$sink" "sqlite:$TMP/held.db" <"$TMP/first"
is 'a second sink is told to wait' "$status" 111
like 'with the reason' "$err" 'another sink is writing'
exec 5>&-
wait "$pid"
is 'the first one ends well' $? 0

# No room: the batch is lost, the database is not.
(
	trap '' XFSZ
	ulimit -f 2000
	for i in $(seq 8 400); do
		printf '{"v":1,"kind":"change","source":"st","stream":"mesh","run":0,"epoch":1,"first":%d,"seq":%d,"changes":[{"op":"put","type":"User","id":"r%d","object":{"login":"%020000d"}}]}\n' $((i - 4)) $((i - 4)) "$i" 0
	done | "$sink" "sqlite:$TMP/held.db" 2>"$TMP/err"
	echo "${PIPESTATUS[1]}" >"$TMP/status"
) 2>/dev/null
is 'a full disk is 111' "$(cat "$TMP/status")" 111
is 'the database is intact' "$(sql 'PRAGMA integrity_check' "$TMP/held.db")" ok
n=$(cursor "$TMP/held.db")
is 'and its cursor counts its rows' "${n#st:}" \
	"$((3 + $(sql "SELECT count(*) FROM mesh_User WHERE meshId LIKE 'r%'" "$TMP/held.db")))"

# Killed at any moment: rows and cursor are one.
for i in $(seq 4 3000); do
	printf '{"v":1,"kind":"change","source":"st","stream":"mesh","run":0,"epoch":1,"first":%d,"seq":%d,"changes":[{"op":"put","type":"Group","id":"k%d","object":{"name":"%0800d"}}]}\n' "$i" "$i" "$i" 0
done >"$TMP/many"
run "$sink" "sqlite:$TMP/kill.db" <"$TMP/first"
whole=0
for bytes in 300000 900000 1500000 2100000; do
	start victim from_fifo "sqlite:$TMP/kill.db"
	exec 5>"$TMP/fifo"
	head -c $bytes "$TMP/many" >&5
	stop victim KILL
	exec 5>&-
	n=$(cursor "$TMP/kill.db")
	[ "$((${n#st:} - 2))" -eq "$(sql 'SELECT count(*) FROM mesh_Group' "$TMP/kill.db")" ] &&
		whole=$((whole + 1))
done
is 'after kill -9 the cursor counts the rows' $whole 4
run "$sink" "sqlite:$TMP/kill.db" <"$TMP/many"
is 'and the log goes on from there' \
	"$status $(cursor "$TMP/kill.db") $(sql 'SELECT count(*) FROM mesh_Group' "$TMP/kill.db")" \
	'0 st:3000 2998'

# --- a writer that died in the middle leaves a journal that must be undone
cp "$db" "$TMP/hot.db"
before=$(cursor "$TMP/hot.db")
# shellcheck disable=SC2016 # for the shell that sqlite3 starts
sqlite3 "$TMP/hot.db" >/dev/null 2>&1 <<'SQL'
PRAGMA journal_mode = DELETE;
PRAGMA cache_size = 2;
BEGIN;
UPDATE idmesh_cursor SET number = 99;
CREATE TABLE junk(x);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200)
INSERT INTO junk SELECT randomblob(4000) FROM n;
.shell kill -9 $PPID
SQL
ok 'the journal is there' test -s "$TMP/hot.db-journal"
run "$sink" cursor "sqlite:$TMP/hot.db"
is 'and its cursor is that of before' "$status:$out" "0:$before"

done_testing
