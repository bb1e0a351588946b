# Shared by the scripts beside it; to be sourced, not run. bash.
#
# The get-* scripts unpack Debian packages into a folder without installing them. Each tool brings its own
# C library and loader from the suite it was built for, so that it runs on hosts with an older one, and
# nothing on the host changes.

# The repository, and the folder for fetched tools (git-ignored; ELECTRUMX_TOOLS_DIR moves it).
repo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools_dir=${ELECTRUMX_TOOLS_DIR:-$repo_root/.tools}

# Messages go to stderr: stdout carries the answer only.
log() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
	log "error: $*"
	exit 1
}

# host_suite: the code name of the Debian release this host is, e.g. "bookworm".
host_suite() {
	[ -r /etc/os-release ] || return 1
	(
		# shellcheck disable=SC1091
		. /etc/os-release
		[ "${ID:-}" = debian ] && [ -n "${VERSION_CODENAME:-}" ] && echo "$VERSION_CODENAME"
	)
}

# debian_mirror SUITE: "URI KEYRING" of the host's own apt source for SUITE. Only the plain archive counts
# (path ending in /debian): not the security one, nor other vendors'.
debian_mirror() {
	local suite=$1 etc=${APT_ETC:-/etc/apt} f
	for f in "$etc"/sources.list "$etc"/sources.list.d/*.list "$etc"/sources.list.d/*.sources; do
		[ -r "$f" ] || continue
		case $f in
		*.sources) # deb822: stanzas of "Field: value", continuation lines start with a blank
			awk -v suite="$suite" '
				function flush(  n, u, i, has) {
					n = split(v["suites"], s, " "); has = 0
					for (i = 1; i <= n; i++) if (s[i] == suite) has = 1
					if (has && (" " v["types"] " ") ~ / deb / && v["enabled"] != "no") {
						n = split(v["uris"], u, " ")
						for (i = 1; i <= n; i++) print u[i], v["signed-by"]
					}
					split("", v); key = ""
				}
				/^#/ { next }
				/^[ \t]*$/ { flush(); next }
				/^[ \t]/ { if (key != "") { sub(/^[ \t]+/, ""); v[key] = v[key] " " $0 } next }
				{ i = index($0, ":"); key = tolower(substr($0, 1, i - 1))
				  x = substr($0, i + 1); sub(/^[ \t]+/, "", x); sub(/[ \t\r]+$/, "", x); v[key] = x }
				END { flush() }' "$f"
			;;
		*) # one line: deb [options] URI SUITE COMPONENT...
			awk -v suite="$suite" '
				$1 == "deb" {
					by = ""; sub(/^[ \t]*deb[ \t]+/, "")
					if (/^\[/) {
						o = substr($0, 2, index($0, "]") - 2); $0 = substr($0, index($0, "]") + 1)
						n = split(o, p, " ")
						for (i = 1; i <= n; i++) if (p[i] ~ /^signed-by=/) by = substr(p[i], 11)
					}
					if ($2 == suite) print $1, by
				}' "$f"
			;;
		esac
	done | awk '$1 ~ /^https?:\/\/.*\/debian\/?$/ { print; exit }' | {
		read -r uri keyring _ || return 1
		# A key can also be written into the source itself, or be one of several: then the system's.
		if ! [ -r "${keyring:-}" ]; then
			for keyring in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
				[ -r "$keyring" ] && break
			done
		fi
		[ -r "$keyring" ] || die "no Debian archive keyring: install the package debian-archive-keyring"
		echo "${uri%/} $keyring"
	}
}

# apt_private DIR SUITE...: a private apt in DIR reading only those suites of the host's own mirror.
# Afterwards `apt_in DIR get|cache ...` uses it; no root is needed and the host's apt is left alone, except
# that its proxy and login settings are honoured.
apt_private() {
	local dir=$1 base mirror keyring s
	shift
	command -v apt-get >/dev/null || die "no apt-get on this host"
	base=$(host_suite) || die "not a Debian host: no package can be taken for it"
	read -r mirror keyring < <(debian_mirror "$base") ||
		die "no entry for the suite '$base' with an address ending in /debian in the host's apt sources"
	mkdir -p "$dir"/{lists/partial,cache/archives/partial}
	: >"$dir/status" # a dpkg status without any package: everything counts as missing
	for s; do
		echo "deb [arch=$(dpkg --print-architecture) signed-by=$keyring] $mirror $s main"
	done >"$dir/sources.list"
	# Read after the host's configuration. The hooks there would clean the host's caches.
	cat >"$dir/apt.conf" <<-END
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear Acquire::IndexTargets::deb::DEP-11;
		#clear Acquire::IndexTargets::deb::CNF;
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::State "$dir";
		Dir::State::lists "$dir/lists";
		Dir::State::status "$dir/status";
		Dir::State::extended_states "$dir/extended_states";
		Dir::Cache "$dir/cache";
		Acquire::Languages "none";
		Acquire::Retries "3";
		APT::Sandbox::User "root";
		APT::Install-Recommends "false";
		APT::Get::Assume-Yes "true";
		Debug::NoLocking "true";
	END
	apt_in "$dir" get -qq update >&2 ||
		die "the package lists of $* cannot be fetched from the host's Debian mirror (offline? old debian-archive-keyring?)"
}

apt_in() {
	local dir=$1 tool=$2
	shift 2
	LC_ALL=C "apt-$tool" -c "$dir/apt.conf" "$@"
}

# apt_pretend DIR PACKAGE...: count these as installed, so that they (and what only they need) stay away.
apt_pretend() {
	local dir=$1 p
	shift
	for p; do
		printf 'Package: %s\nStatus: install ok installed\nVersion: 9999\nArchitecture: all\nMulti-Arch: foreign\nMaintainer: none\nDescription: not needed\n\n' "$p"
	done >>"$dir/status"
}

# apt_unpack DIR ROOT PACKAGE[/SUITE]...: download the packages with all they depend on, unpack into ROOT.
apt_unpack() {
	local dir=$1 root=$2 plan deb
	shift 2
	plan=$(apt_in "$dir" get -s install "$@") || {
		printf '%s\n' "$plan" >&2 # it says what is in the way
		die "the Debian mirror has no installable: $*"
	}
	mkdir -p "$dir/debs" "$root"
	# "Inst NAME (VERSION ...": exactly the versions of the plan
	plan=$(awk '$1 == "Inst" { print $2 "=" substr($3, 2) }' <<<"$plan")
	# shellcheck disable=SC2086
	(cd "$dir/debs" && apt_in "$dir" get -qq download $plan >&2) || die "download of $* failed"
	for deb in "$dir"/debs/*.deb; do
		dpkg-deb -x "$deb" "$root" || die "cannot unpack ${deb##*/}"
	done
}

# write_wrapper ROOT FILE COMMAND [LINE...]: FILE starts COMMAND (a path below ROOT, may be followed by
# arguments) with the loader and libraries of ROOT. FILE lies beside ROOT; both can be moved together.
# Further LINEs go in front of the start and may use $root.
write_wrapper() {
	local root=$1 file=$2 cmd=$3 ld libs
	shift 3
	ld=$(cd "$root" && find usr/lib usr/lib64 lib lib64 -name 'ld-linux*.so.*' 2>/dev/null | sed -n 1p) || true
	[ -n "$ld" ] || die "no loader in the unpacked libc6"
	# Before Debian 13 some libraries are in /lib, the others in /usr/lib.
	libs=$(cd "$root" && find usr/lib lib -name '*.so*' -path '*-linux-gnu*/lib*' -prune -printf '%h\n' 2>/dev/null |
		grep -- '-linux-gnu[^/]*$' | sort -u | sed 's|^|$root/|' | paste -s -d :) || true
	[ -n "$libs" ] || die "no libraries in the unpacked packages"
	{
		echo '#!/bin/sh'
		echo 'here=$(dirname "$(readlink -f "$0")")'
		echo "root=\$here/${root##*/}"
		for line; do echo "$line"; done
		echo "exec \"\$root/$ld\" --library-path \"$libs\" \"\$root\"/$cmd \"\$@\""
	} >"$file"
	chmod +x "$file"
}

# with_lock NAME: waits until no other process fetches the same tool; released when the script ends.
with_lock() {
	mkdir -p "$tools_dir" || die "cannot write to $tools_dir (set ELECTRUMX_TOOLS_DIR to another folder)"
	exec 9>"$tools_dir/.$1.lock"
	flock -n 9 || {
		log "waiting for another run that fetches the same"
		flock 9
	}
}
