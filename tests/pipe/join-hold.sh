#!/usr/bin/env bash
# join-hold.sh - a list that comes back empty or cut short holds, and who is
# held keeps his memberships.
. tests/setup.sh
. tests/records.sh

begin() { answer=$("$JOIN" begin --db "$db" "$@" $S); take_run; }
take_run() { head=$(jq -r '"\"run\":\(.run),\"epoch\":\(.epoch)"' <<<"$answer"); }
state_of() { "$JOIN" runs --db "$db" --json | tail -n 1 | jq -rc ".streams.$1 | [.state, .certified]"; }
of_type() { mesh | grep -c "\"type\":\"$1\""; }
drop() { printf '{"id":"%s","op":"delete","reason":"deprovisioned"}' "$1"; }
# members GROUP SEQ USER...: the whole list of one group.
members() {
	local group=$1 seq=$2 list=() u
	shift 2
	for u; do list+=("$(edge "$group" "$u")"); done
	page GroupMember "$seq" ",\"context\":{\"groupId\":\"$group\"$count},\"last\":true" \
		${list[@]+"${list[@]}"}
}
count=
ids=()
for i in $(seq 100 159); do ids+=("u$i"); done
users=()
for i in "${ids[@]}"; do users+=("$(user "$i")"); done
groups=("$(put g1 '{"name":"One"}')" "$(put g2 '{"name":"Two"}')")
first() {
	begin --mode full
	{
		page User 1 '' "${users[@]}"
		end User 2
		page Group 1 '' "${groups[@]}"
		end Group 2
		members g1 1 "${ids[@]}"
		members g2 2 "${ids[@]:0:30}"
		end GroupMember 3
	} | changes
}
first
is 'a first import' "$status:$(of_type User):$(of_type GroupMember)" 0:60:90
is 'is certified' "$(state_of User)" '["done",true]'

# --- an empty list
mark=$("$JOIN" watermark --db "$db" $S | jq -r .u)
begin --mode full --streams User
end User 1 true ',"watermark":"2026-06-01T00:00:00.000Z","certificate":{"chain":true}' | changes
like 'an empty list proves nothing' "$status:$(tr '\n' ' ' <<<"$err")" \
	"^1:.*held: User was 60, now 0.*approve --db $db 2"
is 'nobody has left' "$(of_type User)" 60
is 'it is held, uncertified' "$(state_of User)" '["held",false]'
is 'no watermark moves' "$("$JOIN" watermark --db "$db" $S | jq -r .u)" "$mark"
cp "$db" "$TMP/approved.db"
ok 'approved' "$JOIN" approve --db "$TMP/approved.db" 2
is 'they leave' "$("$JOIN" dump --db "$TMP/approved.db" | grep -c '"type":"User"')" 0
begin --mode full --streams User
{
	page User 1 '' "${users[@]}"
	end User 2
} | changes
is 'a whole list: the held run is done with' \
	"$status:$("$JOIN" runs --db "$db" --json | grep -c '"held"')" 0:0

mode=delta
# --- users are held: their memberships stay, whoever ends first
some=()
for i in "${ids[@]:0:10}"; do some+=("$(drop "$i")"); done
for order in 'User first' 'GroupMember first'; do
	db=$TMP/$order.db
	cp "$TMP/state.db" "$db"
	begin --mode delta
	user_part() {
		page User 1 '' "${some[@]}"
		end User 2
	}
	edge_part() {
		members g1 1 "${ids[@]:10}"
		members g2 2 "${ids[@]:9:20}"
		end GroupMember 3
	}
	{
		if [ "$order" = 'User first' ]; then
			user_part
			edge_part
		else
			edge_part
			user_part
		fi
		end Group 1
	} | changes
	is "held users keep their memberships ($order)" \
		"$status:$(of_type User):$(of_type GroupMember)" 1:60:89
	like 'the others do not, and it is told' "$err" '19 memberships stay'
	is 'the mark of the one who left alone is an edge of g2' \
		"$(mesh | grep -c '/g2/u129')" 0
	begin --mode delta 2>"$TMP/begun"
	{
		end User 1
		end Group 1
		end GroupMember 1
	} | changes
	is 'also in the next run' "$(of_type GroupMember)" 89
	is 'which tells it once' \
		"$(cat "$TMP/begun" - <<<"$err" | grep -c 'memberships stay')" 1
	cp "$db" "$TMP/back.db"
	run "$JOIN" approve --db "$db" 4
	is 'approved, they leave together' \
		"$status:$(of_type User):$(of_type GroupMember)" 0:50:70
	is 'and nothing waits' "$(sqlite3 "$db" 'SELECT count(*) FROM leaving')" 0
done
db=$TMP/back.db
begin --mode delta
{
	page User 1 '' "${users[@]:0:10}"
	end User 2
	end Group 1
	members g1 1 "${ids[@]}"
	end GroupMember 2
} | changes
is 'not approved but back: those who are members stay' \
	"$status:$(of_type User):$(of_type GroupMember)" 0:60:80

# --- groups are held: their memberships stay
db=$TMP/groups.db
cp "$TMP/state.db" "$db"
mkdir "$TMP/strict"
cp rules/*.lua "$TMP/strict"
echo 'guard { leave = { max = 0 } }' >"$TMP/strict/guard.lua"
begin --mode delta
{
	page Group 1 '' "$(drop g2)"
	end Group 2
	members g2 1
	end GroupMember 2
	end User 1
} | changes --rules "$TMP/strict"
is 'a held group keeps its members' "$status:$(of_type GroupMember)" 1:90
cp "$db" "$TMP/both.db"
run "$JOIN" approve --db "$db" 4
is 'until it is let go' "$status:$(of_type Group):$(of_type GroupMember)" 0:1:60

# --- two runs hold: what is approved of one leaves what the other one holds
db=$TMP/both.db
begin --mode delta
{
	gone=()
	for i in "${ids[@]:0:40}"; do gone+=("$(drop "$i")"); done
	page User 1 '' "${gone[@]}"
	end User 2
	end Group 1
	end GroupMember 1
} | changes --rules "$TMP/strict"
run "$JOIN" approve --db "$db" 5
is 'approved: the users leave, the group and its members stay' \
	"$status:$(of_type User):$(of_type Group):$(of_type GroupMember)" 0:20:2:90
is 'which is told once' "$(grep -c 'memberships stay' <<<"$err")" 1

# --- in a full run too: members that went with a group that is held
db=$TMP/many.db
mode=full
hs=()
for i in $(seq 10 69); do hs+=("$(put "h$i" '{"name":"H"}')"); done
everybody() {
	page User 1 '' "${users[@]}"
	end User 2
}
lists() {
	local seq=1 i
	for i in $(seq "$1" 69); do
		members "h$i" $seq u100 u101
		seq=$((seq + 1))
	done
	end GroupMember $seq
}
begin --mode full
{
	everybody
	page Group 1 '' "${hs[@]}"
	end Group 2
	lists 10
} | changes
is 'sixty groups' "$status:$(of_type Group):$(of_type GroupMember)" 0:60:120
begin --mode full
{
	lists 13
	everybody
	page Group 1 '' "${hs[@]:4}"
	end Group 2
} | changes
is 'four of them are held, and all of their members' \
	"$status:$(of_type Group):$(of_type GroupMember)" 1:60:120
like 'of which six were not listed' "$err" ' 6 memberships stay'
run "$JOIN" approve --db "$db" 2
is 'they leave together with them' \
	"$status:$(of_type Group):$(of_type GroupMember)" 0:56:114
mode=delta

# --- every group says that it is empty: whoever ends first, they are, and the
# end does not speak of a list that proves nothing
mode=full
for order in 'User first' 'GroupMember first'; do
	db=$TMP/emptied-${order%% *}.db
	cp "$TMP/state.db" "$db"
	begin --mode full
	no_edges() {
		members g1 1
		members g2 2
		end GroupMember 3
	}
	{
		[ "$order" = 'User first' ] || no_edges
		everybody
		page Group 1 '' "${groups[@]}"
		end Group 2
		[ "$order" != 'User first' ] || no_edges
	} | changes
	is "emptied groups ($order)" \
		"$status:$(of_type Group):$(of_type GroupMember):$(state_of GroupMember)" \
		'0:2:0:["done",true]'
	like 'the summary counts them' "$err" 'run 4 is done: .* 90 gone'
	is 'and they left before the run was over' \
		"$(sqlite3 "$db" 'SELECT until = newest FROM run, store WHERE number = 4')" 1
	unlike 'nothing is said to be held' "$("$JOIN" runs --db "$db")" 'no proof'
done
mode=delta

# --- a run that breaks off decides nothing: the lists of groups count
db=$TMP/broken.db
cp "$TMP/state.db" "$db"
begin --mode delta
{
	page User 1 '' "${some[@]}"
	members g1 1 "${ids[@]:10}"
} | changes
is 'in the middle they wait' "$status:$(of_type GroupMember)" 111:90
begin --mode full
is 'and leave with the run that never ended' "$(of_type GroupMember)" 80

# --- a group that says it has more members than its list
db=$TMP/short.db
cp "$TMP/state.db" "$db"
begin --mode delta
count=',"usersCount":60'
{
	end User 1
	end Group 1
	members g1 1 "${ids[@]:0:20}"
	end GroupMember 2
} | changes
like 'a short list is judged by the guard' "$status:$err" \
	'^1:.*40 of 90 objects would leave \(40 removed\)'
is 'nothing was removed' "$(of_type GroupMember)" 90
run "$JOIN" approve --db "$db" 4
is 'unless it is approved' "$status:$(of_type GroupMember)" 0:50
# --- a membership that is taken out by itself
rm -f "$db"*
first
begin --mode delta
mode=delta
{
	gone=()
	for i in "${ids[@]:0:40}"; do gone+=("$(drop "$i")"); done
	page User 1 '' "${gone[@]}"
	end User 2
	end Group 1
	page GroupMember 1 '' '{"id":"g1/u100","op":"delete","reason":"removed"}' \
		'{"id":"g1/u159","op":"delete","reason":"removed"}'
	end GroupMember 2
} | changes
mode=full
is 'many users are held' "$(state_of User | jq -r '.[0]')" held
is 'the membership of one of them stays, that of another one leaves' \
	"$(mesh | jq -r 'select(.type == "GroupMember") | .object |
		"\(.groupId)/\(.memberId)"' | grep -cE '^g1/u(100|159)$'):$(mesh |
		grep -c '"memberId":"u100"')" 1:2
done_testing
