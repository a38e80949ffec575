# Functions that start, watch and stop shoal nodes on this machine, on its loopback interface or on
# networks of their own (scripts/networks.sh), for the scripts that source this file from the root of the
# repository.
#
# Everything about a node is in a directory below $state: its process, its log, its ports file with
# all URLs, and "ports", the ports that it keeps when it is started again. Names are node-1, node-2
# and so on; node-T is the temporary one of scripts/rolling-upgrade.

state=${SHOAL_CLUSTER_STATE:-.run/cluster}
shoal=$PWD/bin/shoal
deadline=15 # seconds for a node to start, to find its peers, to pass on a message, or to stop

source scripts/networks.sh

# The credentials of whoever calls must not get in the way: these nodes have none.
unset SHOAL_URL NATS_URL SHOAL_USER SHOAL_PASS SHOAL_AUTH

fail() {
	echo "$0: $*" >&2
	exit 1
}

# started_at PID: prints when a process was started, in whatever unit. Together with its number it
# is the identity of a process: the number alone is used again some day.
started_at() {
	if [[ -d /proc/self ]]; then
		local stat fields
		stat=$(cat "/proc/$1/stat" 2>/dev/null) || return
		# The program's name, in parentheses, may contain blanks: count the fields after it.
		read -r -a fields <<<"${stat##*)}"
		[[ ${fields[0]} != Z ]] || return
		echo "${fields[19]}"
	else
		ps -o lstart= -p "$1"
	fi
}

# process_of DIR: prints the process number of a node, if that node still runs.
process_of() {
	local pid start
	{ read -r pid && read -r start; } <"$1/process" 2>/dev/null || return
	[[ -n $start && $(started_at "$pid") == "$start" ]] || return
	echo "$pid"
}

# is_frozen DIR: reports whether the process of a node is stopped.
is_frozen() {
	local pid
	pid=$(process_of "$1") || return
	[[ $(ps -o state= -p "$pid") == T* ]]
}

has_ended() { ! process_of "$1" >/dev/null; }

# url_of DIR KEY: prints a URL of a node, once its ports file is there.
url_of() {
	local file
	for file in "$1"/*.ports; do
		[[ -f $file ]] || return 0
		sed -n 's/.*"'"$2"'":\["\([^"]*\)".*/\1/p' "$file"
		return
	done
}

# port_of DIR KEY: prints the port of that URL.
port_of() {
	local url
	url=$(url_of "$1" "$2")
	echo "${url##*:}"
}

# wait_for COMMAND...: waits until a command succeeds.
wait_for() {
	local end=$((SECONDS + deadline))
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

# nodes: prints the directories of all nodes, in their order.
nodes() {
	local dir name
	for dir in "$state"/node-*; do
		[[ ! -d $dir ]] || echo "${dir##*/node-}"
	done | sort -n | while read -r name; do echo "$state/node-$name"; done
}

# running: prints the directories of the nodes that run.
running() {
	local dir
	for dir in $(nodes); do
		has_ended "$dir" || echo "$dir"
	done
}

# urls KEY: prints the URLs of all running nodes, separated by commas.
urls() {
	local dir all=
	for dir in $(running); do all+=,$(url_of "$dir" "$1"); done
	echo "${all#,}"
}

is_ready() { [[ -n $(url_of "$1" nats) ]]; }

is_ready_or_gone() { is_ready "$1" || has_ended "$1"; }

# start DIR URLS [BINARY]: starts a node that joins the others through their cluster URLS, and
# returns when it serves clients. It listens on the ports that it had before, or on free ones. It
# gossips if there is a file $state/gossip.
start() {
	local dir=$1 routes=$2 binary=${3:-$shoal} pid flag
	local client=-1 cluster=-1 monitoring=-1
	local -a flags=() extra=() inside=()
	mkdir -p "$dir"
	if has_networks; then
		make_network "$dir"
		inside=(ip netns exec "$(namespace_of "$dir")")
	fi
	if [[ -f $dir/ports ]]; then read -r client cluster monitoring <"$dir/ports"; fi
	if [[ -f $state/gossip ]]; then
		flags=(--gossip_profile local)
		if [[ -n $routes ]]; then flags+=(--join "$routes"); fi
	elif [[ -n $routes ]]; then
		flags=(--routes "$routes")
	fi
	if [[ -f $state/flags ]]; then while IFS= read -r flag; do extra+=("$flag"); done <"$state/flags"; fi
	rm -f "$dir"/*.ports # a node that was killed has left its own
	# Clients that are asked to leave a local node need no long time for it.
	nohup ${inside[@]+"${inside[@]}"} "$binary" -a "$(address_of "$dir" clients)" -p "$client" -m "$monitoring" \
		--cluster "nats://$(address_of "$dir" cluster):$cluster" \
		-n "${dir##*/}" --ports_file_dir "$dir" -l "$dir/log" \
		--lame_duck_duration 5s --lame_duck_grace_period 1s \
		${flags[@]+"${flags[@]}"} ${extra[@]+"${extra[@]}"} </dev/null >"$dir/output" 2>&1 &
	pid=$!
	disown "$pid"
	printf '%s\n%s\n' "$pid" "$(started_at "$pid")" >"$dir/process"
	wait_for is_ready_or_gone "$dir" || true
	if ! is_ready "$dir"; then
		tail -n 5 "$dir/log" "$dir/output" >&2 2>/dev/null || true
		return 1
	fi
	echo "$(port_of "$dir" nats) $(port_of "$dir" cluster) $(port_of "$dir" monitoring)" >"$dir/ports"
}

# signal DIR SIGNAL: sends a signal to a node, if it still runs.
signal() {
	local pid
	if pid=$(process_of "$1"); then
		kill "-$2" "$pid" 2>/dev/null || true
	fi
}

# stop DIR...: stops nodes.
stop() {
	local dir
	for dir; do
		signal "$dir" TERM
		signal "$dir" CONT # or one that is frozen would not see it
	done
	for dir; do
		if ! wait_for has_ended "$dir"; then
			echo "${dir##*/} does not stop, killing it" >&2
			signal "$dir" KILL
		fi
	done
}

# stop_all: stops all nodes that run.
stop_all() {
	local dir
	local -a all=()
	for dir in $(running); do all+=("$dir"); done
	stop ${all[@]+"${all[@]}"}
}

# page DIR PATH: prints a monitoring page of a node. Bash does it, since not everybody has curl.
page() {
	local port line
	port=$(port_of "$1" monitoring)
	[[ -n $port ]] && ! is_frozen "$1" || return
	{
		printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&9
		while read -r line && [[ $line != $'\r' ]]; do :; done <&9
		cat <&9
	} 9<>"/dev/tcp/$(address_of "$1" clients)/$port"
} 2>/dev/null

# routes_of DIR: prints how many peers a node has routes to whose interest it knows.
routes_of() { page "$1" /routez | grep -c '"synchronized": true' || true; }

# is_mesh: reports whether every running node knows every other.
is_mesh() {
	local dir dirs
	dirs=$(running)
	for dir in $dirs; do
		[[ $(routes_of "$dir") == $(($(wc -w <<<"$dirs") - 1)) ]] || return 1
	done
}

# show: prints a table of the nodes.
show() {
	local dir pid
	printf '%-8s %8s %7s  %-26s %-26s %-26s %s\n' NODE PROCESS ROUTES CLIENTS CLUSTER MONITORING LOG
	for dir in $(nodes); do
		if ! pid=$(process_of "$dir"); then
			pid=gone
		elif is_apart "$dir"; then
			pid=apart
		fi
		! is_frozen "$dir" || pid=frozen
		printf '%-8s %8s %7s  %-26s %-26s %-26s %s\n' "${dir##*/}" "$pid" "$(routes_of "$dir")" \
			"$(url_of "$dir" nats)" "$(url_of "$dir" cluster)" "$(url_of "$dir" monitoring)" "$dir/log"
	done
}
