#!/usr/bin/env bash
# printed.sh - each command that prints, onto a disk that is full: it ends
# with 111 and says that what it printed is not whole, and why; also when the
# failure comes before the last write.  A reader that has seen enough is told
# nothing.
. tests/setup.sh

org sim --users 20 --groups 3 --edges 30 --tier unlimited --seed 3
source_file "$TMP/okta.json"
db=$TMP/state.db
mesh=sqlite:$TMP/mesh.db
log=$TMP/requests
cp -r rules/two-sources "$TMP/rules"
cp rules/okta_test.lua "$TMP/rules"
bad=$(curl -sf -H "Authorization: SSWS $TOKEN" "$url/api/v1/users?limit=1" |
	jq -r '.[0].id')
sed -i "s/^  drop .*/  drop = function(u) if u.id == '$bad' then error('no') end end,/" \
	"$TMP/rules/okta.lua"
export IDMESH_RULES=$TMP/rules
"$IDMESH" fetch "$TMP/okta.json" --request-log "$log" 2>/dev/null |
	"$IDMESH" transform 2>/dev/null |
	"$IDMESH" join --db "$db" --keep-raw 2>/dev/null |
	"$IDMESH" sink "$mesh" 2>/dev/null
person=$(sqlite3 "$TMP/mesh.db" 'SELECT meshId FROM User LIMIT 1')
echo '{"id":"u1","status":"ACTIVE","profile":{"login":"a"}}' >"$TMP/user.json"
jq -n --arg t "$TMP" '{state: "\($t)/run.db", sources: ["\($t)/okta.json"],
	sinks: ["ndjson:\($t)/run.ndjson"]}' >"$TMP/run.json"

# What each of them is asked.
commands=(
	'help'
	'--version'
	'fetch --help'
	'fetch --version'
	'transform try --help'
	'keygen --help'
	'fetch $TMP/okta.json'
	'fetch test $TMP/okta.json'
	'fetch forecast $TMP/okta.json'
	'fetch forecast $TMP/okta.json --json'
	'fetch report $log'
	'fetch report $log --json'
	'secret which okta/contoso/apitoken'
	'secret set okta/contoso/other'
	'transform check'
	'transform describe'
	'transform try --map okta.User --object $TMP/user.json'
	'transform try --map okta.User --object $TMP/user.json --json'
	'transform test'
	'transform test --json'
	'join begin --db $TMP/new.db okta:contoso'
	'join runs --db $db'
	'join runs --db $db --json'
	'join dump --db $db'
	'join watermark --db $db okta:contoso'
	'join dead --db $db'
	'join dead --db $db --json'
	'join held --db $db'
	'join explain --db $db $person'
	'join explain --db $db $person --json'
	'join diff --db $db --rules rules/two-sources'
	'join diff --db $db --rules rules/two-sources --json'
	'join rejoin --db $db --from-scratch --dry-run'
	'join replay --db $db'
	'sink cursor $mesh'
	'keygen $TMP/key'
	'run $TMP/run.json --json'
)

# full COMMAND [PROGRAM...]: what it said is in $err; `well` judges.
full() {
	local words
	eval "words=($1)"
	shift
	echo value | IDMESH_SECRETS_DIR=$TMP/secrets timeout 60 "$@" "$IDMESH" \
		"${words[@]}" 2>"$TMP/err" >/dev/full
	status=$?
	rm -f "$TMP/key" "$TMP/key.pub"
}
well() {
	[ $status = 111 ] && grep -Eq 'cannot write to (standard output|stdout)|write error|I/O error' \
		"$TMP/err" && grep -q 'No space left on device' "$TMP/err"
}

for way in 'env' 'stdbuf -o0'; do
	bad=''
	for command in "${commands[@]}"; do
		# shellcheck disable=SC2086 # words
		ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 \
			full "$command" $way
		well || bad+="$command: $status $(head -n 3 "$TMP/err")"$'\n'
	done
	is "a full disk is said by each command ($way)" "$bad" ''
done

# left COMMAND [PROGRAM...]: the same, into a pipe that nobody reads any more.
mkfifo "$TMP/pipe"
left() {
	local words reader writer
	eval "words=($1)"
	shift
	exec {reader}<>"$TMP/pipe" {writer}>"$TMP/pipe" {reader}<&-
	echo value | IDMESH_SECRETS_DIR=$TMP/secrets timeout 60 "$@" "$IDMESH" \
		"${words[@]}" 2>"$TMP/err" >&"$writer"
	status=$?
	exec {writer}>&-
	rm -f "$TMP/key" "$TMP/key.pub"
}
for way in 'env' 'stdbuf -o0'; do
	bad=''
	for command in "${commands[@]}"; do
		# A stage whose reader is gone has work that is not done.
		case $command in fetch\ \$TMP/*) continue ;; esac
		# shellcheck disable=SC2086 # words
		ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 \
			left "$command" $way
		[[ $status = 1[14]1 ]] && ! grep -Eqi 'cannot write|pipe' "$TMP/err" ||
			bad+="$command: $status $(head -n 3 "$TMP/err")"$'\n'
	done
	is "a reader that has seen enough is no error ($way)" "$bad" ''
done
left 'fetch $TMP/okta.json'
is 'a stage whose reader is gone: exit' "$status" 111
like 'a stage whose reader is gone: says so' "$(cat "$TMP/err")" \
	'error: the next stage is gone'

ok 'every program is asked' test "$(printf '%s\n' "${commands[@]}" |
	cut -d' ' -f1 | sort -u | xargs)" = \
	'--version fetch help join keygen run secret sink transform'
done_testing
