# merge.sh - the merge of two sources: from a filled connector space to the
# committed mesh, and a delta of one percent after it.
# Sourced by tests/bench/run.
# shellcheck shell=bash

MERGE=${BENCH_MERGE:-50000} # of each source; 1000000 is the size to reach

merge_rules() {
	mkdir -p "$DIR/merge-rules"
	cat >"$DIR/merge-rules/rules.lua" <<'END'
for _, c in ipairs{ "okta", "entra" } do
  map(c .. ".User") {
    login = "login", email = "email", firstName = "f", lastName = "l",
    displayName = "d", title = "t", department = "dep", accountEnabled = "a",
    city = "c", countryCode = "cc", mobilePhone = "m", organization = "o",
    employeeNumber = "n",
  }
end
join "User" {
  sources = { "okta", "entra" },
  { "employeeNumber" }, { "email", norm = "lower" },
}
flow "User" {
  ["*"] = { "okta", "entra" }, title = { "entra", "okta" },
  accountEnabled = { all = { "okta", "entra" } },
}
END
}

# fed WHAT: feeds it to join; what that took is in $DIR/merge.WHAT.  Pages
# without ends leave a run that can be gone on with: that is code 111.
fed() {
	"$DIR/merge_feed" "$1" "$MERGE" |
		"$BUILD/tools/peak" "$DIR/merge.$1" "$BUILD/idmesh-join" --db "$DIR/merge.db" \
			--rules "$DIR/merge-rules" >"$DIR/merge.out" 2>"$DIR/merge.log" || :
}
took() { jq -r "$2" "$DIR/merge.$1"; }
people() { sqlite3 "$DIR/merge.db" 'SELECT count(*) FROM body'; }

merge_line() {
	printf '  %-27s %6.1f s, CPU %.1f s, %s\n' "$2" "$(took "$1" .seconds)" \
		"$(took "$1" .cpu)" "$3"
}

bench_merge() {
	local objects=$((MERGE * 2))
	tool merge_feed
	merge_rules
	rm -f "$DIR"/merge.db*
	title "two sources of $MERGE people, 95 % of them the same"
	fed pages
	merge_line pages 'into the connector space' \
		"$(thousands "$(calc "print $objects / $(took pages .seconds)")") objects/s"
	[ "$(people)" -eq 0 ] || die 'the merge came before its time'
	fed ends
	merge_line ends 'merged into the mesh' \
		"$(thousands "$(calc "print $objects / $(took ends .seconds)")") objects/s, $(took ends '[.programs[]] | max / 1024 | floor') MB"
	[ "$(people)" -gt "$MERGE" ] && [ "$(people)" -lt $((MERGE * 11 / 10)) ] ||
		die "$(people) people out of twice $MERGE: $(<"$DIR/merge.log")"
	fed delta
	merge_line delta "a delta of $((MERGE / 100)) people" \
		"$(ratio "$(took delta .cpu)" "$(took ends .cpu)") of the CPU of all"
}
