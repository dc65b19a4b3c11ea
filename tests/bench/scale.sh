# scale.sh - one transform against two, of rules that cost: as workers of one
# program, and as two programs on the bus.  Sourced by tests/bench/run.
# shellcheck shell=bash

SCALE=${BENCH_SCALE:-20000}

# The rules of the org, and five functions that work for their value.
costly_rules() {
	mkdir -p "$DIR/costly"
	sed -e 's/^\(map "okta.User" {\)$/local function work(text)\n  local n = 0\n  for i = 1, 100 do n = (n * 31 + text:byte(i % #text + 1)) % 65521 end\n  return n\nend\n\n\1/' \
		-e 's/= "\(profile\.\(login\|email\|firstName\|lastName\|department\)\)",$/= function(u) return work(u.\1 or "-") end,/' \
		rules/okta.lua >"$DIR/costly/okta.lua"
	[ "$(grep -c 'return work(u' "$DIR/costly/okta.lua")" -eq 5 ] ||
		die 'the costly rules do not fit rules/okta.lua any more'
}

# Workers of one transform, behind a pipe.
in_a_pipe() { quietly "'$IDMESH' transform --rules '$DIR/costly' -j $1 <'$DIR/pages.scale' >'$DIR/mapped.$1'"; }

# So many programs on the bus; tests/tools/jobs plays fetch and join.
on_the_bus() {
	local i pids=() jobs=ipc://$DIR/bus/jobs commit=ipc://$DIR/bus/join
	for ((i = 0; i < $1; i++)); do
		"$IDMESH" transform --rules "$DIR/costly" --jobs "$jobs" \
			--commit "$commit" 2>>"$DIR/log" &
		pids+=($!)
	done
	"$BUILD/tools/jobs" "$jobs" "$commit" <"$DIR/pages.scale" \
		>"$DIR/bused.$1" 2>"$DIR/log" || die "jobs: $(tail -n 3 "$DIR/log")"
	kill "${pids[@]}"
	wait "${pids[@]}" || :
}

timed() {
	local before=$EPOCHREALTIME
	"$@"
	calc "print $EPOCHREALTIME - $before"
}

# What came out, whatever its order and who did it.
sum_of() { jq -c '[.seq, .records]' "$1" | sort | sha256sum; }

scale_row() {
	local one two
	one=$(timed "$2" 1)
	two=$(timed "$2" 2)
	printf '  %-38s %10s %10s  %s\n' "$1" \
		"$(thousands "$(calc "print $SCALE / $one")")" \
		"$(thousands "$(calc "print $SCALE / $two")")" "$(ratio "$one" "$two")"
}

bench_scale() {
	costly_rules
	USERS=$SCALE make_pages
	cp "$DIR/pages.$SCALE" "$DIR/pages.scale"
	title "transform: $SCALE users, five costly Lua functions, $(nproc) cores"
	printf '  %-38s %10s %10s  %s\n' 'users/s' one two 'two to one'
	scale_row 'workers of one program (-j), in a pipe' in_a_pipe
	scale_row 'programs on the bus (ipc)' on_the_bus
	[ "$(sum_of "$DIR/mapped.1")" = "$(sum_of "$DIR/mapped.2")" ] &&
		[ "$(sum_of "$DIR/mapped.1")" = "$(sum_of "$DIR/bused.2")" ] ||
		die 'one and two did not map to the same'
}
