# import.sh - a whole org into SQLite: idmesh as a set and as a pipe, against
# Okta's own SDK; then nothing changed, 1 % changed, and ten times as much.
# Sourced by tests/bench/run.
# shellcheck shell=bash

# The simulator runs on the same cores; its CPU time is told for that reason.
sim_cpu() { awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) / hz }' "/proc/$sim/stat"; }
stats() { curl -sf "$url/_sim/stats" | jq "$1"; }
reset_stats() { curl -sf -X POST "$url/_sim/reset-stats" >/dev/null; }

# measured NAME COMMAND...: leaves $DIR/NAME.json; the command must end well.
measured() {
	local name=$1 before
	shift
	reset_stats
	before=$(sim_cpu)
	"$BUILD/tools/peak" "$DIR/$name.peak" "$@" >"$DIR/$name.out" 2>"$DIR/$name.log" ||
		die "$name ended with $?: $(tail -n 5 "$DIR/$name.log")"
	jq -c --argjson sim "$(calc "print $(sim_cpu) - $before")" \
		--argjson calls "$(stats .calls)" --argjson limited "$(stats .limited)" \
		'. + {$sim, $calls, $limited}' "$DIR/$name.peak" >"$DIR/$name.json"
}

of() { jq -r "$2" "$DIR/$1.json"; }

# setting FOLDER: an empty one with the configuration of a first import.
setting() {
	rm -rf "${DIR:?}/$1"
	mkdir -p "$DIR/$1"
	jq -n --arg url "$url" '{connector: "okta", name: "contoso",
		ConfigJson: {OrgDomain: "contoso.okta.com", BaseUrl: $url},
		AuthJson: {Mode: "ApiKey",
			ApiKey: "secret://okta/contoso/apitoken"}}' >"$DIR/$1/okta.json"
	jq -n --arg rules "$IDMESH_RULES" '{sources: ["okta.json"], $rules,
		state: "state.db", sinks: ["sqlite:mesh.db"]}' >"$DIR/$1/idmesh.json"
}

# better NAME: keeps the faster of NAME and NAME.other.
better() {
	jq -sc 'min_by(.seconds)' "$DIR/$1.json" "$DIR/$1.other" >"$DIR/$1.best"
	mv "$DIR/$1.best" "$DIR/$1.json"
}

# first NAME COMMAND...: a first import, the better of two.
first() {
	local name=$1
	shift
	setting "$name"
	measured "$name" "$@"
	mv "$DIR/$name.json" "$DIR/$name.other"
	setting "$name"
	measured "$name" "$@"
	better "$name"
}

# The pipe of the README, in a folder that setting() made.
pipeline() {
	cd "$DIR/$1" || return
	"$IDMESH" fetch okta.json \
		--resume <("$IDMESH" join begin --db state.db okta:contoso) |
		"$IDMESH" transform |
		"$IDMESH" join --db state.db \
			--after "$("$IDMESH" sink cursor sqlite:mesh.db)" |
		"$IDMESH" sink sqlite:mesh.db
}
export -f pipeline
export IDMESH DIR

# rows FILE.db: users, groups, memberships.
rows() {
	sqlite3 "$1" 'select (select count(*) from "User"),
		(select count(*) from "Group"), (select count(*) from GroupMember)'
}

# content FILE.db: a sum over every row, by the columns that the SDK's side has.
content() {
	local name columns
	for name in User Group GroupMember; do
		columns=$(sqlite3 "$DIR/sdk/mesh.db" "select
			group_concat('\"' || name || '\"') from pragma_table_info('$name')")
		sqlite3 "$1" "select $columns from \"$name\" order by ExternalId"
	done | sha256sum
}

# Okta's SDK, and better-sqlite3 compiled here: its ready-made binaries are
# not on every network.
install_sdk() {
	local log=$DIR/npm.log built=node_modules/better-sqlite3/build/Release
	mkdir -p "$DIR/node"
	cp "$HERE"/sdk-import/* "$DIR/node/"
	[ -e "$DIR/node/$built/better_sqlite3.node" ] && return
	echo "  building the SDK's side, once, in a minute or two" >&2
	(cd "$DIR/node" && npm_config_build_from_source=true \
		npm_config_nodedir=/usr npm install --no-package-lock --no-audit \
		--no-fund --loglevel=error) >"$log" 2>&1 ||
		die "cannot install Okta's SDK: $(tail -n 5 "$log")"
	[ -e "$DIR/node/$built/better_sqlite3.node" ] || echo \
		'  better-sqlite3 could not be compiled (it needs g++, python3' \
		'and /usr/include/node of libnode-dev): another writer instead' >&2
}

# The largest that each program has been, in MB.
peaks() {
	of "$1" '[.programs | to_entries[]
		| select(.key | test("^(idmesh-|node)"))
		| "\(.key | ltrimstr("idmesh-")) \(.value / 1024 | round)"]
		| join(", ")'
}

# to NAME PEER WHAT: by which factor they differ in seconds or cpu.
to() { ratio "$(of "$1" ".$3")" "$(of "$2" ".$3")"; }

# row_of TEXT NAME PEER: one line of the table.
row_of() {
	printf '  %-27s %6.1f s  %-7s %5.1f s  %-7s %7.1f s  %5d  %s\n' "$1" \
		"$(of "$2" .seconds)" "$(to "$2" "$3" seconds)" \
		"$(of "$2" .cpu)" "$(to "$2" "$3" cpu)" \
		"$(of "$2" .sim)" "$(of "$2" .calls)" "$(peaks "$2")"
	[ "$(of "$2" .limited)" -eq 0 ] || die "$2 was answered 429"
}

full_import() {
	first set "$IDMESH" run "$DIR/set/idmesh.json"
	first pipe bash -o pipefail -c 'pipeline pipe'
	measured fetch "$IDMESH" fetch "$DIR/pipe/okta.json"
	export OKTA_TOKEN=$IDMESH_SECRET_OKTA_CONTOSO_APITOKEN
	first sdk node "$DIR/node/import.mjs" "$url" "$DIR/sdk/mesh.db"
	for side in pipe sdk; do
		[ "$(content "$DIR/set/mesh.db")" = "$(content "$DIR/$side/mesh.db")" ] ||
			die "$side wrote other rows than idmesh run"
	done
	title "full import into SQLite, no rate limits:" \
		"$(rows "$DIR/set/mesh.db" | tr '|' /) users/groups/memberships"
	printf '  %-27s %8s  %-7s %7s  %-7s %9s  %5s  %s\n' tool wall 'to run' \
		CPU 'to run' simulator calls 'peak RSS, MB'
	row_of 'idmesh run' set set
	row_of 'idmesh in a pipe' pipe set
	row_of 'idmesh fetch alone' fetch set
	row_of "Okta's SDK, $(<"$DIR/sdk.out")" sdk set
}

nothing_changed() {
	local objects
	measured again "$IDMESH" run "$DIR/set/idmesh.json" --mode full
	mv "$DIR/again.json" "$DIR/again.other"
	measured again "$IDMESH" run "$DIR/set/idmesh.json" --mode full
	better again
	objects=$(rows "$DIR/set/mesh.db" | awk -F'|' '{ print $1 + $2 + $3 }')
	title 'a full pass in which nothing changed'
	printf '  %-27s %6.1f s, %s objects/s, %s of the first import\n' \
		'idmesh run --mode full' "$(of again .seconds)" \
		"$(thousands "$(calc "print $objects / $(of again .seconds)")")" \
		"$(ratio "$(of again .seconds)" "$(of set .seconds)")"
}

one_percent() {
	local n=$((IMPORT / 100))
	curl -sf -X POST "$url/_sim/mutate" -d "{\"change\":$((n * 8 / 10)),
		\"create\":$((n / 10)), \"deprovision\":$((n / 10)),
		\"move\":$((n / 2)), \"groups\":30}" >/dev/null
	measured delta "$IDMESH" run "$DIR/set/idmesh.json"
	title "a delta after $n users and 30 groups changed"
	printf '  %-27s %6.1f s, %d calls; a full import takes %d: %s\n' \
		'idmesh run' "$(of delta .seconds)" "$(of delta .calls)" \
		"$(of set .calls)" "$(ratio "$(of delta .calls)" "$(of set .calls)")"
	printf '  %-27s %d calls, every time\n' "Okta's SDK" "$(of sdk .calls)"
}

growth() {
	local n=$((IMPORT / 10))
	start_org $n $((n / 50)) $((n * 4))
	first small "$IDMESH" run "$DIR/small/idmesh.json"
	title "growth: $n users against $IMPORT"
	printf '  %-27s   time x %.1f, CPU x %.1f; MB %s -> %s\n' 'idmesh run' \
		"$(calc "print $(of set .seconds) / $(of small .seconds)")" \
		"$(calc "print $(of set .cpu) / $(of small .cpu)")" \
		"$(peaks small)" "$(peaks set)"
}

bench_import() {
	install_sdk
	start_org "$IMPORT" $((IMPORT / 50)) $((IMPORT * 4))
	full_import
	nothing_changed
	one_percent
	growth
	stop_org
}
