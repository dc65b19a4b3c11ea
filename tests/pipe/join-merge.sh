#!/usr/bin/env bash
# join-merge.sh - two sources become one mesh: joined by keys, held, parted,
# revived; memberships and references follow.
. tests/setup.sh
. tests/records.sh
. tests/merge.sh

rules "$usual"

# --- joined by number, then by mail; what nothing joins stands alone
{
	whole $O User "$(person o1 1 Ann@x.org '"title":"Eng","accountEnabled":true')" \
		"$(person o2 - bob@x.org '"accountEnabled":true')" \
		"$(person o3 3 info@x.org)"
	whole $E User "$(person e1 1 other@x.org '"title":"Engineer","accountEnabled":true')" \
		"$(person e2 - BOB@x.org '"accountEnabled":false')" \
		"$(person e3 - info@x.org)"
} >"$TMP/first"
merge <"$TMP/first"
is 'both keys join, an exception does not' "$status:$(who)" '0:e3 o1+e1 o2+e2 o3'
is 'flows decide' "$(shape | head -2 | tail -1)" \
	'o1+e1 {"email":"Ann@x.org","employeeNumber":"1","title":"Engineer","accountEnabled":true}'
is 'one change for a person' "$(grep -c . <<<"$changes")" 4
is 'nothing is left over' "$(left_over)" '0 0 0'
ann=$(id_of $O/o1)
first=$(mesh)
merge <"$TMP/first"
is 'the same again changes nothing' "$status:$changes:$(mesh)" "0::$first"
is 'the id is that of the leading object' "$ann" "$(
	IDMESH_RULES='' "$JOIN" --db "$TMP/alone.db" --rules "$TMP/rules" \
		< <(whole $O User "$(person o1 1 x)") | jq -r '.changes[]?.id'
)"

# --- the order of arrival means nothing
db=$TMP/other.db
{
	whole $E User "$(person e3 - info@x.org)" \
		"$(person e2 - BOB@x.org '"accountEnabled":false')" \
		"$(person e1 1 other@x.org '"title":"Engineer","accountEnabled":true')"
	whole $O User "$(person o3 3 info@x.org)" \
		"$(person o2 - bob@x.org '"accountEnabled":true')" \
		"$(person o1 1 Ann@x.org '"title":"Eng","accountEnabled":true')"
} | merge
is 'the other way round, ids too' "$(mesh)" "$first"
db=$TMP/state.db

# --- a source that comes later joins what stood alone; its id goes
db=$TMP/late.db
whole $E User "$(person e1 1 a@x)" | merge
alone=$(id_of $E/e1)
whole $O User "$(person o1 1 b@x)" | merge
is 'the id stays with who had it' "$(id_of $O/o1):$changes" \
	"$alone:put User $O/o1 email"
db=$TMP/alias.db
{
	whole $O User "$(person o1 1 a@x)"
	whole $E User "$(person e1 2 b@x)"
} | merge
old=$(id_of $E/e1)
keep=$(id_of $O/o1)
mode=delta
whole $E User "$(person e1 1 b@x)" | merge
mode=full
is 'two become one: the id of the higher rank stays' \
	"$(who):$(id_of $E/e1)" "o1+e1:$keep"
is 'the other is an alias, and a delete for the sinks' \
	"$(of 'map(select(.op == "delete") | .id) | join(" ")'):$(sqlite3 "$db" 'SELECT id FROM alias')" \
	"$old:$old"
db=$TMP/state.db

# --- ambiguous and contradicted: held, nobody twice, nobody lost
db=$TMP/held.db
{
	whole $O User "$(person o1 - x@x)" "$(person o2 - x@x)" "$(person o3 7 y@x)"
	whole $E User "$(person e1 - x@x)" "$(person e3 8 y@x)"
} | merge
is 'held ones stand nowhere' "$(who):$(held)" \
	'o1 o2 o3:e1 ambiguous,e3 contradicted'
is 'and say with whom' "$(sqlite3 "$db" "SELECT a.id || ' ' || b.id || ' ' ||
	c.why || ' ' || c.value FROM conflict c JOIN object a ON a.pk = c.object
	JOIN object b ON b.pk = c.other WHERE c.why = 'contradicted'")" \
	'o3 e3 contradicted y@x'
mode=delta
whole $O User "$(gone o2)" | merge
is 'who was ambiguous is joined when the reason leaves' "$(who):$(held)" \
	'o1+e1 o3:e3 contradicted'
whole $O User "$(person o3 7 z@x)" | merge
is 'who shares nothing any more stands alone' "$(who):$(held)" 'e3 o1+e1 o3:'
mode=full
db=$TMP/state.db

# --- a changed key keeps the link, until a stronger one objects
mode=delta
whole $E User "$(person e2 - robert@x.org '"accountEnabled":false')" | merge
is 'a link outlives its value' "$(who)" 'e3 o1+e1 o2+e2 o3'
whole $E User "$(person e1 9 other@x.org '"title":"Engineer"')" | merge
is 'also that of its own key' "$(who)" 'e3 o1+e1 o2+e2 o3'
bob=$(id_of $O/o2)
{
	whole $O User "$(person o2 5 bob@x.org '"accountEnabled":true')"
	whole $E User "$(person e2 6 bob@x.org '"accountEnabled":false')"
} | merge
is 'a stronger key that differs parts them' \
	"$(who):$(sqlite3 "$db" 'SELECT group_concat(why) FROM conflict')" \
	'e2 e3 o1+e1 o2 o3:unjoined,contradicted'
is 'the id stays with the lead' "$(id_of $O/o2)" "$bob"
whole $E User "$(person e1 1 other@x.org '"title":"Engineer","accountEnabled":true')" \
	"$(person e2 5 bob@x.org '"accountEnabled":false')" | merge
is 'and they come together again' "$(who):$(id_of $E/e2)" \
	"e3 o1+e1 o2+e2 o3:$bob"

# --- both of one person change in what joins nothing: nobody is matched again
{
	whole $O User "$(person o1 1 Ann@x.org '"title":"Dr","accountEnabled":true')"
	whole $E User "$(person e1 1 other@x.org '"title":"MD","accountEnabled":true')"
} | merge
is 'a person changes once' "$changes" "put User $O/o1 title"
unlike 'without a look at the links' "$err" 'objects to merge'
whole $E User "$(person e1 1 other@x.org '"title":"Engineer","accountEnabled":true')" | merge
whole $O User "$(person o1 1 Ann@x.org '"title":"Eng","accountEnabled":true')" | merge

# --- leaving and coming back
whole $E User "$(gone e1)" | merge
is 'who is still known stays' "$(shape | grep '^o1 ')" \
	'o1 {"email":"Ann@x.org","employeeNumber":"1","title":"Eng","accountEnabled":true}'
whole $O User "$(gone o1)" | merge
is 'the last one leaves: disabled, not deleted' \
	"$(of 'map([.op, .state, .leaveAt, .object.accountEnabled, .contributors])')" \
	'[["put","leaving","2026-04-29T08:10:30.000Z",false,[]]]'
whole $O User "$(person o1 1 Ann@x.org '"title":"Eng","accountEnabled":true')" | merge
is 'the same id is the same person' "$(id_of $O/o1):$(of 'map([.op, .state])')" \
	"$ann:[[\"put\",null]]"
whole $O User "$(gone o1)" | merge
whole $E User "$(person e9 1 new@x.org)" | merge
is 'another id with the key of a leaver is asked for' "$(held)" 'e9 returned'
proof=',"watermark":"2026-05-01T08:10:30.000Z","certificate":{"chain":true}'
whole $O User | merge
is 'behind the grace it is a delete' "$(of 'map([.op, .id])')" \
	"[[\"delete\",\"$ann\"]]"
whole $O User "$(person o1 1 Ann@x.org)" | merge
is 'and the same id still the same person' "$(id_of $O/o1)" "$ann"
mode=full
is 'nothing is left over in the end' "$(left_over)" '0 0 0'

# --- references, before and after their end is there
db=$TMP/refs.db
{
	whole $O User "$(person o1 1 a@x '"manager":"o2"')"
} | merge
is 'a reference waits as null' "$(shape)" \
	'o1 {"email":"a@x","employeeNumber":"1","manager":null}'
mode=delta
whole $O User "$(person o2 2 b@x '"login":"Boss"')" "$(person o3 3 c@x '"manager":"boss"')" | merge
boss=$(id_of $O/o2)
is 'and is filled when its end arrives' \
	"$(mesh | jq -r 'select(.contributors[0] == "'$O'/o1").object.manager')" "$boss"
is 'by an attribute too' \
	"$(mesh | jq -r 'select(.contributors[0] == "'$O'/o3").object.manager')" "$boss"
whole $O User "$(person o4 4 d@x '"login":"boss"')" | merge
is 'not when two have it' \
	"$(mesh | jq -r 'select(.contributors[0] == "'$O'/o3").object.manager')" null
manager() { mesh | jq -r "select(.contributors[0] == \"$O/$1\").object.manager"; }
whole $O User "$(gone o4)" | merge
is 'but again when one of them has left' "$(manager o3)" "$boss"
whole $O User "$(gone o2)" | merge
is 'who is leaving is found by id, not by an attribute' \
	"$(manager o1) $(manager o3)" "$boss null"
whole $O User "$(person o2 2 b@x '"login":"Boss"')" | merge
is 'and by both when he is back' "$(manager o1) $(manager o3)" "$boss $boss"
whole $O User "$(gone o2)" | merge
proof=',"watermark":"2026-06-01T08:10:30.000Z","certificate":{"chain":true}'
whole $O User | merge
is 'not at all behind the grace' "$(manager o1) $(manager o3)" 'null null'
whole $O User "$(person o2 2 b@x '"login":"Boss"')" | merge
is 'and again when he comes back even then' "$(manager o1) $(manager o3)" \
	"$boss $boss"
mode=full

# --- memberships of both sources
db=$TMP/edges.db
{
	whole $O User "$(person o1 1 a@x)" "$(person o2 2 b@x)"
	whole $E User "$(person e1 1 a@x)"
	whole $O Group "$(put g1 '{"name":"Sales"}')"
	whole $E Group "$(put h1 '{"name":"SALES"}')"
	members $O g1 o1 o2
	members $E h1 e1 e7
} | merge
is 'one membership of one person in one group' "$(who GroupMember)" \
	'g1/o1+h1/e1 g1/o2 h1/e7'
g=$(id_of $O/g1)
is 'named by both ends' "$(id_of $O/g1/o1)" "$g:$(id_of $O/o1)"
is 'an end that is not there is null' \
	"$(mesh | jq -c 'select(.contributors[0] == "'$E'/h1/e7").object')" \
	"{\"groupId\":\"$g\",\"memberId\":null}"
waiting=$(id_of $E/h1/e7)
mode=delta
whole $E User "$(person e7 2 b@x)" | merge
is 'and moves when it arrives' "$(who GroupMember):$(id_of $E/h1/e7)" \
	"g1/o1+h1/e1 g1/o2+h1/e7:$g:$(id_of $O/o2)"
is 'the waiting one is a delete' \
	"$(of 'map(select(.op == "delete") | .id)')" "[\"$waiting\"]"
mode=full
members $O g1 o2 | merge
is 'what one source takes out the other may keep' "$(who GroupMember)" \
	'g1/o2+h1/e7 h1/e1'
is 'nothing is left over of memberships' "$(left_over)" '0 0 0'

# --- a key that is gone leaves its number to nobody
db=$TMP/keydef.db
two() { rules "join \"User\" { sources = { \"okta\", \"entra\" }, { \"employeeNumber\" }$1 }"; }
two ', { "email" }'
{
	whole $O User "$(person o1 - a@x)"
	whole $E User "$(person e1 - a@x)"
} | merge
number=$(sqlite3 "$db" "SELECT pk FROM keydef WHERE label = 'email'")
two ''
merge </dev/null
two ', { "login" }'
merge </dev/null
is 'a key that is gone leaves its number to nobody' "$(who):$(sqlite3 "$db" \
	"SELECT label FROM keydef WHERE pk = $number")" 'o1+e1:'

# --- decisions that do not speak against each other
decide() { "$JOIN" decide --db "$db" --rules "$TMP/rules" "$@"; }
decide alone $O/o1 2>/dev/null
decide never $O/o1 $E/e1 2>/dev/null
is 'who is alone stays so' "$(sqlite3 "$db" \
	'SELECT verb FROM decision WHERE undone_at IS NULL' | tr '\n' ' ')" 'alone never '

run "$JOIN" decide --db "$db" --rules "$TMP/rules" --list --undo 1
like 'a list takes nothing back' "$status:$out:$err" \
	'^100::.*--list and --undo stand alone'

decided() { jq -r '[.number, .verb, .a, .undoneWho // "stands"] | join(" ")' <<<"$out"; }
run "$JOIN" decide --db "$db" --rules "$TMP/rules" --json never $O/o1 $E/e1
is 'programs are told which decision says so already' "$status:$(decided)" \
	"0:2 never $O/o1 stands"
run "$JOIN" decide --db "$db" --rules "$TMP/rules" --json --who ann --undo 2
is 'and which one was taken back' "$status:$(decided)" "0:2 never $O/o1 ann"
run "$JOIN" decide --db "$db" --rules "$TMP/rules" --json never $O/o1 $E/e1
is 'and which one is new' "$status:$(decided)" "0:3 never $O/o1 stands"

mkdir "$TMP/others"
sed '/^join "User"/,$d' "$TMP/rules/rules.lua" >"$TMP/others/rules.lua"
run "$JOIN" decide --db "$db" --rules "$TMP/others" alone $E/e1
like 'what no join rule is about cannot be decided' "$status:$err" \
	'^100:.*is a User, which no join rule is about'

for json in '' --json; do
	# shellcheck disable=SC2086 # none or one
	run "$JOIN" explain --db "$db" $json o1 emial
	like "a misspelt attribute is said to be one${json:+, to programs too}" \
		"$status:$out:$err" '^100::.*User has no attribute emial; did you mean email\?'
done

# --- a function knows the time of its merge, and explain the same one
db=$TMP/now.db
rules 'join "User" { sources = { "okta" }, { "email" } }
flow "User" { title = function(v) return "as of " .. now end }'
whole $O User "$(person o1 - a@x)" "$(person o2 - b@x)" | merge
proof=',"watermark":"2027-01-01T00:00:00.000Z","certificate":{"chain":true}'
whole $O User "$(person o1 - a@x)" "$(person o2 5 b@x)" | merge
like 'functions know the time of the merge' "$(shape)" 'as of 2027-01-01T'
is 'explain shows what the merge made, early or late' "$(for o in o1 o2; do
	"$JOIN" explain --db "$db" --json "$o" title | jq -r .attributes.title.value
done)" "$(mesh | jq -sr 'sort_by(.contributors)[].object.title')"

# --- what is decided behind a run is not what the run did
db=$TMP/runs.db
rules 'join "User" { sources = { "okta", "entra" }, { "email" } }'
{
	whole $O User "$(person o1 1 a@x)" "$(person o2 2 b@x)"
	whole $E User "$(person e1 3 c@x)"
} | merge
whole $O User "$(person o1 1 a@x)" "$(person o2 2 d@x)" | merge
"$JOIN" decide join --db "$db" --rules "$TMP/rules" $O/o1 $E/e1 2>/dev/null
whole $O User "$(person o1 1 a@x)" "$(person o2 2 e@x)" | merge
between() { "$JOIN" diff --db "$db" --source $O --run "$@" | tail -n 1; }
is 'what is decided behind a run is counted for the next' \
	"$(between 1 2):$(between 2 3)" \
	'0 added, 1 changed, 0 gone:0 added, 2 changed, 0 gone'

# --- a value that many have: one of them stands for all
db=$TMP/shared.db
{
	whole $O User "$(person o1 1 x@x)" "$(person o2 1 x@x)" "$(person o3 1 x@x)" "$(person o4 1 x@x)"
	whole $E User "$(person e1 - x@x)"
} | merge
held=$(held)
page User 1 '' "$(person o1 1 a@x)" "$(person o2 1 b@x)" | merge
is 'who keeps a shared value is looked at as one' "$held:$(sqlite3 "$db" \
	"SELECT count(*) || ' ' || sum(o.id IN ('o1', 'o2')) FROM dirty d
	JOIN object o ON o.pk = d.object")" 'e1 ambiguous:3 2'
whole $O User "$(person o1 1 a@x)" "$(person o2 1 b@x)" "$(person o3 1 x@x)" "$(person o4 1 c@x)" | merge
is 'and finds the one that is left' "$(who):$(held)" 'o1 o2 o3+e1 o4:'

# --- a rule that is too large
rules "join \"User\" { sources = { \"okta\" }, $(printf '{ "email" },%.0s' {1..49}) }"
whole $O User | merge
like 'there is an end to keys' "$status:$err" '^100:.*more than 48 keys'
rules "join \"User\" { sources = { $(printf '"okta:c%d",' {1..65}) }, { \"email\" } }"
whole $O User | merge
like 'and to sources that are named' "$status:$err" \
	'^100:.*rules.lua:[0-9]+: join "User": more than 64 sources'

# --- more sources than a merge can tell apart
db=$TMP/many.db
rules 'join "User" { sources = { "okta" }, { "email" } }'
for i in {1..64}; do whole "okta:c$i" User "$(person o1 - a@x)"; done | merge
is 'as many as can be' "$status:$(mesh | jq '.contributors | length')" 0:64
whole okta:c65 User "$(person o1 - a@x)" | merge
like 'one more is refused' "$status:$err" \
	'^100:.*okta:c65: User is merged of 64 other sources'
run "$JOIN" begin --db "$db" --streams User okta:c65
like 'also when it asks for its run' "$status:$err" '^100:.*okta:c65: User is'
whole okta:c64 User "$(person o1 - b@x)" | merge
is 'the others go on' "$status:$(count)" 0:1
db=$TMP/first.db
rules ''
for i in {1..65}; do whole "okta:c$i" User "$(person o1 - a@x)"; done | merge
rules 'join "User" { sources = { "okta" }, { "email" } }'
merge </dev/null
like 'also under a first join rule' "$status:$err" \
	'^100:.*User has 65 sources, up to okta:c[0-9]+,'

done_testing
