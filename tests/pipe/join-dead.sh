#!/usr/bin/env bash
# join-dead.sh - dead letters: what they tell, and how they come to life again
# when the rules are mended; newer data always wins.
. tests/setup.sh
. tests/records.sh

dead() { "$JOIN" dead --db "$db" "$@"; }
letters() { dead --json | jq -rc '[.stream, .id, .tries] | join(" ")'; }
# The rules of the tree with a predicate that fails for the ids of a pattern.
broken() {
	cp -r rules "$TMP/rules" 2>/dev/null
	sed 's/^  drop .*/  drop = function(u) if string.find(u.id, "'"$1"'") then error("not this one") end return u.profile.title == "Shadow" end,/' \
		rules/okta.lua >"$TMP/rules/okta.lua"
}
raw() { printf '{"id":"%s","status":"ACTIVE","profile":{"login":"%s@example.com","title":"%s"}}' "$1" "$1" "${2:-Clerk}"; }
# api STREAM SEQ EXTRA RAW...: a page as fetch writes it.
api() {
	local stream=$1 seq=$2 extra=$3
	shift 3
	printf '{"v":1,"kind":"page","source":"%s","stream":"%s",%s,"seq":%d,"n":%d,"mode":"%s","at":"2026-04-22T08:15:30.000Z"%s,"state":{"after":%d},"records":[%s]}\n' \
		$S "$stream" "$head" "$seq" $# $mode "$extra" "$seq" "$(join_by_comma "$@")"
}
export IDMESH_RULES=$TMP/rules
# through: what transform and join make of the pages on stdin.
through() {
	"$IDMESH" transform 2>"$TMP/transform.log" | changes
}
title() { mesh | jq -r "select(.contributors[0] == \"$S/$1\") | .object.title"; }

broken 'u[26]'
{
	api User 1 '' "$(raw u1)" "$(raw u2)" "$(raw u3)" "$(raw u6)"
	end User 2
} | through
is 'two records are rejected' "$status:$(count)" 1:2
is 'two letters' "$(letters)" 'User u2 0
User u6 0'
like 'with place, run and time in a table' "$(dead)" \
	'okta:contoso +User +u2 +transform +1 +0 +20[-0-9T:]+Z +.*okta.lua:[0-9]+: not this one'
unlike 'without personal data' "$(dead)" u2@example.com
like 'unless one asks for it' "$(dead --raw)" u2@example.com
is 'of one stream' "$(dead --stream Group --json)" ''
is 'of one source' "$(dead --source okta:other --json)" ''
is 'of one id' "$(dead --json u6 | jq -r .id)" u6
is 'the file is the owner'"'"'s alone' "$(stat -c %a "$db")" 600

# --- the same rules, mended rules
run "$JOIN" dead --retry --db "$db" nobody
like 'no such letter: 100' "$status:$err" '^100:.*no dead letter of nobody'
run "$JOIN" dead --retry --db "$db" u2
is 'rejected again: 1' "$status" 1
is 'the tries are counted' "$(letters)" 'User u2 1
User u6 0'
broken u6
run "$JOIN" dead --retry --db "$db"
like 'one comes right, one stays' "$status:$(tail -n 1 <<<"$err")" \
	'^1:.*1 applied, 1 rejected again'
is 'it lives, as it was sent' "$(title u2):$(letters)" 'Clerk:User u6 1'
is 'its raw record is not kept any longer' \
	"$(sqlite3 "$db" "SELECT how, raw IS NULL, header IS NULL FROM reject WHERE id = 'u2'")" 'retried|1|1'
changes --after "$(sqlite3 "$db" "SELECT id FROM store"):2" </dev/null
is 'the change is in the log' "$changes" "put User $S/u2"
broken u6
broken nobody
run "$JOIN" dead --retry --db "$db"
is 'all right: 0' "$status:$(letters)" 0:
is 'nothing to do: 0' "$("$JOIN" dead --retry --db "$db" 2>&1 | grep -c ' 0 applied')" 1

# --- an object that changed, was taken out, is out of scope
broken 'u[123]'
{
	api User 1 '' "$(raw u1 Baker)" "$(raw u2 Baker)" "$(raw u3 Shadow)" "$(raw u6)"
	end User 2
} | through
is 'rejected, they keep what they had' "$status:$(title u1):$(count)" 1:Clerk:4
broken nobody
{
	mode=delta api User 1 '' "$(raw u1 Captain)"
	mode=delta end User 2
} | through
is 'what comes again settles its letter' "$(letters)" 'User u2 0
User u3 0'
run "$JOIN" dead --retry --db "$db"
is 'the others are applied' "$status:$(title u2)" 0:Baker
is 'who is out of scope leaves' "$(title u3):$(count)" :3
is 'and what came later stays' "$(title u1)" Captain

# --- a letter that is older than its object
broken u1
{
	mode=delta api User 1 '' "$(raw u1 Sailor)"
	mode=delta end User 2
} | through
broken nobody
sqlite3 "$db" "UPDATE seen SET generation = generation + 1 WHERE pk =
	(SELECT pk FROM object WHERE id = 'u1')"
run "$JOIN" dead --retry --db "$db"
like 'newer data wins' "$status:$(title u1):$(tail -n 1 <<<"$err")" \
	'^0:Captain:.*0 applied, .*1 left to newer data'

# --- a member whose group does not have it any more
broken m1
sed -i 's/^map "okta.GroupMember" {/scope "okta.GroupMember" { drop = function(m) if m.id == "m1" then error("no") end return false end }\n&/' "$TMP/rules/okta.lua"
cp "$TMP/rules/okta.lua" "$TMP/broken.lua"
key=',"key":["$context.groupId","id"],"context":{"groupId":"g1"},"last":true'
for n in 1 2; do
	api GroupMember 1 "$key" '{"id":"m1"}' '{"id":"m2"}'
	end GroupMember 2
done | head -n 2 | through
is 'a member is rejected, under its key' "$(letters | grep Member)" \
	'GroupMember g1:m1 0'
broken nobody
cp "$db" "$TMP/members.db"
run "$JOIN" dead --retry --db "$TMP/members.db" g1:m1
is 'its group and key are known' "$status:$("$JOIN" dump --db "$TMP/members.db" | jq -r 'select(.object.memberId == "m1") | .object.groupId')" 0:g1
{
	mode=delta api GroupMember 1 "$key" '{"id":"m2"}'
	mode=delta end GroupMember 2
} | through
is 'gone from the group: nothing to retry' "$(letters | grep Member)" ''

# --- a record without an id, one that join itself refused
{
	mode=delta api User 1 '' '{"status":"ACTIVE"}'
	mode=delta end User 2
} | through
run "$JOIN" dead --retry --db "$db" 'page 1 record 0'
is 'one without an id stays under its place' "$status:$(letters | grep -c page):$(letters | grep page)" \
	'1:1:User page 1 record 0 1'
sqlite3 "$db" "DELETE FROM reject WHERE id LIKE 'page%'"
page Printer 1 '' "$(put p1 '{"name":"Ink"}')" | changes
is 'a stream without a map' "$(letters | grep Printer)" 'Printer p1 0'
run "$JOIN" dead --retry --db "$db" --stream Printer
is 'without one it stays' "$status:$(letters | grep Printer)" '1:Printer p1 1'
echo 'map "okta.Printer" { name = "name" }' >"$TMP/rules/printer.lua"
run "$JOIN" dead --retry --db "$db" --stream Printer
is 'with one it is what transform made of it' \
	"$status:$(mesh | jq -r 'select(.type == "Printer") | .object.name')" 0:Ink

# --- thousands of leavers do not come by this way, in as many chunks as may be
# shadows TITLE: three hundred of them, rejected a hundred a run.
shadows() {
	local from i many
	broken x
	for from in 100 200 300; do
		many=()
		for i in $(seq $from $((from + 99))); do
			many+=("$(raw "x$i" "$1")")
		done
		{
			mode=delta api User 1 '' "${many[@]}"
			mode=delta end User 2
		} | through
	done
	broken nobody
}
shadows Clerk
is 'the letter is settled' "$(letters)" "$(printf 'User x%d 0\n' $(seq 100 399))"
run "$JOIN" dead --retry --db "$db"
N=$(count)
shadows Shadow
run "$JOIN" dead --retry --db "$db"
like 'the guard is asked' "$status:$(tail -n 1 <<<"$err")" '^1:.*15 applied, 285 rejected again'
is 'and holds' $((N - $(count))) "$(grep -o '[0-9]* applied' <<<"$err" | cut -d' ' -f1)"

# --- of a type with a join rule: the next join merges it
db=$TMP/joined.db
broken j1
echo 'join "User" { sources = { "okta" }, { "login" } }' >"$TMP/rules/join.lua"
mode=full
{
	api User 1 '' "$(raw j1)" "$(raw j2)"
	end User 2
} | through
is 'one person, one letter' "$status:$(count):$(letters)" '1:1:User j1 0'
broken nobody
run "$JOIN" dead --retry --db "$db"
is 'applied' "$status:$(letters)" 0:
changes </dev/null
is 'and merged, not beside the others' "$changes:$(count)" "put User $S/j1:2"
is 'as one of them' "$(sqlite3 "$db" 'SELECT count(*) FROM link')" 2
rm "$TMP/rules/join.lua"

# --- beside a join that is at work
db=$TMP/service.db
export IDMESH_RULES=$ROOT/rules
in=ipc://$TMP/run/join
mode=full
for i in 1 2; do
	many=()
	for k in $(seq 20); do many+=("$(user "v$i$k")"); done
	{
		[ $i = 1 ] && n=21 page User 1 ',"bad":[{"index":0,"id":"w1","code":"E_RULE","at":"okta.lua:41","message":"no","raw":'"$(raw w1 Baker)"'}]' "${many[@]}"
		[ $i = 2 ] && page User 1 '' "${many[@]}" "$(user v11)"
		n=0 end User 2
		n=0 end Group 1
		n=0 end GroupMember 1
	} >"$TMP/feed$i"
	mode=delta
done
start join "$JOIN" --db "$db" --commit "$in" --to "ipc://$TMP/run/a"
wait_for test -S "$TMP/run/join"
start sink "$BUILD/idmesh-sink" "sqlite:$TMP/a.db" --commit "ipc://$TMP/run/a"
ok 'a service takes a run' timeout 30 "$BUILD/tools/feed" "$in" "$TMP/feed1"
run "$JOIN" dead --retry --db "$db"
is 'a letter is applied beside it' "$status:$(title w1)" 0:Baker
users() { [ "$(sqlite3 "$TMP/a.db" 'SELECT count(*) FROM "User"')" = "$1" ]; }
ok 'its sink hears of it' wait_for users 21
ok 'the service goes on' timeout 30 "$BUILD/tools/feed" "$in" "$TMP/feed2" host:2:b auto
is 'and knows how many there are' \
	"$(sqlite3 "$db" "SELECT alive, (SELECT count(*) FROM reject WHERE resolved IS NULL) FROM stream WHERE name = 'User'")" '41|0'
ok 'the sink has them' wait_for users 41
stop join
stop sink
done_testing
