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
		$S "$1" "$head" "$2" 0 $mode "${3:-true}" \
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
