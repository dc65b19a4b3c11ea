#!/usr/bin/env bash
# units.sh - the units of systemd, as `make install` leaves them: right by
# systemd's own judgement, closed, and taken away again.
. tests/setup.sh

root=$TMP/root
# A test builds nothing: the programs are as old as they are.
install_tree() {
	env -u MAKEFLAGS -u MAKELEVEL make -s -o programs BUILD="$BUILD" \
		PREFIX="$root" "$1"
}
ok 'make install' install_tree install
units=$root/lib/systemd/system
is 'they are there' "$(ls "$units")" "$(cd "$ROOT/scripts/units" && ls ./idmesh*@* | cut -c 3-)"
is 'so is their user' "$(grep -c '^u idmesh ' "$root/lib/sysusers.d/idmesh.conf")" 1
is 'so are the man pages' "$(find "$root/share/man" -name 'idmesh-*' | wc -l)" \
	"$(ls "$ROOT"/*/*.1 | wc -l)"
ok 'so are the rules for two sources' cmp "$ROOT/rules/two-sources/merge.lua" \
	"$root/share/idmesh/rules/two-sources/merge.lua"
cp -r "$root/share/idmesh/rules/two-sources" "$TMP/etc-rules"
ok 'which are whole by themselves' "$root/bin/idmesh" transform check \
	--rules "$TMP/etc-rules"
unlike 'the prefix is filled in' "$(cat "$units"/*)" '@PREFIX@'

for unit in idmesh@contoso.service idmesh-round@contoso.service \
	idmesh-round@contoso.timer idmesh-transform@contoso.service; do
	run systemd-analyze verify --man=no "$units/$unit"
	is "systemd has nothing to say about $unit" "$status:$out$err" 0:
done
for unit in "$units"/*.service; do
	# In tenths; 100 is wide open, 50 what most services have.
	ok "${unit##*/} is closed" systemd-analyze security --offline=true \
		--threshold=15 "$unit"
done
# Does a mistake show at all?
sed 's/^ProtectHome=/ProtectHorse=/' "$units/idmesh@.service" \
	>"$TMP/wrong@.service"
run systemd-analyze verify --man=no "$TMP/wrong@x.service"
like 'a wrong unit would be noticed' "$err" ProtectHorse

# What the units promise on the command line exists.
for unit in "$units"/*.service; do
	read -r program verb options <<<"$(sed -n 's/^ExecStart=//p' "$unit")"
	is "${unit##*/} starts what was installed" "$program" "$root/bin/idmesh"
	help=$("$program" "$verb" --help)
	for option in $(grep -oE -- '--[a-z-]+' <<<"$options"); do
		like "with an option that there is: $option" "$help" "$option"
	done
done

# calls SET...: the system calls behind names of systemd.
calls() {
	local name
	for name in "$@"; do
		case $name in
		@*) calls $(systemd-analyze syscall-filter "$name" |
			awk 'NR > 1 && $1 !~ /^#/ { print $1 }') ;;
		*) echo "$name" ;;
		esac
	done
}
# permitted UNIT: what its filter lets through, line after line of it.
permitted() {
	local line
	: >"$TMP/permitted"
	while read -r line; do
		calls ${line#\~} | sort -u >"$TMP/named"
		case $line in
		\~*) comm -23 "$TMP/permitted" "$TMP/named" ;;
		*) sort -u "$TMP/permitted" "$TMP/named" ;;
		esac >"$TMP/now"
		mv "$TMP/now" "$TMP/permitted"
	done < <(sed -n 's/^SystemCallFilter=//p' "$1")
	cat "$TMP/permitted"
}
# libzmq aborts where it may not name the policy of its threads.
for unit in "$units"/*.service; do
	is "${unit##*/} lets ZeroMQ make its threads" \
		"$(permitted "$unit" | grep -xE 'clone3|sched_setscheduler|setpriority' |
			paste -sd ' ')" 'clone3 sched_setscheduler'
done

# Nor may it do without the interfaces where it listens on tcp, which "hosts"
# of a run file asks for.
for unit in idmesh@ idmesh-round@; do
	like "$unit lets ZeroMQ listen on tcp" \
		"$(grep '^RestrictAddressFamilies=' "$units/$unit.service")" AF_NETLINK
done

# A mesh that a timer keeps sees hard deletes as late as one that a service keeps.
full_every() { grep -o -- '--full-every [^ ]*' "$units/$1"; }
is 'rounds are full as often by a timer' "$(full_every idmesh-round@.service)" \
	"$(full_every idmesh@.service)"

# systemd orders units that conflict only where one is said to be after the other.
round=$units/idmesh-round@.service
is 'a round waits for the end of what it takes the place of' \
	"$(sed -n 's/^After=\(idmesh@\)/\1/p' "$round")" \
	"$(sed -n 's/^Conflicts=//p' "$round")"

is 'and its timer is in place of the same' \
	"$(sed -n 's/^Conflicts=//p' "${round%.service}.timer")" \
	"$(sed -n 's/^Conflicts=//p' "$round")"

# A unit whose environment cannot be read fails at every start, and Restart=
# has no exit code to judge by.
transform=$units/idmesh-transform@.service
is 'transforms are not started without their file' \
	"$(sed -n 's/^AssertPathExists=//p' "$transform")" \
	"$(sed -n 's/^EnvironmentFile=//p' "$transform")"

# A full disk or a lock that is held is no reason to be off until somebody looks.
is 'a service that fails for a time is never given up' \
	"$(grep -E '^(Restart|StartLimit.*)=' "$units/idmesh@.service" | paste -sd ' ')" \
	'StartLimitIntervalSec=0 Restart=on-failure'

# The references of config(5) are what the units are handed.
for unit in idmesh@ idmesh-round@; do
	is "$unit hands over every secret of config(5)'s examples" \
		"$(sed -n 's/^LoadCredentialEncrypted=//p' "$units/$unit.service" |
			sed 's/%i/contoso/' | sort)" \
		"$(sed -n 's,.*"secret://\([^"]*\)".*,\1,p' lib/config.5 | tr / . | sort -u)"
done

# A credential is found by the name that the unit gives it.
name=$(sed -n 's/^LoadCredentialEncrypted=\(okta.*\)/\1/p' \
	"$units/idmesh@.service" | sed s/%i/contoso/)
mkdir "$TMP/credentials"
printf %s "$TOKEN" >"$TMP/credentials/$name"
chmod 400 "$TMP/credentials/$name"
chmod 500 "$TMP/credentials"
run env -u IDMESH_SECRET_OKTA_CONTOSO_APITOKEN \
	CREDENTIALS_DIRECTORY="$TMP/credentials" \
	"$IDMESH" secret which secret://okta/contoso/apitoken
like 'fetch finds it' "$out" "$TMP/credentials/$name"

ok 'make uninstall' install_tree uninstall
is 'nothing is left' "$(find "$root" -type f)" ''

done_testing
