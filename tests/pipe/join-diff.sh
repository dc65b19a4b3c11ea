#!/usr/bin/env bash
# join-diff.sh - new rules on the data that is there, and what changed between runs.
. tests/setup.sh

org org --users 300 --groups 12 --edges 400
source_file "$TMP/okta.json"
db=$TMP/state.db
S=okta:contoso

# import DB RULES OPTION...: a full run; the option is for both.
import() {
	local db=$1 rules=$2
	shift 2
	"$IDMESH" fetch "$TMP/okta.json" \
		--resume <("$IDMESH" join begin --db "$db" $S --mode full) \
		2>"$TMP/fetch.log" |
		"$IDMESH" transform --rules "$rules" "$@" 2>"$TMP/transform.log" |
		"$IDMESH" join --rules "$rules" --db "$db" "$@" \
			>"$TMP/changes" 2>"$TMP/join.log"
	pipe_status="${PIPESTATUS[*]}"
}
sql() { sqlite3 "$db" "$1"; }
rules() { # NAME SED: the rules that ship, changed
	cp -r rules "$TMP/$1"
	sed -i "$2" "$TMP/$1/okta.lua"
}
sum() { "$IDMESH" join dump --db "$1" | cksum; }
line() { paste -sd' ' <<<"$out"; }

# --- without raw records
import "$db" rules
is 'a run' "$pipe_status" '0 0 0'
is 'keeps nothing unless asked to' "$(sql 'SELECT count(*) FROM raw')" 0
unlike 'and sends nothing along' "$(tail -c 3000 "$TMP/changes")" '"raw"'
rules louder 's/title  *= "profile.title"/title = upper "profile.title"/'
run "$IDMESH" join diff --db "$db" --rules "$TMP/louder"
like 'without them the diff says what it cannot show' "$status:$out" \
	'^0:nothing changes'
like 'of how many' "$out" 'not shown: .* of [0-9]+ objects whose raw record'
run "$IDMESH" join replay --db "$db"
like 'and a replay is refused' "$status:$err" '^100:.*--keep-raw'

# --- with them
import "$db" rules --keep-raw
is 'a run that keeps them' "$pipe_status" '0 0 0'
alive=$(sql 'SELECT count(*) FROM object WHERE gone IS NULL')
is 'has one of every object' \
	"$(sql 'SELECT count(*) FROM raw WHERE seen IS NULL')" "$alive"
unlike 'compressed' "$(strings "$db"-wal "$db" 2>/dev/null | grep -c nickName)" '^[1-9][0-9]{2}'
rows=$(sql 'SELECT sum(pk * hash), sum(length(zstd)) FROM raw')
import "$db" rules --keep-raw
is 'the same again writes none' \
	"$(sql 'SELECT sum(pk * hash), sum(length(zstd)) FROM raw')" "$rows"
sent=$(sed -n 's/.*: .* new, \([0-9]*\) changed.*/\1/p' "$TMP/join.log")
is 'and changes nothing' "$sent" 0

before=$(sum "$db")
run "$IDMESH" join diff --db "$db"
is 'the rules that are: no difference' "$status:$(head -n 1 <<<"$out")" \
	"0:$(sql 'SELECT count(*) FROM raw') raw records were mapped again: nothing changes"

# --- an attribute
titles=$(sql "SELECT count(*) FROM attrs WHERE text ->> 'title' <> ''")
run "$IDMESH" join diff --db "$db" --rules "$TMP/louder" --limit 2
like 'a map: who changes' "$status:$(line)" "^0:.*User: $titles change \(title $titles\)"
line=$(grep -n 'title = upper' "$TMP/louder/okta.lua" | cut -d: -f1)
like 'with both values and the line' "$out" \
	"title: \"([A-Z])[a-z].*\" -> \"\\1[A-Z ]+\"  .*/?okta.lua:$line\$"
is 'two are shown' "$(grep -c ' changes$' <<<"$out")" 2
like 'and how many are not' "$out" "and $((titles - 2)) more"
rules both 's/\(title\|name\)  *= "profile.\(title\|name\)"/\1 = upper "profile.\2"/'
run "$IDMESH" join diff --db "$db" --rules "$TMP/both" --json
is 'people come before groups' "$status:$(jq -r \
	'(.summary | select(.) | .types | keys_unsorted[]), (select(.difference) | .type)' \
	<<<"$out" | uniq | paste -sd' ')" '0:User Group User Group'
run "$IDMESH" join diff --db "$db" --rules "$TMP/louder" --json
is 'JSON: all of them' "$status:$(jq -c 'select(.difference) | .attributes | keys' <<<"$out" | sort | uniq -c | tr -s ' ')" \
	"0: $titles [\"title\"]"
is 'nothing is written' "$(sum "$db")" "$before"
is 'no file is left' "$(find "$TMP" "${TMPDIR:-/tmp}" -maxdepth 1 -name 'etilqs*' | wc -l)" 0
cp "$db" "$TMP/copy.db"
cp "$db-wal" "$TMP/copy.db-wal" 2>/dev/null
import "$TMP/copy.db" "$TMP/louder" --keep-raw
"$IDMESH" join diff --db "$TMP/copy.db" --rules "$TMP/louder" >"$TMP/after"
like 'a real run does just that' "$(cat "$TMP/join.log")" ", $titles changed,"
like 'and then nothing is left to do' "$(cat "$TMP/after")" 'nothing changes'

# --- scope, and the guard
sales=$(sql "SELECT count(*) FROM attrs
	WHERE text ->> 'department' IN ('Sales', 'Support')")
rules small 's/drop *= {/drop = { { department = "Sales" }, { department = "Support" },/'
run "$IDMESH" join diff --db "$db" --rules "$TMP/small" --limit 400
like 'a scope: who leaves, and why' "$out" "$sales leave \(scope $sales\)"
is 'each of them is named' "$(grep -c ' leaves: scope$' <<<"$out")" "$sales"
like 'what the guard would say; exit 1' "$status:$(line)" \
	"^1:.*a run would be stopped:.*$S User: held: $sales of "
is 'still nothing is written' "$(sum "$db")" "$before"
unlike 'no run either' "$("$IDMESH" join runs --db "$db")" 'held'
sed -i '$a guard { leave = { max = 1000, percent = 100 } }' "$TMP/small/okta.lua"
run "$IDMESH" join diff --db "$db" --rules "$TMP/small" --limit 0
is 'a wider guard lets them go' "$status:$(grep -c stopped <<<"$out")" 0:0
unlike 'who asks for the summary alone is not told how' "$out" 'and .* more'

# --- who was left out can come
import "$TMP/copy.db" "$TMP/small" --keep-raw
run "$IDMESH" join diff --db "$TMP/copy.db" --rules rules --json
is 'the way back' "$status:$(jq -r 'select(.difference) | .difference' <<<"$out" | sort | uniq -c | tr -s ' ')" \
	"0: $sales comes"

# --- rules that reject nearly everybody
rules broken '/^scope "okta.User"/i scope "okta.User" { keep = function(u) return u.nope.nope end }'
sed -i '/^scope "okta.User" {$/,/^}/d' "$TMP/broken/okta.lua"
run "$IDMESH" join diff --db "$db" --rules "$TMP/broken"
like 'rules that fail: a run would stop' "$status:$(line)" \
	'^1:.*would be stopped: .*User: [0-9]+ of [0-9]+ records would be rejected'
like 'with the line of the rule' "$err" 'okta.lua:[0-9]+: .*nope'
is 'leave all as it was' "$(sum "$db")" "$before"

# --- dead letters
import "$TMP/bad.db" "$TMP/broken" --keep-raw
is 'a run of such rules stops' "${pipe_status##* }" 100
letters=$(sqlite3 "$TMP/bad.db" 'SELECT count(*) FROM reject')
run "$IDMESH" join diff --db "$TMP/bad.db" --json
is 'the diff maps its dead letters too' \
	"$(jq -c 'select(.difference == "comes" and .type == "User") | .id' <<<"$out" | grep -c .)" "$letters"
run "$IDMESH" join dead --retry --db "$TMP/bad.db"
is 'one that comes right keeps its raw record' \
	"$(sqlite3 "$TMP/bad.db" "SELECT count(*) FROM raw r JOIN stream t ON t.pk = r.stream WHERE t.name = 'User'")" "$letters"

# --- replay
"$IDMESH" join replay --db "$db" 2>"$TMP/replay.log" |
	"$IDMESH" transform -j 2 2>/dev/null |
	"$IDMESH" join --db "$TMP/new.db" >/dev/null 2>"$TMP/join.log"
is 'a mesh made of raw records alone' "${PIPESTATUS[*]}:$(sum "$TMP/new.db")" "0 0 0:$before"
run "$IDMESH" join replay --db "$db" --stream Group
is 'or a part of them' "$(jq -r .stream <<<"$out" | sort -u)" Group

# --- between two runs
first=$("$IDMESH" join runs --db "$TMP/copy.db" --json | jq -s '.[-3].run')
run "$IDMESH" join diff --db "$TMP/copy.db" --run "$first" $((first + 1))
is 'between two runs' "$status:$(tail -n 1 <<<"$out")" "0:0 added, $titles changed, 0 gone"
like 'with names' "$out" '^changed +User Göran Ünal  [0-9a-f-]{36}  title$'
run "$IDMESH" join diff --db "$TMP/copy.db" --run --json $((first + 1)) $((first + 2))
is 'and the next' "$(jq -r .difference <<<"$out" | grep -c gone)" "$sales"
same=$("$IDMESH" join diff --db "$TMP/copy.db" --run "$first" $((first + 1)))
is 'runs as other commands name them' "$("$IDMESH" join diff --db "$TMP/copy.db" \
	--run "okta:contoso/$first" "okta:contoso/$((first + 1))")" "$same"
run "$IDMESH" join diff --db "$TMP/copy.db" --run okta:contoso/1 entra:contoso/2
like 'but not of two sources' "$status:$err" '^100:.*cannot be compared'
run "$IDMESH" join diff --db "$TMP/copy.db" --run 1 99
like 'a run that is not there' "$status:$err" '^100:.*no run 99'
sqlite3 "$TMP/copy.db" 'DELETE FROM change; UPDATE store SET oldest = newest + 1'
run "$IDMESH" join diff --db "$TMP/copy.db" --run "$first" $((first + 1))
like 'a log that was cut says so' "$status:$err" "^1:.*$titles of its $titles numbers"

# --- a whole set
jq -n '{sources: ["okta.json"], state: "set.db", sinks: ["sqlite:mesh.db"],
	keepRaw: true}' >"$TMP/idmesh.json"
run "$IDMESH" run "$TMP/idmesh.json"
is 'keepRaw tells transform and join' \
	"$status:$(sqlite3 "$TMP/set.db" 'SELECT count(*) FROM raw WHERE seen IS NULL')" "0:$alive"

# --- gone with the option, and by nothing else
db=$TMP/copy.db
kept() { sqlite3 "$db" 'SELECT count(*) FROM raw'; }
had=$(kept)
for command in 'begin okta:contoso' runs dead 'dead --retry' held dump \
	'replay' "diff --rules $TMP/small" 'rejoin --from-scratch --dry-run' \
	'watermark okta:contoso' 'approve 99'; do
	read -ra words <<<"$command"
	run "$IDMESH" join "${words[0]}" --db "$db" "${words[@]:1}"
	[ "$(kept)" = "$had" ] || echo "$command: $err"
done >"$TMP/lost"
is 'no other command takes one' "$had:$(cat "$TMP/lost")" "$had:"
run "$IDMESH" join --db "$db" --rules "$TMP/small" </dev/null
like 'who starts join without it is told what goes' "$status:$err" \
	"^0:.*without --keep-raw.*the $had raw records"
import "$db" "$TMP/small"
unlike 'once' "$(cat "$TMP/join.log")" 'raw records'
is 'off again: they are deleted' \
	"$(sqlite3 "$TMP/copy.db" 'SELECT (SELECT count(*) FROM raw) + (SELECT count(*) FROM raw_page) + count(*) FROM raw_dict')" 0

done_testing
