# carry.sh - messages a second through each transport, at the size of a page,
# and how much CPU a gigabyte costs.  Sourced by tests/bench/run.
# shellcheck shell=bash

MESSAGES=${BENCH_MESSAGES:-4000}
PAGE_BYTES=226000 # 200 users of orgsim

# The keys of two programs that know each other.
make_keys() {
	local keys=$DIR/keys
	rm -rf "$keys"
	mkdir -p "$keys/peers/join" "$keys/peers/transform"
	chmod 700 "$keys"
	"$IDMESH" keygen "$keys/a" >/dev/null
	"$IDMESH" keygen "$keys/b" >/dev/null
	cp "$keys/a.pub" "$keys/peers/join/a.pub"
	cp "$keys/b.pub" "$keys/peers/transform/b.pub"
}

# carry_row NAME SECONDS CPU
carry_row() {
	local rate
	rate=$(calc "print $MESSAGES / $2")
	base=${base:-$rate}
	printf '  %-26s %9s %8s  %-8s %6.2f s/GB\n' "$1" \
		"$(thousands "$rate")" \
		"$(thousands "$(calc "print $rate * $PAGE_BYTES / 1e6")")" \
		"$(ratio "$rate" "$base")" \
		"$(calc "print $3 / ($MESSAGES * $PAGE_BYTES / 1e9)")"
}

# The better of two.
carried() {
	local name=$1 result
	shift
	result=$(for _ in 1 2; do
		timeout 60 "$BUILD/tools/carry" "$1" "$MESSAGES" "$PAGE_BYTES" "${@:2}" ||
			exit 111
	done | jq -sc min_by\(.seconds\)) || die "carry $1 failed"
	carry_row "$name" "$(jq .seconds <<<"$result")" "$(jq .cpu <<<"$result")"
}

# What a shell has anyway, for as many bytes.
cats() {
	"$BUILD/tools/peak" "$DIR/cats" bash -c "head -c $((MESSAGES * PAGE_BYTES)) /dev/zero |
		cat | cat >/dev/null"
	carry_row 'head | cat | cat' "$(jq .seconds "$DIR/cats")" \
		"$(jq .cpu "$DIR/cats")"
}

bench_carry() {
	local base=
	make_keys
	title "$MESSAGES messages of $PAGE_BYTES bytes (200 users) between two processes"
	printf '  %-26s %9s %8s  %-8s %s\n' transport messages/s MB/s \
		'to pipe' 'CPU, both sides'
	carried 'pipe, lines' pipe
	carried 'ipc, acknowledged' "ipc://$DIR/carry/socket"
	carried 'tcp on loopback' 'tcp://127.0.0.1:*'
	carried 'tcp with CURVE' 'tcp://127.0.0.1:*' "$DIR/keys"
	cats
}
