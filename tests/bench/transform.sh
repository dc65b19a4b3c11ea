# transform.sh - transform against jq, gojq and Miller: the same mapping of
# the same users, one after the other.  Sourced by tests/bench/run.
# shellcheck shell=bash

PAGE=200

# The users of an org, as pages for idmesh, as arrays for jq, one a line for
# Miller, and of each a tenth for those who are slow.
make_pages() {
	[ "$DIR/pages.$USERS" -nt "$BUILD/orgsim" ] && return
	# One user in twenty is deprovisioned, and no list shows those.
	start_org $((USERS * 106 / 100)) 3 10
	rm -f "$DIR"/users "$DIR"/arrays "$DIR"/pages*
	curl -sf "$url/_sim/users" | grep -v '"status":"DEPROVISIONED"' |
		awk -v n="$USERS" 'NR <= n' >"$DIR/users"
	stop_org
	[ "$(wc -l <"$DIR/users")" -eq "$USERS" ] || die 'too few users'
	awk -v per=$PAGE '
		{ page = page (n++ ? "," : "") $0 }
		n == per { print "[" page "]"; page = ""; n = 0 }
		END { if (n) print "[" page "]" }' "$DIR/users" >"$DIR/arrays"
	awk -v per=$PAGE -v users="$USERS" '{
		n = NR * per > users ? users % per : per
		print "{\"v\":1,\"kind\":\"page\",\"source\":\"okta:contoso\"," \
			"\"stream\":\"User\",\"run\":1,\"epoch\":1,\"seq\":" NR \
			",\"n\":" n ",\"try\":1,\"isolate\":false," \
			"\"mode\":\"full\",\"at\":\"2026-01-01T00:00:00.000Z\"," \
			"\"request\":\"bench\",\"state\":{},\"records\":" $0 "}"
	}' "$DIR/arrays" >"$DIR/pages.$USERS"
	head -n $((USERS / 10)) "$DIR/users" >"$DIR/users.tenth"
	head -n $((USERS / 10 / PAGE)) "$DIR/arrays" >"$DIR/arrays.tenth"
}

quietly() {
	bash -o pipefail -c "$1" >/dev/null 2>"$DIR/log" ||
		die "failed: $1: $(tail -n 5 "$DIR/log")"
}

# seconds_of COMMAND: of the faster of two runs.
seconds_of() {
	local before a b
	before=$EPOCHREALTIME
	quietly "$1"
	a=$(calc "print $EPOCHREALTIME - $before")
	before=$EPOCHREALTIME
	quietly "$1"
	b=$(calc "print $EPOCHREALTIME - $before")
	calc "print ($a < $b ? $a : $b)"
}

# The objects of a mapping in one form: sorted keys, and what is absent to one
# tool and null to another left out.
one_form() { jq -cS 'with_entries(select(.value != null))'; }

check_same() {
	local pages=5 want
	want=$(head -n $pages "$DIR/pages.$USERS" | "$IDMESH" transform 2>/dev/null |
		jq -c '.records[].attrs' | one_form)
	[ "$(wc -l <<<"$want")" -eq $((pages * PAGE)) ] ||
		die 'idmesh transform did not map every user'
	[ "$want" = "$(head -n $pages "$DIR/arrays" | jq -cf "$DIR/map.jq" | one_form)" ] ||
		die 'jq maps to something else'
	[ "$want" = "$(head -n $pages "$DIR/arrays" | gojq -cf "$DIR/map.jq" | one_form)" ] ||
		die 'gojq maps to something else'
	[ "$want" = "$(head -n $((pages * PAGE)) "$DIR/users" | miller | one_form)" ] ||
		die 'Miller maps to something else'
}

miller() { mlr --ijsonl --ojsonl put -f "$DIR/map.mlr" "$@"; }
export -f miller
export DIR

# row TOOL USERS SECONDS [NOTE]
row() {
	local rate
	rate=$(calc "print $2 / $3")
	printf '  %-34s %10s  %-8s %s\n' "$1" "$(thousands "$rate")" \
		"$(ratio "$rate" "$base")" "${4:-}"
}

bench_transform() {
	local s floor five tenth=$((USERS / 10)) note="on a tenth"
	make_pages
	awk -v peer=jq -f "$HERE/peers.awk" rules/okta.lua >"$DIR/map.jq"
	awk -v peer=mlr -f "$HERE/peers.awk" rules/okta.lua >"$DIR/map.mlr"
	mkdir -p "$DIR/rules5"
	sed -f "$HERE/rules5.sed" rules/okta.lua >"$DIR/rules5/okta.lua"
	[ "$(grep -c 'function(u)' "$DIR/rules5/okta.lua")" -eq 5 ] ||
		die 'rules5.sed does not fit rules/okta.lua any more'
	check_same

	title "transform: $USERS users, $(tr , '\n' <"$DIR/map.jq" |
		wc -l) attributes, pages of $PAGE in and out, one process"
	printf '  %-34s %10s  %s\n' tool users/s 'to idmesh'
	s=$(seconds_of "'$IDMESH' transform <'$DIR/pages.$USERS'")
	base=$(calc "print $USERS / $s")
	floor=$(seconds_of "'$DIR/parse_floor' <'$DIR/pages.$USERS'")
	five=$(seconds_of "'$IDMESH' transform --rules '$DIR/rules5' \
		<'$DIR/pages.$USERS'")
	row 'yyjson, parse and nothing else' "$USERS" "$floor"
	row 'idmesh transform' "$USERS" "$s"
	row 'idmesh transform, 5 Lua functions' "$USERS" "$five"
	row "Miller $(mlr --version | awk '{ print $NF }'), many threads" $tenth \
		"$(seconds_of "miller '$DIR/users.tenth'")" "$note"
	row "$(gojq --version | awk '{ print $1, $2 }')" $tenth \
		"$(seconds_of "gojq -cf '$DIR/map.jq' '$DIR/arrays.tenth'")" "$note"
	row "$(jq --version | tr - ' ')" $tenth \
		"$(seconds_of "jq -cf '$DIR/map.jq' '$DIR/arrays.tenth'")" "$note"
}
