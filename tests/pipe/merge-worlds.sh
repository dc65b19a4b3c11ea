#!/usr/bin/env bash
# merge-worlds.sh - what must be true of a merge, whatever the world is like.
#
# Seeded worlds of tests/tools/worlds.c through the real join: the order of
# what arrives means nothing, a history ends where one look at its end would,
# nothing is left half done, and who dies in between goes on.  WORLDS (100),
# SHUFFLES (4), ROUNDS (8), KILLS (10 a round) and SEED make it longer, or
# another one:
# `SEED=$RANDOM WORLDS=2000 ROUNDS=40 BUILD=build tests/pipe/merge-worlds.sh`.
# shellcheck disable=SC2317 # functions that ok and wait_for call
. tests/setup.sh
. tests/steps.sh

seed=${SEED:-20261122}
worlds=${WORLDS:-100}
shuffles=${SHUFFLES:-4}
rounds=${ROUNDS:-8}
kills=${KILLS:-10}
echo "# seed $seed, $worlds worlds, $shuffles shuffles, $rounds rounds"

no_limit='leave = { max = 100000000, percent = 100 },
  unjoin = { max = 100000000, percent = 100 }'
# rules DIR JOIN LIFE [GUARD]: what is in the join rule of users beside keys.
rules() {
	local c
	mkdir -p "$TMP/$1"
	{
		for c in hr okta entra; do
			cat <<-END
				map "$c.User" {
				  employeeNumber = "employeeNumber", email = "email",
				  aliases = "aliases", lastName = "lastName",
				  firstName = "firstName", login = "login",
				  title = "title", accountEnabled = "accountEnabled",
				  manager = "manager",
				}
				map "$c.Group" { name = "name" }
				map "$c.GroupMember" {
				  groupId = "groupId", memberId = "memberId",
				  memberType = "memberType",
				}
			END
		done
		cat <<-END
			join "User" {
			  sources = { "hr", "okta", "entra" }, $2
			  { "employeeNumber", norm = { "trim", "upper" } },
			  { "email", norm = "lower", except = { "info@" } },
			  { "aliases", norm = "lower" },
			  { "lastName", "firstName", norm = "fold", propose = true },
			}
			flow "User" {
			  ["*"] = { "hr", "okta", "entra" },
			  title = { "entra", "okta" },
			  accountEnabled = { all = { "hr", "okta", "entra" } },
			  manager = { "hr", "okta", "entra",
			    ref = { "User", by = { "login" } } },
			}
			join "Group" {
			  sources = { "hr", "okta", "entra" }, ${2/unmatched*/}
			  { "name", norm = "fold" },
			}
			life "User" { gone = "all", $3 }
			life "Group" { gone = "all", back = { same_key = "new" } }
			guard { ${4-$no_limit} }
		END
	} >"$TMP/$1/rules.lua"
}
# world ROUND HOW [SHUFFLE [SOURCE]]
world() { "$BUILD/tools/worlds" "$seed" "$worlds" "$@"; }
# join RULES DB [OPTION...]: leaves its changes beside the database.
join() {
	local rules=$1 db=$2
	shift 2
	"$JOIN" --db "$db" --rules "$TMP/$rules" "$@" >>"$db.changes" \
		2>>"$db.log"
}
dump() { "$JOIN" dump --db "$1" | LC_ALL=C sort; }
held() { "$JOIN" held --db "$1" --rules "$TMP/${2:-keep}" --json | jq -cS . | LC_ALL=C sort; }

# The mesh that the changes tell of, in the form of a dump.
folded() {
	jq -cn 'reduce (inputs | select(.kind == "change") | .changes[]) as $c
		({}; if $c.op == "put" then .[$c.id] = ($c | del(.op, .changed,
		.number)) else del(.[$c.id]) end) | .[]' "$1.changes" |
		jq -cS '{type, id, object, contributors}' | LC_ALL=C sort
}
dump_short() {
	"$JOIN" dump --db "$1" | jq -cS '{type, id, object, contributors}' |
		LC_ALL=C sort
}

# Without ids: a mesh object is who contributes to it, and so is a reference.
shape() {
	"$JOIN" dump --db "$1" | jq -cs '
		(map({(.id): (.contributors | join(" + "))}) | add) as $name |
		def name: if . == null then null else $name[.] // "?" end;
		.[] | [.type, .contributors, (.object |
		if has("manager") then .manager |= name else . end |
		if has("groupId") then .groupId |= name | .memberId |= name
		else . end)]' | LC_ALL=C sort
}

# One line for each thing that no database may hold behind a merge.
flaws() {
	sqlite3 "$1" "
		PRAGMA integrity_check;
		SELECT 'two of a source: ' || l.mesh || ' ' || o.stream
			FROM link l JOIN object o ON o.pk = l.object
			JOIN stream t ON t.pk = o.stream
			WHERE o.gone IS NULL AND l.mesh <> 0 AND t.name <> 'GroupMember'
			GROUP BY l.mesh, o.stream HAVING count(*) > 1;
		SELECT 'neither linked nor held: ' || o.id FROM object o
			LEFT JOIN link l ON l.object = o.pk
			WHERE o.gone IS NULL AND ifnull(l.mesh, 0) = 0
			AND o.pk NOT IN (SELECT object FROM held);
		SELECT 'linked and held: ' || h.object FROM held h JOIN link l
			ON l.object = h.object WHERE l.mesh <> 0;
		SELECT 'held and not there: ' || h.object FROM held h
			WHERE h.object NOT IN (SELECT pk FROM object
			WHERE gone IS NULL);
		SELECT 'linked to nothing: ' || l.object FROM link l
			WHERE mesh <> 0 AND mesh NOT IN (SELECT pk FROM mesh);
		SELECT 'link of nothing: ' || object FROM link
			WHERE object NOT IN (SELECT pk FROM object);
		SELECT 'part of who is not alive: ' || o.id || ' ' || m.state
			FROM link l JOIN object o ON o.pk = l.object
			JOIN mesh m ON m.pk = l.mesh
			WHERE o.gone IS NULL AND m.state IS NOT NULL;
		SELECT 'alive of nobody: ' || m.id FROM mesh m
			WHERE state IS NULL AND NOT EXISTS (SELECT 1 FROM link l
			JOIN object o ON o.pk = l.object WHERE l.mesh = m.pk
			AND o.gone IS NULL);
		SELECT 'no body: ' || id FROM mesh WHERE (state IS NULL OR
			state = 'leaving') AND pk NOT IN (SELECT mesh FROM body);
		SELECT 'body of nobody: ' || mesh FROM body WHERE mesh NOT IN
			(SELECT pk FROM mesh WHERE state IS NULL OR
			state = 'leaving');
		SELECT 'twice: ' || id FROM mesh GROUP BY type, id
			HAVING count(*) > 1;
		SELECT 'alias of nobody: ' || id FROM alias WHERE mesh NOT IN
			(SELECT pk FROM mesh) OR id NOT IN (SELECT id FROM mesh
			WHERE state = 'alias');
		SELECT 'alias without a row: ' || id FROM mesh
			WHERE state = 'alias' AND id NOT IN (SELECT id FROM alias);
		SELECT 'alias of who is no end: ' || a.id FROM alias a
			JOIN mesh m ON m.pk = a.mesh WHERE m.state = 'alias';
		SELECT 'edge of nothing: ' || mesh FROM edge
			WHERE mesh NOT IN (SELECT pk FROM mesh) OR
			grp NOT IN (SELECT pk FROM mesh) OR
			member NOT IN (SELECT pk FROM mesh);
		SELECT 'membership with an end that is gone: ' || m.id
			FROM edge e JOIN mesh m ON m.pk = e.mesh
			JOIN mesh x ON x.pk IN (e.grp, e.member)
			WHERE m.state IS NULL AND x.state IN ('gone', 'alias');
		SELECT 'value of nothing: ' || value FROM matchkey
			WHERE object NOT IN (SELECT pk FROM object)
			OR key NOT IN (SELECT pk FROM keydef);
		SELECT 'refers, and is not there: ' || id FROM ref
			WHERE object NOT IN (SELECT pk FROM object);
		SELECT 'conflict of who is not there: ' || object FROM conflict
			WHERE object NOT IN (SELECT pk FROM object WHERE gone
			IS NULL OR why = 'returned') OR other NOT IN
			(SELECT pk FROM object);
		SELECT 'left over: ' || (SELECT count(*) FROM dirty) || ' dirty '
			|| (SELECT count(*) FROM stale) || ' stale ' ||
			(SELECT count(*) FROM merge) || ' merges' WHERE EXISTS
			(SELECT 1 FROM dirty) OR EXISTS (SELECT 1 FROM stale) OR
			EXISTS (SELECT 1 FROM merge);
		SELECT 'people says ' || people || ': ' || name FROM type y
			WHERE rules IS NOT NULL AND name <> 'GroupMember' AND
			people <> (SELECT count(*) FROM mesh WHERE type = y.pk
			AND state IS NULL);
		SELECT 'a plan was stopped' FROM plan WHERE state = 'stopped';" |
		grep -vx ok
}
whole() {
	flaws "$1" >"$TMP/flaws" 2>&1
	cat "$TMP/flaws"
	[ ! -s "$TMP/flaws" ]
}
links() {
	sqlite3 "$1" 'SELECT * FROM link ORDER BY object;
		SELECT * FROM held ORDER BY object;
		SELECT * FROM conflict ORDER BY 1, 2, 3, 4, 5, 6'
}

rules keep '' 'grace = "36h", back = { same_key = "ask" }'
rules strict 'changed = "strict",' 'back = { same_key = "new" }'
rules tight '' 'grace = "36h", back = { same_key = "ask" }' "$no_limit,
  change = { max = 3, attributes = { \"email\", \"employeeNumber\" } }"
rules hold 'unmatched = { entra = "hold" },' 'back = { same_key = "revive" }'

# --- the order means nothing
for rules in keep hold; do
	db=$TMP/$rules.0
	world 0 full | join "$rules" "$db"
	is "$rules: a world is merged" $? 0
	dump "$db" >"$TMP/want"
	held "$db" "$rules" >"$TMP/want.held"
	folded "$db" >"$TMP/want.folded"
	ok "$rules: all is whole" whole "$db"
	ok "$rules: some are joined, some held" test "$(grep -c '/.*+\|","' "$TMP/want")" -gt 50 -a \
		"$(grep -c . "$TMP/want.held")" -gt 20
	ok "$rules: the changes make the mesh" diff <(dump_short "$db") "$TMP/want.folded"
	for i in $(seq "$shuffles"); do
		db=$TMP/$rules.$i
		world 0 full "$i" | join "$rules" "$db"
		ok "$rules, shuffle $i: the same mesh" diff "$TMP/want" <(dump "$db")
		ok "$rules, shuffle $i: the same ones are held" \
			diff "$TMP/want.held" <(held "$db" "$rules")
		ok "$rules, shuffle $i: the same changes" \
			diff "$TMP/want.folded" <(folded "$db")
		ok "$rules, shuffle $i: all is whole" whole "$db"
	done
done

# --- neither the workers before it nor sources that race mean anything
for workers in 1 3; do
	world 0 pages $workers | IDMESH_RULES=$TMP/keep "$BUILD/idmesh-transform" \
		-j $workers 2>>"$TMP/transform.log" | join keep "$TMP/workers.$workers"
done
ok 'three workers, another order: the same mesh' \
	diff <(dump "$TMP/workers.1") <(dump "$TMP/workers.3")
ok 'and that of records by hand' \
	diff <(dump "$TMP/workers.1") <(dump "$TMP/keep.0")

in=ipc://$TMP/run/join
sources=(hr:main okta:contoso okta:other entra:contoso)
all_ended() {
	[ "$(sqlite3 "$1" "SELECT (SELECT count(*) FROM checkpoint
		WHERE phase = 'done') || ' ' || (SELECT count(*) FROM merge)")" = '12 0' ]
}
race() { # DB SHUFFLE
	local s with=()
	for s in "${sources[@]}"; do with+=(--with "$s"); done
	start "join$2" "$JOIN" --db "$1" --rules "$TMP/keep" --commit "$in" \
		"${with[@]}"
	wait_for test -S "$TMP/run/join"
	for s in $(shuf -e --random-source=<(yes "$seed $2") "${sources[@]}"); do
		world 0 full "$2" "$s" >"$TMP/race.$s"
		start "feed$2$s" "$BUILD/tools/feed" "$in" "$TMP/race.$s" "$s:$2:1"
	done
	wait_for all_ended "$1"
	stop "join$2"
}
for i in 1 2; do
	race "$TMP/race.$i.db" "$i"
	ok "race $i: the mesh of the pipe" \
		diff <(dump "$TMP/keep.0") <(dump "$TMP/race.$i.db")
	ok "race $i: the same ones are held" \
		diff <(held "$TMP/keep.0") <(held "$TMP/race.$i.db")
	ok "race $i: all is whole" whole "$TMP/race.$i.db"
done

# --- a history ends where one look at its end would
for mode in delta full; do
	db=$TMP/strict.$mode
	for i in $(seq 0 "$rounds"); do
		world "$i" $mode "$i" | join strict "$db"
		whole "$db" || break
	done >"$TMP/rounds"
	ok "strict, $mode: all is whole behind every round" test ! -s "$TMP/rounds"
	world "$rounds" full | join strict "$db.fresh"
	ok "strict, $mode: a history is its end" diff <(shape "$db.fresh") <(shape "$db")
	ok "strict, $mode: the same ones are held" \
		diff <(held "$db.fresh" strict) <(held "$db" strict)
	ok "strict, $mode: the changes make the mesh" \
		diff <(dump_short "$db") <(folded "$db")
	links "$db" >"$TMP/links"
	world "$rounds" full 1 | join strict "$db"
	ok "strict, $mode: the same again touches no link" \
		diff "$TMP/links" <(links "$db")
done

# --- who is remembered: one go, and one that dies at some step of each round
db=$TMP/keep.db
target=sqlite:$TMP/keep.mesh
# With those who are leaving.
target_mesh() {
	local type
	for type in User Group GroupMember; do
		sqlite3 "$1" "SELECT json_object('type', '$type', 'id', meshId,
			'object', json(object), 'contributors',
			json(contributors), 'state', nullif(meshState, 'living'),
			'leaveAt', leaveAt) FROM mesh_$type"
	done | jq -c 'del(.[] | nulls)' | canonical
}
again() { # DB TARGET: what it lacks comes first
	"$JOIN" --db "$1" --rules "$TMP/keep" --after "$(place "$2")" \
		2>>"$1.log" | "$SINK" "$2" 2>>"$1.log"
}
for i in $(seq 0 "$rounds"); do
	[ "$i" = 0 ] || cp "$db" "$TMP/keep.$i"
	cp "$TMP/keep.mesh" "$TMP/keep.mesh.$i" 2>/dev/null
	world "$i" delta "$i" >"$TMP/in.$i"
	again "$db" "$target" <"$TMP/in.$i"
	dump_state "$db" >"$TMP/want.$i"
	whole "$db"
	target_mesh "$TMP/keep.mesh" | diff "$TMP/want.$i" - || break
done >"$TMP/rounds"
ok 'keep: all is whole behind every round, and in the target' \
	test ! -s "$TMP/rounds"
links "$db" >"$TMP/links"
cp "$db" "$TMP/same.db"
cp "$db.changes" "$TMP/same.db.changes" 2>/dev/null
world "$rounds" full 1 | join keep "$TMP/same.db"
ok 'keep: the same again touches no link' diff "$TMP/links" <(links "$TMP/same.db")
ok 'keep: and nobody' diff "$TMP/want.$rounds" <(dump_state "$TMP/same.db")
is 'keep: and tells no sink' "$(jq -s 'map(select(.kind == "change") | .changes[]) | length' \
	"$TMP/same.db.changes")" 0

# --- a guard holds before the first change, and lets one plan pass
db=$TMP/tight.db
people() {
	sqlite3 "$1" "SELECT l.* FROM link l JOIN object o ON o.pk = l.object
		JOIN stream t ON t.pk = o.stream WHERE t.name = 'User';
		SELECT b.* FROM body b JOIN mesh m ON m.pk = b.mesh JOIN type y
		ON y.pk = m.type WHERE y.name = 'User'"
}
plan() { sqlite3 "$db" "SELECT hash FROM plan WHERE state = 'stopped'"; }
approve() { run "$JOIN" approve --db "$db" --rules "$TMP/tight" "$1"; }
join tight "$db" <"$TMP/in.0"
is 'guard: who is new does not change' "$?:$(plan)" 0:
people "$db" >"$TMP/people"
join tight "$db" <"$TMP/in.1"
is 'guard: too many change' "$?:$(plan | grep -c .)" 1:1
ok 'guard: nobody is touched' diff "$TMP/people" <(people "$db")
approve "$(plan | tr 0-9a-f 1-9a-f0)"
is 'guard: another plan is refused' "$status" 100
ok 'guard: and nobody is touched' diff "$TMP/people" <(people "$db")
shown=$(plan)
join tight "$db" <"$TMP/in.2"
ok 'guard: with another round it is another plan' test "$(plan)" != "$shown"
approve "$shown"
is 'guard: the old one is not to be had' "$status" 100
ok 'guard: nobody is touched yet' diff "$TMP/people" <(people "$db")
shown=$(plan)
cp "$db" "$db.again"
approve "$shown"
is 'guard: the one that is shown is' "$status" 0
is 'guard: it was that one' "$(sqlite3 "$db" "SELECT hash FROM plan
	WHERE state = 'done'")" "$shown"
ok 'guard: all is whole' whole "$db"
db=$db.again
approve "$shown"
is 'guard: the same plan again' "$status" 0
ok 'guard: makes the same' diff <(dump "$TMP/tight.db") <(dump "$db")

# killed ROUND HOW AT: dies there, is told all of it again, and then?
killed() {
	local victim=$TMP/victim.db
	rm -f "$victim"* "$TMP/victim.mesh"* "$TMP/steps"
	[ "$1" = 0 ] || cp "$TMP/keep.$1" "$victim"
	[ "$1" = 0 ] || cp "$TMP/keep.mesh.$1" "$TMP/victim.mesh"
	spoiled '*/victim.db*' "$2" "$3" "$JOIN" --db "$victim" \
		--rules "$TMP/keep" <"$TMP/in.$1" >/dev/null 2>>"$victim.log"
	[ "$3" = 0 ] && return
	fired || return 1
	again "$victim" "sqlite:$TMP/victim.mesh" <"$TMP/in.$1"
	whole "$victim" && diff "$TMP/want.$1" <(dump_state "$victim") &&
		diff "$TMP/want.$1" <(target_mesh "$TMP/victim.mesh")
}
all_killed() {
	local at how
	for at in $(seq 1 $((steps / kills + 1)) "$steps"); do
		how='kill'
		[ $((at % 3)) -gt 0 ] || how=kill-half
		killed "$1" "$how" "$at" || {
			echo "round $1, $how at step $at of $steps: $(where)"
			return 1
		}
	done
}
for i in 0 2 "$rounds"; do
	killed "$i" kill 0
	steps=$(counted)
	ok "keep: killed in round $i, at some of $steps steps" all_killed "$i"
done

done_testing
