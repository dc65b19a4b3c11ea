#!/usr/bin/env bash
# join-prune.sh - the database forgets what is old, and nothing that is held,
# open, or that a sink may still need.
. tests/setup.sh
. tests/records.sh

rows() { sqlite3 "$db" "SELECT count(*) FROM $1"; }
# So many days pass.
pass() {
	sqlite3 "$db" "UPDATE change SET at = at - $1 * 86400000;
		UPDATE tombstone SET at = at - $1 * 86400000;
		UPDATE reject SET resolved = resolved - $1 * 86400000"
}
drop() { printf '{"id":"%s","op":"delete","reason":"deprovisioned"}' "$1"; }
mode=delta
store() { sqlite3 "$db" 'SELECT id FROM store'; }

all=()
for i in $(seq 100 159); do all+=("$(user "u$i")"); done
{
	mode=full page User 1 '' "${all[@]}"
	mode=full end User 2
} | changes
{
	page User 1 '' "$(drop u100)" "$(drop u101)"
	end User 2
	page GroupMember 1 ',"context":{"groupId":"g1"},"last":true' "$(edge g1 u1)"
	page GroupMember 2 ',"context":{"groupId":"g1"},"last":true'
	end GroupMember 3
} | changes
bad=',"bad":[{"index":1,"id":"u102","code":"E_RULE","at":"okta.lua:41","message":"no","raw":{"id":"u102"}},{"index":2,"id":"u103","code":"E_RULE","at":"okta.lua:41","message":"no","raw":{"id":"u103"}}]'
{
	n=3 page User 1 "$bad" "$(user u104)"
	page User 2 '' "$(user u102)"
	end User 3
} | changes
is 'what there is to forget' \
	"$(rows tombstone) $(rows reject) $(rows 'object WHERE gone IS NOT NULL') $(rows change)" '3 2 3 64'

changes </dev/null
is 'nothing young is forgotten' "$(rows tombstone) $(rows reject)" '3 2'
pass 8
changes --after "$(store):60" </dev/null
is 'the log is kept as long as a sink lacks it' "$(rows change):$(sort <<<"$changes")" \
	"4:delete GroupMember removed
delete GroupMember removed
delete User deprovisioned
delete User deprovisioned"
pass 91
# Which of the two streams left first is not said.
stay=$(rows 'tombstone WHERE number > 62')
ok 'the log speaks of one at least' test "$stay" -gt 0
changes --keep-gone 90 --after "$(store):62" </dev/null
is 'a tombstone stays as long as the log speaks of it' \
	"$(rows tombstone) $(rows 'object WHERE gone IS NOT NULL')" "$stay $stay"
is 'a settled letter goes, an open one stays' \
	"$(sqlite3 "$db" "SELECT group_concat(id) FROM reject")" u103
changes --after "$(store):64" </dev/null
is 'then nothing is left of it' \
	"$(rows tombstone) $(rows 'object WHERE gone IS NOT NULL') $(rows container)" '0 0 0'
is 'nor in the mesh' "$(rows 'mesh m WHERE NOT EXISTS (SELECT 1 FROM object o WHERE o.mesh = m.pk)')" 0
{
	page User 1 '' "$(user u100)"
	end User 2
} | changes
id=$(of '.[0].id')
is 'the same id again: the same mesh id' "$changes:$id" \
	"put User $S/u100:$("$JOIN" dump --db "$db" | jq -r "select(.contributors[0] == \"$S/u100\") | .id")"
is 'as it would have had without its tombstone' \
	"$(grep -c "$id" <(changes --after - </dev/null; printf %s "$out"))" 1

# --- runs
some=()
for i in $(seq 110 129); do some+=("$(drop "u$i")"); done
{
	page User 1 '' "${some[@]}"
	end User 2
} | changes
held=$("$JOIN" runs --db "$db" --json | jq -r 'select(.state == "held") | .run')
for i in 1 2 3 4 5; do
	end User 1 | changes --keep-runs 3
done
# It forgets when a run begins, which adds one.
is 'the newest runs are kept, the last full one, and the one that is held' \
	"$("$JOIN" runs --db "$db" --json | jq -r .run | paste -sd' ')" "1 $held 7 8 9 10"
is 'with their streams' "$(rows 'checkpoint WHERE run NOT IN (SELECT pk FROM run)') $(rows checkpoint)" '0 6'
ok 'it can be approved' "$JOIN" approve --db "$db" "$held"
end User 1 | changes --keep-runs 3
is 'and is forgotten then' \
	"$("$JOIN" runs --db "$db" --json | jq -r .run | paste -sd' ')" '1 8 9 10 11'

# --- types with a join rule: memberships go, a person is remembered
(
	db=$TMP/joined.db
	mkdir "$TMP/rules"
	cp rules/*.lua "$TMP/rules"
	printf 'join "User" { sources = { "okta" }, { "login" } }\njoin "Group" { sources = { "okta" }, { "name" } }\n' \
		>"$TMP/rules/join.lua"
	export IDMESH_RULES=$TMP/rules
	g=',"context":{"groupId":"g1"},"last":true'
	mode=full
	{
		page User 1 '' "$(user u1)" "$(user u2)"
		end User 2
		page Group 1 '' "$(put g1 '{"name":"One"}')"
		end Group 2
		page GroupMember 1 "$g" "$(edge g1 u1)" "$(edge g1 u2)"
		end GroupMember 2
	} | changes
	mode=delta
	{
		page User 1 '' "$(drop u2)"
		end User 2
		page GroupMember 1 "$g" "$(edge g1 u1)"
		end GroupMember 2
	} | changes
	pass 100
	changes </dev/null
	pass 100
	changes </dev/null
	sqlite3 "$db" "SELECT o.id FROM object o WHERE gone IS NOT NULL" >"$TMP/left"
	sqlite3 "$db" "SELECT count(*) FROM matchkey WHERE object NOT IN (SELECT pk FROM object)" >>"$TMP/left"
	sqlite3 "$db" "SELECT count(*) FROM ref WHERE object NOT IN (SELECT pk FROM object)" >>"$TMP/left"
	count >>"$TMP/left"
	sqlite3 "$db" "SELECT count(*) FROM mesh m JOIN type t ON t.pk = m.type
		WHERE t.name = 'GroupMember'; SELECT count(*) FROM edge" >>"$TMP/left"
	sqlite3 "$db" "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
		INSERT INTO plan(hash, type, state, at, summary)
		SELECT 'h' || i, 1, iif(i = 2, 'stopped', 'outdated'), '', '{}' FROM n"
	changes --keep-runs 3 </dev/null
	sqlite3 "$db" 'SELECT hash FROM plan' >"$TMP/plans"
	sqlite3 "$db" 'DELETE FROM plan'
	# Again and again: the same id, a delete for the sinks, no row more.
	for i in 1 2; do
		page GroupMember 1 "$g" "$(edge g1 u1)" "$(edge g1 u2)" "$(edge g1 u3)" | cat - <(end GroupMember 2) | changes
		of '[.[] | [.op, .id]]' >>"$TMP/again$i"
		page GroupMember 1 "$g" "$(edge g1 u1)" | cat - <(end GroupMember 2) | changes
		of '[.[] | [.op, .id]]' >>"$TMP/again$i"
		pass 1
		changes --keep-gone 0 --after - </dev/null
		rows "mesh WHERE state = 'gone' AND object IS NULL" >>"$TMP/again$i"
		pass 8
		changes </dev/null
		pass 91
		changes </dev/null
		rows "mesh WHERE state = 'gone' AND object IS NULL" >>"$TMP/again$i"
	done
)
is 'of types with a join rule memberships are forgotten, a person is not' "$(paste -sd' ' "$TMP/left")" 'u2 0 0 3 1 1'
like 'with the mesh id that they had' "$(cat "$TMP/again1")" '^\[\["put","[-0-9a-f:]+"\],\["put'
is 'the newest plans stay, and one that waits' "$(paste -sd' ' "$TMP/plans")" 'h2 h18 h19 h20'
is 'every time' "$(cat "$TMP/again1")" "$(cat "$TMP/again2")"

# --- bounded growth: the same again and again
grow() {
	{
		page User 1 '' "$(drop u130)" "$(drop u131)"
		end User 2
	} | changes --keep-runs 5 --keep-gone 0 --keep-dead 0
	pass 8
	{
		n=3 page User 1 "${bad//u10/u14}" "$(user u130 "$RANDOM")"
		page User 2 '' "$(user u131)" "$(user u142)" "$(user u143)"
		end User 3
	} | changes --keep-runs 5 --keep-gone 0 --keep-dead 0
	pass 8
}
counts() { for t in run checkpoint reject tombstone change object mesh container leaving; do rows $t; done | paste -sd' '; }
for i in 1 2 3 4; do grow; done
before=$(counts)
for i in 1 2 3 4; do grow; done
is 'rounds of the same add nothing' "$(counts)" "$before"

# --- a service forgets bit by bit, beside its work
db=$TMP/served.db
mode=full
full() {
	page User 1 '' "$(user u1)"
	end User 2
}
full | tee "$TMP/feed" | changes
sqlite3 "$db" "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3500)
	INSERT INTO reject(stream, id, stage, first_run, last_run, resolved)
	SELECT (SELECT pk FROM stream), 'x' || i, 'transform', 1, 1, 1 FROM n"
start join "$JOIN" --db "$db" --commit "ipc://$TMP/run/join"
wait_for test -S "$TMP/run/join"
run "$BUILD/tools/feed" "ipc://$TMP/run/join" "$TMP/feed"
is 'a fetch is answered' "$status" 0
forgotten() { [ "$(rows reject)" = 0 ]; }
ok 'all is forgotten in the end' wait_for forgotten
stop join
is 'and it ends well' "$status" 0
done_testing
