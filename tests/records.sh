# records.sh - what a transform would write, made by hand: `. tests/records.sh`
# behind setup.sh, for the tests of join.
# shellcheck shell=bash disable=SC2034 # used by the tests
shopt -s lastpipe # what `changes` sets is read behind its pipe

JOIN=$BUILD/idmesh-join
db=$TMP/state.db
S=okta:contoso

# One record: put ID ATTRIBUTES; the hash stands for transform's.
put() {
	printf '{"id":"%s","op":"put","hash":"%s","attrs":%s}' "$1" \
		"$(printf %s "$2" | md5sum | cut -c1-32)" "$2"
}
user() { put "$1" "{\"login\":\"$1@example.com\",\"title\":\"${2:-Clerk}\"}"; }
edge() { put "$1/$2" "{\"groupId\":\"$1\",\"memberId\":\"$2\"}"; }

# Several records with commas between them.
join_by_comma() {
	local IFS=,
	printf %s "$*"
}

# page STREAM SEQ EXTRA RECORD...: the run and the mode are in $head.
head='"run":0,"epoch":0'
mode=full
page() {
	local stream=$1 seq=$2 extra=$3
	shift 3
	printf '{"v":1,"kind":"records","source":"%s","stream":"%s",%s,"seq":%d,"n":%d,"mode":"%s","rules":"r1"%s,"state":{"after":%d},"records":[%s]}\n' \
		$S "$stream" "$head" "$seq" "${n:-$#}" $mode "$extra" "$seq" \
		"$(join_by_comma "$@")"
}
proof=',"watermark":"2026-04-22T08:10:30.000Z","certificate":{"chain":true}'
end() {
	printf '{"v":1,"kind":"end","source":"%s","stream":"%s",%s,"seq":%d,"n":%d,"mode":"%s","complete":%s%s}\n' \
		$S "$1" "$head" "$2" "${n:-0}" $mode "${3:-true}" \
		"${4-$proof}"
}
# What join says of the input on stdin: one line a change.
changes() {
	run "$JOIN" --db "$db" "$@"
	changes=$(jq -r 'select(.kind == "change") | .changes[] |
		[.op, .type, (.contributors[0] // .reason), (.changed // [] |
		join("+"))] | join(" ") | rtrimstr(" ")' <<<"$out")
}
# of JQ: a filter over the list of all changes of the last run.
of() {
	jq -crs "[.[] | select(.kind == \"change\") | .changes[]] | $1" <<<"$out"
}
mesh() { "$JOIN" dump --db "$db"; }
count() { mesh | wc -l; }

# crowd USERS GROUPS: a whole full run of so many users, each in one group.
crowd() {
	awk -v users="$1" -v groups="$2" -v source=$S '
	function open(kind, stream, seq) {
		printf "{\"v\":1,\"kind\":\"%s\",\"source\":\"%s\",\"stream\":\"%s\",\"run\":0,\"epoch\":0,\"seq\":%d", kind, source, stream, seq
	}
	function page(stream, n, extra, list) {
		open("records", stream, ++seq)
		printf ",\"n\":%d,\"mode\":\"full\",\"rules\":\"r1\"%s,\"state\":{\"after\":%d},\"records\":[%s]}\n", n, extra, seq, substr(list, 2)
	}
	function end(stream) {
		open("end", stream, seq + 1)
		print ",\"n\":0,\"mode\":\"full\",\"complete\":true,\"watermark\":\"2026-04-22T08:10:30.000Z\"}"
		seq = 0
	}
	function put(id, attrs) {
		return sprintf(",{\"id\":\"%s\",\"op\":\"put\",\"hash\":\"%032x\",\"attrs\":%s}", id, ++hash, attrs)
	}
	BEGIN {
		for (i = 1; i <= users; i++) {
			list = list put("u" i, sprintf("{\"login\":\"u%d@example.com\",\"title\":\"%0200d\"}", i, i))
			if (i % 200 == 0 || i == users) {
				page("User", (i - 1) % 200 + 1, "", list)
				list = ""
			}
		}
		end("User")
		for (i = 1; i <= groups; i++)
			list = list put("g" i, "{\"name\":\"g" i "\"}")
		page("Group", groups, "", list)
		end("Group")
		for (g = 1; g <= groups; g++) {
			list = ""
			for (i = g; i <= users; i += groups)
				list = list put("g" g "/u" i, sprintf("{\"groupId\":\"g%d\",\"memberId\":\"u%d\"}", g, i))
			page("GroupMember", int((users - g) / groups) + 1, ",\"context\":{\"groupId\":\"g" g "\"},\"last\":true", list)
		}
		end("GroupMember")
	}'
}
