#!/usr/bin/env bash
# What fetch writes into a pipe is what the org holds: full, filtered, delta,
# resumed, without credentials, in order.
. tests/setup.sh

FETCH="$BUILD/idmesh-fetch"

# fetch_to FILE ARGS...: messages into a file, the rest as run has it.
fetch_to() {
	local file=$1
	shift
	timeout -k 5 60 "$FETCH" "$@" >"$file" 2>"$TMP/run.err"
	status=$?
	err=$(cat "$TMP/run.err")
}
ids() {
	jq -r --arg s "$2" 'select(.kind == "page" and .stream == $s) |
		.records[].id' "$1" | LC_ALL=C sort -u
}
edges() {
	jq -r 'select(.kind == "page" and .stream == "GroupMember") |
		.context.groupId as $g | .records[] | $g + ":" + .id' "$1" |
		LC_ALL=C sort -u
}
truth() {
	curl -sS "$url/_sim/$1"
}
ends() {
	jq -c --arg s "$2" 'select(.kind == "end" and .stream == $s) |
		'"$3" "$1"
}

org okta --users 1200 --groups 40 --edges 6000 --everyone --tier unlimited
source_file "$TMP/okta.json"

# A full import.
fetch_to "$TMP/full" --request-log "$TMP/req" "$TMP/okta.json"
is 'a full import succeeds' "$status" 0
is 'every user is there, the deprovisioned too' \
	"$(ids "$TMP/full" User)" "$(truth users | jq -r .id | LC_ALL=C sort)"
is 'every group is there' "$(ids "$TMP/full" Group)" \
	"$(truth groups | jq -r .id | LC_ALL=C sort)"
is 'every membership is there' "$(edges "$TMP/full")" \
	"$(truth members | jq -r '.groupId + ":" + .userId' | LC_ALL=C sort)"
is 'records are what the API said, byte for byte' \
	"$(jq -r 'select(.stream == "Group" and .kind == "page") |
		.records[] | tojson' "$TMP/full" | LC_ALL=C sort | sha256sum)" \
	"$(curl -sS -H "Authorization: SSWS $TOKEN" \
		"$url/api/v1/groups?limit=200&expand=stats" |
		jq -r '.[] | tojson' | LC_ALL=C sort | sha256sum)"
is 'numbers begin at 1 and have no holes' \
	"$(jq -s 'group_by(.stream)[] | map(.seq) == [range(1; length + 1)]' \
		"$TMP/full" | sort -u)" true
is 'the last message of a stream is its end, complete' \
	"$(jq -s -c 'group_by(.stream)[] | last | [.kind, .complete]' \
		"$TMP/full" | sort -u)" '["end",true]'
is 'each end counts its records' \
	"$(jq -s '[group_by(.stream)[] | (map(select(.kind == "page") | .n) |
		add) == last.n] | all' "$TMP/full")" true
is 'every group has exactly one last page' \
	"$(jq -r 'select(.kind == "page" and .last) | .context.groupId' \
		"$TMP/full" | sort | uniq -c | awk '$1 == 1' | wc -l)" 40
is 'members have a key of group and user' \
	"$(jq -c 'select(.stream == "GroupMember" and .kind == "page") | .key' \
		"$TMP/full" | sort -u)" '["$context.groupId","id"]'
is 'an empty group costs no call' \
	"$(grep -c '/users"' "$TMP/req")" \
	"$(curl -sS "$url/_sim/stats" | jq '[.endpoints[] |
		select(.path | endswith("/users")) | .calls] | add')"
is 'the watermark lies five minutes before the first answer' \
	"$(ends "$TMP/full" User '(.watermark | sub("\\.000Z"; "Z") |
		fromdate)')" \
	"$(jq -s '[.[] | select(.stream == "User" and .kind == "page")][0] |
		(.state.start | sub("\\.000Z"; "Z") | fromdate) - 300' \
		"$TMP/full")"
unlike 'no credentials in any page' "$(cat "$TMP/full")" credentials
like 'a request is a line' "$(head -n 1 "$TMP/req")" \
	'"kind":"request","source":"okta:contoso","method":"GET","path":"/api'
is 'and JSON, every one' "$(jq -r .status "$TMP/req" | sort -u)" 200
unlike 'ids are not in the request log' "$(jq -r .path "$TMP/req")" 00g
like 'the summary counts' "$err" 'User: complete, full: 1200 records in'
like 'and says what each bucket took' "$err" 'bucket /api/v1/groups: .* 0 x 429'

# Quiet is quiet.
fetch_to "$TMP/quiet" --quiet --streams Group "$TMP/okta.json"
is 'only one stream when asked' "$(jq -r .stream "$TMP/quiet" | sort -u)" Group
is '--quiet says nothing' "$err" ''

# Credentials that come all the same, and a page bound of the server.
org naughty --users 300 --groups 3 --tier unlimited --credentials \
	--join-links --page-max 70
source_file "$TMP/naughty.json"
fetch_to "$TMP/clean" "$TMP/naughty.json"
is 'an org that sends credentials is imported' "$status" 0
unlike 'without them' "$(cat "$TMP/clean")" 'credentials|recovery_question'
is 'and nothing else is lost' "$(ids "$TMP/clean" User)" \
	"$(truth users | jq -r .id | LC_ALL=C sort)"
is 'profiles survive being written anew' \
	"$(jq -S -c 'select(.stream == "User" and .kind == "page") |
		.records[] | {id, profile, status, lastUpdated}' "$TMP/clean" |
		LC_ALL=C sort | sha256sum)" \
	"$(truth users | jq -S -c '{id, profile, status, lastUpdated}' |
		LC_ALL=C sort | sha256sum)"

# Filters: routed, combined with the time, refused with a pointer.
url=http://127.0.0.1:$(cat "$TMP/okta.port")
source_file "$TMP/filter.json" \
	'.ConfigJson.UserSearchFilter = "status eq \"SUSPENDED\""'
fetch_to "$TMP/filtered" --streams User "$TMP/filter.json"
is 'a filter selects' "$(ids "$TMP/filtered" User)" \
	"$(truth users | jq -r 'select(.status == "SUSPENDED") | .id' |
		LC_ALL=C sort)"
is 'it travels in the header' \
	"$(jq -c 'select(.kind == "page") | .filter' "$TMP/filtered" | sort -u)" \
	'{"text":"status eq \"SUSPENDED\"","route":"filter"}'
source_file "$TMP/search.json" '.ConfigJson.UserSearchFilter =
	"profile.department eq \"engineering\"" |
	.ConfigJson.ExternalIdAttribute = "login"'
fetch_to "$TMP/searched" --streams User "$TMP/search.json"
is 'a profile attribute goes to search' \
	"$(jq -r 'select(.kind == "page") | .filter.route + " " + .externalId' \
		"$TMP/searched" | sort -u)" 'search profile.login'
is 'and finds without regard to case' "$(ids "$TMP/searched" User)" \
	"$(truth users | jq -r 'select(.profile.department == "Engineering") |
		.id' | LC_ALL=C sort)"
source_file "$TMP/wrong.json" \
	'.ConfigJson.UserSearchFilter = "status ne \"ACTIVE\""'
fetch_to "$TMP/none" "$TMP/wrong.json"
is 'what Okta would refuse is refused here' "$status" 100
like 'and the token is named' "$err" '"?ne"?'
is 'before anything was asked' "$(wc -c <"$TMP/none")" 0

# The scope of the rules: users are not asked for, members not listed.
mkdir "$TMP/rules"
cat >"$TMP/rules/okta.lua" <<'LUA'
map "okta.User" { ExternalId = "id" }
map "okta.Group" { ExternalId = "id", type = "type" }
map "okta.GroupMember" { ExternalId = "id", groupId = "$context.groupId" }
scope "okta.User" { search = [[status eq "SUSPENDED" or status eq "ACTIVE"]] }
scope "okta.Group" { drop = { { type = "BUILT_IN" } } }
LUA
"$IDMESH" transform describe --rules "$TMP/rules" >"$TMP/scope"
fetch_to "$TMP/scoped" --scope "$TMP/scope" "$TMP/filter.json"
is 'a scope: both must hold' \
	"$(jq -r 'select(.stream == "User" and .kind == "page") | .filter.text' \
		"$TMP/scoped" | sort -u)" \
	'(status eq "SUSPENDED") and (status eq "SUSPENDED" or status eq "ACTIVE")'
is 'a scope: the users are those of both' "$(ids "$TMP/scoped" User)" \
	"$(ids "$TMP/filtered" User)"
is 'a scope: the members of a group out of it are not listed' \
	"$(edges "$TMP/scoped")" \
	"$(truth members | jq -r --arg g "$(truth groups |
		jq -r 'select(.type == "BUILT_IN") | .id')" '
		select(.groupId != $g) | .groupId + ":" + .userId' |
		LC_ALL=C sort)"
is 'a scope: but the group itself is left to transform' \
	"$(ids "$TMP/scoped" Group | wc -l)" 40

# Two sources of one org, each with a position of its own.
source_file "$TMP/second.json" '.name = "second" |
	.ConfigJson.ImportGroups = false | .ConfigJson.ImportMemberships = false'
for s in contoso second; do
	jq -n -c --arg s "okta:$s" '{v: 1, kind: "state", source: $s, run: 3,
		epoch: 5, boot: "b", streams: {
		User: {mode: "full", seq: 0, state: null},
		Group: {mode: "full", seq: 4, state: null, done: true},
		GroupMember: {mode: "full", seq: 0, state: null}}}'
done >"$TMP/states"
fetch_to "$TMP/both" --resume "$TMP/states" "$TMP/okta.json" \
	"$TMP/second.json"
is 'two sources: done' "$status" 0
is 'two sources: the users of both' \
	"$(jq -r 'select(.kind == "end" and .stream == "User") |
		.source + " " + (.n | tostring)' "$TMP/both" | sort | tr '\n' ' ')" \
	'okta:contoso 1200 okta:second 1200 '
is 'a stream that is done is left alone' \
	"$(jq -c 'select(.stream == "Group")' "$TMP/both")" ''
is 'its members are read all the same' \
	"$(jq -r 'select(.kind == "end" and .stream == "GroupMember" and
		.source == "okta:contoso") | .complete' "$TMP/both")" true
is 'a stream that is switched off is ended as skipped' \
	"$(jq -c 'select(.kind == "end" and .stream == "GroupMember" and
		.source == "okta:second") | [.skipped, .complete]' "$TMP/both")" \
	'[true,false]'

# A delta after changes.
state='{"v":1,"kind":"state","source":"okta:contoso","run":7,"epoch":3,
	"boot":"b","watermark":{"u":"x","g":"y"},"streams":{
	"User":{"mode":"delta","seq":0,"state":null,"since":$u},
	"Group":{"mode":"delta","seq":0,"state":null,"since":$g},
	"GroupMember":{"mode":"delta","seq":0,"state":null,"since":$g}}}'
jq -n -c --arg u "$(date -u +%Y-%m-%dT%H:%M:%S.000Z)" \
	--arg g "$(date -u +%Y-%m-%dT%H:%M:%S.000Z)" "$state" >"$TMP/state"
read -rt 1.1 <> <(:) || :
curl -sS -d '{"change":25,"create":5,"deprovision":3,"move":12,"groups":4}' \
	"$url/_sim/mutate" >"$TMP/mutated"
curl -sS -X POST "$url/_sim/reset-stats" >/dev/null
fetch_to "$TMP/delta" --resume "$TMP/state" "$TMP/okta.json"
is 'a delta succeeds' "$status" 0
is 'it brings the users that changed' \
	"$(ids "$TMP/delta" User)" \
	"$(truth users | jq -r --arg u "$(jq -r .streams.User.since \
		"$TMP/state")" 'select(.lastUpdated >= $u) | .id' |
		LC_ALL=C sort)"
is 'and lists the groups that moved, no others' \
	"$(jq -r 'select(.kind == "page" and .last) | .context.groupId' \
		"$TMP/delta" | LC_ALL=C sort)" \
	"$(truth groups | jq -r --arg g "$(jq -r .streams.Group.since \
		"$TMP/state")" 'select(.lastMembershipUpdated >= $g) | .id' |
		LC_ALL=C sort)"
is 'run, epoch and mode are those of the state' \
	"$(jq -c '[.run, .epoch, .mode]' "$TMP/delta" | sort -u)" '[7,3,"delta"]'
ok 'a delta costs few calls' test \
	"$(curl -sS "$url/_sim/stats" | jq .calls)" -le 10

# Groups whose name changes come into scope, or leave it, with their members.
scope_of() {
	cat >"$TMP/rules/okta.lua" <<-LUA
		map "okta.Group" { ExternalId = "id", name = "profile.name" }
		map "okta.GroupMember" { groupId = "\$context.groupId" }
		scope "okta.Group" { $1 = { { name = { suffix = ")" } } } }
	LUA
	"$IDMESH" transform describe --rules "$TMP/rules" >"$TMP/scope"
}
jq -n -c --arg u "$(date -u +%Y-%m-%dT%H:%M:%S.000Z)" --arg g \
	"$(date -u +%Y-%m-%dT%H:%M:%S.000Z)" "$state" >"$TMP/state"
read -rt 1.1 <> <(:) || :
curl -sS -d '{"renameGroups":2}' "$url/_sim/mutate" >"$TMP/mutated"
renamed=$(jq -r '.renameGroups[]' "$TMP/mutated" | LC_ALL=C sort)
theirs=$(truth members | jq -r --arg g "$renamed" 'select(.groupId as $x |
	$g | contains($x)) | .groupId + ":" + .userId' | LC_ALL=C sort)
lists() {
	jq -r 'select(.kind == "page" and .last) | .context.groupId' "$1" |
		LC_ALL=C sort
}
for s in Group,GroupMember GroupMember; do
	scope_of keep
	fetch_to "$TMP/came" --resume "$TMP/state" --scope "$TMP/scope" \
		--streams $s "$TMP/okta.json"
	is "$s: a group that is renamed into scope brings its members" \
		"$status:$(lists "$TMP/came"):$(edges "$TMP/came")" \
		"0:$renamed:$theirs"
	scope_of drop
	fetch_to "$TMP/went" --resume "$TMP/state" --scope "$TMP/scope" \
		--streams $s "$TMP/okta.json"
	is "$s: one that is renamed out of it lets them go" \
		"$status:$(lists "$TMP/went"):$(edges "$TMP/went")" "0:$renamed:"
done
fetch_to "$TMP/same" --resume "$TMP/state" "$TMP/okta.json"
is 'without a scope a name is no reason to list members' \
	"$status:$(lists "$TMP/same")" 0:

# Resuming in the middle: the rest, and no more than that.
sort_of() { jq -c "select(.kind == \"page\" and .stream == \"$2\")" "$1"; }
resume_after() {
	jq -n -c --argjson run 9 --arg at "$1" --slurpfile m "$TMP/full" '
		{v: 1, kind: "state", source: "okta:contoso", run: $run,
		epoch: 2, boot: "b", watermark: null, streams: (
		["User", "Group", "GroupMember"] | map({key: ., value: (. as $s |
			[$m[] | select(.stream == $s and .kind == "page")] as $p |
			($p | length * ($at | tonumber) | floor) as $k |
			{mode: "full", seq: $k,
			state: (if $k == 0 then null else $p[$k - 1].state end)}
			)}) | from_entries)}' >"$TMP/resume"
}
# The org has changed; a fresh full import is the measure.
fetch_to "$TMP/full" "$TMP/okta.json"
for at in 0.3 0.5 0.9 1; do
	resume_after "$at"
	fetch_to "$TMP/rest" --resume "$TMP/resume" "$TMP/okta.json"
	is "resumed at $at: succeeds" "$status" 0
	for s in User GroupMember; do
		k=$(jq ".streams.$s.seq" "$TMP/resume")
		{
			sort_of "$TMP/full" $s | head -n "$k"
			sort_of "$TMP/rest" $s
		} >"$TMP/both"
		if [ $s = User ]; then
			is "resumed at $at: no user is missing" \
				"$(ids "$TMP/both" User)" "$(ids "$TMP/full" User)"
			is "resumed at $at: no page comes again" \
				"$(jq -s 'map(.n) | add' "$TMP/both")" \
				"$(ids "$TMP/full" User | wc -l)"
		else
			is "resumed at $at: no membership is missing" \
				"$(edges "$TMP/both")" "$(edges "$TMP/full")"
		fi
		is "resumed at $at: $s goes on at the next number" \
			"$(head -n 1 <(jq "select(.stream == \"$s\") | .seq" \
				"$TMP/rest"))" $((k + 1))
		is "resumed at $at: the end of $s counts the whole run" \
			"$(ends "$TMP/rest" $s .n)" "$(ends "$TMP/full" $s .n)"
	done
done
fetch_to "$TMP/stdin" --resume - "$TMP/okta.json" <"$TMP/resume"
is 'a state from standard input does too' "$status" 0

done_testing
