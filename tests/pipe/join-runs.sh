#!/usr/bin/env bash
# join-runs.sh - runs that begin, break off and go on; who may write; the
# members of a group; the guard; and where a target stands.
. tests/setup.sh
. tests/records.sh

begin() { "$JOIN" begin --db "$db" "$@" $S; }
# What a state says: state JQ.
state() { jq -rc "$1" <<<"$answer"; }
# The head of the messages of the run in $answer.
take_run() { head=$(state '"\"run\":\(.run),\"epoch\":\(.epoch)"'); }

# --- begin, break off, go on
answer=$(begin --streams User)
is 'a new source: full, from the beginning' \
	"$(state '[.kind, .source, .run, .watermark, .streams.User]')" \
	'["state","okta:contoso",1,null,{"mode":"full","seq":0,"state":null,"done":false}]'
take_run
{
	page User 1 '' "$(user u1)"
	page User 2 '' "$(user u2)"
} | changes
is 'broken off: 111' "$status" 111
old=$head
answer=$(begin --streams User)
is 'the same run goes on behind what is committed' \
	"$(state '[.run, .streams.User.seq, .streams.User.state.after]')" '[1,2,2]'
take_run
ok 'under a higher epoch' test "$head" != "$old"
head=$old
page User 3 '' "$(user u3)" | changes
is 'what comes of the old epoch is fenced' "$status:$changes" 111:
like 'and says why' "$err" 'run 1 \(epoch [0-9]+\) is not current'
take_run
{
	page User 2 '' "$(user u2 Changed)"
	end User 4
	page User 3 '' "$(user u3)"
} | changes
is 'a page again is dropped, one late is waited for' "$status:$changes" \
	"0:put User $S/u3"
{
	head='"run":0,"epoch":0' page User 2 '' "$(user u4)"
	head='"run":0,"epoch":0' end User 3
} | changes
is 'a page that never came: 111, nothing of it' "$status:$changes" 111:
answer=$(begin --streams User)
is 'then changes are read from the watermark' "$(state '.streams.User | del(.expected)')" \
	'{"mode":"delta","seq":0,"state":null,"since":"2026-04-22T08:10:30.000Z","done":false}'
answer=$(begin --streams User --mode full)
is 'unless a full run is asked for' "$(state '[.run, .streams.User.mode]')" '[4,"full"]'
answer=$(begin --streams User,Group)
is 'other streams: another run' "$(state '[.run, (.streams | keys)]')" \
	'[5,["Group","User"]]'
run "$JOIN" begin --db "$TMP/other.db" --mode delta $S
is 'no watermark to read from: 100' "$status" 100
like 'and what to do' "$err" 'User has no watermark .* --mode full'
is 'and nothing was begun' "$("$JOIN" runs --db "$TMP/other.db" --json)" ''

# --- watermarks
"$JOIN" watermark --db "$db" $S '{"g":"2026-01-02T03:04:05Z"}'
is 'a watermark can be set' "$("$JOIN" watermark --db "$db" $S)" \
	'{"u":"2026-04-22T08:10:30.000Z","g":"2026-01-02T03:04:05Z"}'
for bad in '{"u":"yesterday"}' '{"x":null}' '[]' '{'; do
	run "$JOIN" watermark --db "$db" $S "$bad"
	is "but not to $bad" "$status" 100
done
run "$JOIN" watermark --db "$db" $S '{"u":"2999-01-01T00:00:00.000Z"}'
like 'nor to the future' "$status:$err" '^100:.*"u" lies in the future'
cp "$db" "$TMP/future.db"
sqlite3 "$TMP/future.db" "UPDATE watermark SET value =
	'{\"u\":\"2999-01-01T00:00:00.000Z\",\"g\":null}'"
for mode in auto delta; do
	run "$JOIN" begin --db "$TMP/future.db" --streams User --mode $mode $S
	is "one that is found there: in full ($mode)" \
		"$(jq -c '[.streams.User | .mode, .since]' <<<"$out")" '["full",null]'
	is 'with one warning' "$(grep -c 'lies in the future' <<<"$err")" 1
done
mode=full
answer=$(begin --streams Group)
is 'without a full run before it is not enough' "$(state .streams.Group.mode)" full

# --- members of groups
db=$TMP/groups.db
answer=$(begin)
take_run
g1=',"context":{"groupId":"g1"}'
last=',"last":true'
{
	page Group 1 '' "$(put g1 '{"name":"One"}')" "$(put g2 '{"name":"Two"}')"
	end Group 2
	page User 1 '' "$(user u1)"
	end User 2
	page GroupMember 1 "$g1" "$(edge g1 u1)" "$(edge g1 u2)"
	page GroupMember 2 ',"context":{"groupId":"g2"},"last":true' "$(edge g2 u1)"
	page GroupMember 3 "$g1$last" "$(edge g1 u3)"
	end GroupMember 4
} | changes
is 'groups and members' "$status:$(grep -c GroupMember <<<"$changes")" 0:4
is 'both watermarks' "$("$JOIN" watermark --db "$db" $S | jq -r '.u == .g')" true
mode=delta
answer=$(begin)
take_run
{
	end User 1
	end Group 1
	page GroupMember 1 "$g1" "$(edge g1 u3)"
	page GroupMember 2 "$g1$last" "$(edge g1 u1)"
	page GroupMember 3 "$g1$last" "$(edge g1 u1)" "$(edge g1 u4)"
	end GroupMember 4 true ',"watermark":"2026-05-01T00:00:00.000Z"'
} | changes
# Pages of one transaction are one set of changes, in an order of their own.
is 'the last page of a group replaces its set, each time' \
	"$status:$(sort <<<"$changes")" "0:delete GroupMember removed
delete GroupMember removed
put GroupMember $S/g1/u4"
is 'the other group is untouched' "$(mesh | grep -c '/g2/u1')" 1
is 'g is the older of both' "$("$JOIN" watermark --db "$db" $S | jq -r .g)" \
	2026-04-22T08:10:30.000Z
answer=$(begin)
take_run
page GroupMember 1 "$g1" "$(edge g1 u9)" | changes
answer=$(begin)
take_run
{
	page GroupMember 2 "$g1$last" "$(edge g1 u1)"
	end User 1
	end Group 1
	end GroupMember 3 false ',"skipped":true,"why":"E0000006"'
} | changes
is 'a group that is listed anew forgets its half listing' "$status:$changes" \
	"1:delete GroupMember removed
delete GroupMember removed"
is 'a skipped stream moves no watermark' \
	"$("$JOIN" watermark --db "$db" $S | jq -r .g)" 2026-04-22T08:10:30.000Z
like 'and is in the history' "$("$JOIN" runs --db "$db")" \
	'skipped +GroupMember +delta .*E0000006'
mode=full
answer=$(begin --mode full)
take_run
{
	page User 1 '' "$(user u1)"
	end User 2
	page Group 1 '' "$(put g1 '{"name":"One"}')"
	end Group 2
	page GroupMember 1 "$g1$last" "$(edge g1 u1)"
	end GroupMember 2
} | changes
is 'members of a group that vanished leave with it' "$changes" \
	'delete Group absent
delete GroupMember absent'

# --- the guard
db=$TMP/guard.db
head='"run":0,"epoch":0'
all=()
for i in $(seq 60); do all+=("$(user "u$i")"); done
{
	page User 1 '' "${all[@]}"
	end User 2
} | changes
{
	page User 1 '' "${all[@]:0:57}"
	end User 2
} | changes
is 'five per cent may leave' "$(grep -c absent <<<"$changes")" 3
{
	page User 1 '' "${all[@]:0:50}"
	end User 2
} | changes
is 'more are held back' "$status:$changes" 1:
like 'with the numbers and the way on' "$err" \
	"7 of 57 objects would leave \\(7 absent\\).*approve --db $db 3"
like 'in the history too' "$("$JOIN" runs --db "$db" --json)" '"state":"held"'
is 'nothing is gone' "$(count)" 57
run "$JOIN" approve --db "$db" 2
is 'a run that holds nothing back: 100' "$status" 100
ok 'approve lets it proceed' "$JOIN" approve --db "$db" 3
is 'now they are gone' "$(count)" 50
unlike 'and no run is held' "$("$JOIN" runs --db "$db" --json)" '"state":"held"'
{ end User 1; } | changes
is 'an empty listing is not believed' "$status:$(count)" 1:50

# --- where a target stands
N=$("$JOIN" dump --db "$db" | wc -l)
changes --after - </dev/null
is 'a new target gets the whole mesh' \
	"$(of '[.[] | select(.op == "put")] | length')" "$N"
is 'and the place where changes go on' \
	"$(tail -n 1 <<<"$out" | jq -r '[.kind, .complete, (.cursor | split(":")[1])] | join(" ")')" \
	'end true 70'
store=$(head -n 1 <<<"$out" | jq -r .source)
changes --after "$store:63" </dev/null
is 'one that is behind gets what it lacks' "$(grep -c . <<<"$changes")" 7
changes --after "$store:70" </dev/null
is 'one that is there gets nothing' "$status:$changes" 0:
run "$JOIN" --db "$db" --after "$store:71" </dev/null
like 'one that is ahead is refused' "$status:$err" '^100:.*ahead'
page User 1 '' "$(user extra)" | changes --after "$store:70"
is 'what comes then has numbers that it never saw' \
	"$(grep '"change"' <<<"$out" | jq -s 'map(.seq) | max')" 72
run "$JOIN" --db "$db" --after "$store:71" </dev/null
like 'so that it is refused when the log has passed it' "$status:$err" \
	'^100:.*stands at 71, ahead .* restored'
changes --after "$store:70" </dev/null
is 'and one that was there is not' "$changes" "put User $S/extra"
run "$JOIN" --db "$db" --after 0123456789abcdef:3 </dev/null
like 'one of another store too' "$status:$err" '^100:.*another database'
run "$JOIN" --db "$db" --after "$("$BUILD/idmesh-sink" cursor none:x 2>&-)" \
	</dev/null
like 'a place that could not be told' "$status:$err" \
	'^111:.*did `idmesh sink cursor` fail'

# --- what is no database, no message, no end
echo hello >"$TMP/text.db"
run "$JOIN" --db "$TMP/text.db" </dev/null
is 'a file that is no database' "$status:$(cat "$TMP/text.db")" 100:hello
like 'a file that is no database: says so' "$err" \
	'text\.db is no database of idmesh join; .*restore a backup'
for command in runs held; do
	run "$JOIN" $command --db "$TMP/text.db"
	like "a file that is no database: $command" "$status:$err" \
		'^100:.*text\.db is no database of idmesh join'
	unlike "a file that is no database: $command writes nothing" "$err" \
		'cannot write'
done
sqlite3 "$TMP/foreign.db" 'CREATE TABLE t(x)'
run "$JOIN" begin --db "$TMP/foreign.db" $S
like 'a database of someone else' "$status:$err" '^100:.*no database of idmesh join'
cp "$db" "$TMP/newer.db"
sqlite3 "$TMP/newer.db" 'PRAGMA user_version = 99'
run "$JOIN" runs --db "$TMP/newer.db"
like 'another version' "$status:$err" '^100:.*version 99'
run "$JOIN" runs --db "$TMP/none.db"
is 'none at all' "$status" 100
ok 'is not made by looking' test ! -e "$TMP/none.db"
run "$JOIN" --db "$db" < <(printf '{"v":1')
like 'a torn line' "$status:$err" '^111:.*middle of a line'
run "$JOIN" --db "$db" <<<'{"v":2,"kind":"end"}'
like 'another protocol' "$status:$err" '^100:.*version 2'
run "$JOIN" --db "$db" < <(printf '{"v":1,"kind":"rec\n')
like 'what is no message' "$status:$err" '^111:.*no message: not JSON'
run "$JOIN" --db "$db" < <(head -c 8388700 /dev/zero | tr '\0' x; echo)
like 'a line that is too long' "$status:$err" '^111:.*longer than 8 MiB'
page User 1 '' "$(user u1)" | sed 's/"records",/"page",/' | changes
like 'a page without transform' "$status:$err" '^100:.*transform'
mkfifo "$TMP/hold"
start holder bash -c 'exec "$1" --db "$2" <"$3"' _ "$JOIN" "$db" "$TMP/hold"
exec 9>"$TMP/hold"
wait_for grep -q . "$TMP/holder.out"
run "$JOIN" --db "$db" </dev/null
like 'a second join' "$status:$err" "^111:.*process $(cat "$TMP/holder.pid")"
page User 1 '' "$(user u1)" >&9
wait_for grep -q okta:contoso "$db.lock"
run "$JOIN" begin --db "$db" $S
like 'a begin in the middle of a run' "$status:$err" '^111:.*under way'
kill -HUP "$(cat "$TMP/holder.pid")"
page User 2 '' "$(user u2)" >&9
schemas() { [ "$(grep -c '"kind":"schema"' "$TMP/holder.out")" = "$1" ]; }
ok 'SIGHUP: rules are read again, the schema is sent again' wait_for schemas 2
exec 9>&-
wait "$(cat "$TMP/holder.pid")"
# A link to a file that is not there yet has one lock with it, too.
mkdir "$TMP/far" "$TMP/near"
ln -s far/later.db "$TMP/hop.db"
ln -s ../hop.db "$TMP/near/link.db"
start linked bash -c 'exec "$1" --db "$2" <"$3"' _ "$JOIN" "$TMP/near/link.db" "$TMP/hold"
exec 9>"$TMP/hold"
wait_for grep -q . "$TMP/linked.out"
run "$JOIN" --db "$TMP/far/later.db" </dev/null
like 'a second join, where a link was made before its file' "$status:$err" \
	"^111:.*process $(cat "$TMP/linked.pid")"
exec 9>&-
wait "$(cat "$TMP/linked.pid")"
{
	page User 1 '' "${all[@]:0:50}"
	end User 2
} >"$TMP/in"
ok 'stdout may be closed' bash -c '"$1" --db "$2" <"$3" >&-' _ "$JOIN" "$db" "$TMP/in"
mkfifo "$TMP/closed"
{
	read -r _ <"$TMP/closed"
	exec "$JOIN" --db "$db" --after - <"$TMP/in" 2>"$TMP/err"
} | {
	exec <&-
	echo now >"$TMP/closed"
}
(exit "${PIPESTATUS[0]}")
like 'a reader that is gone' "$?:$(cat "$TMP/err")" '^111:.*next stage is gone'
done_testing
