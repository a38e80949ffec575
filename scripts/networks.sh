# Functions that give each node of a cluster a network of its own, which can be cut off from those of
# the others, for scripts/nodes.sh and the scripts that source that.
#
# A node is in a network namespace with two interfaces. One goes to a switch that only nodes are at; there
# is another switch, for those that are cut off. The other interface goes to this machine, so that clients
# and the monitoring page stay within reach whatever happens between the nodes. All of that takes root.
#
# Names and addresses have a number that is made from the name of $state, so that several clusters get
# along: namespaces shoal-7 for the switches and shoal-7-1 for node-1, an interface shoal7 on this
# machine, addresses 10.201.7.11 for clients of node-1, and 10.202.7.11 for other nodes.

# has_networks: reports whether the nodes have networks of their own.
has_networks() { [[ -f $state/networks ]]; }

# network_number: prints the number of the cluster.
network_number() {
	local sum
	sum=$(cksum <<<"$(readlink -f "$state")")
	echo $((${sum%% *} % 250 + 1))
}

# can_have_networks: fails if networks cannot be made here.
can_have_networks() {
	[[ $(uname) == Linux ]] || fail "networks of their own need Linux"
	command -v ip >/dev/null || fail "networks of their own need the program ip, in Debian's package iproute2"
	((EUID == 0)) || fail "only root can make networks for the nodes: sudo scripts/cluster up ..."
}

# make_switches: makes what the networks of nodes are connected to.
make_switches() {
	local id switch
	id=$(network_number)
	remove_networks
	ip netns add "shoal-$id"
	for switch in mesh away; do
		ip -n "shoal-$id" link add "$switch" type bridge
		ip -n "shoal-$id" link set "$switch" up
	done
	ip link add "shoal$id" type bridge
	ip address add "10.201.$id.1/24" dev "shoal$id"
	ip link set "shoal$id" up
	touch "$state/networks"
}

# place_of DIR: prints the place of a node among the others, a number. It is 100 for the temporary one.
place_of() {
	local name=${1##*/node-}
	if [[ $name == T ]]; then name=100; fi
	echo "$name"
}

# namespace_of DIR: prints the name of a node's namespace.
namespace_of() { echo "shoal-$(network_number)-$(place_of "$1")"; }

# address_of DIR PURPOSE: prints the address at which a node serves clients, or cluster.
address_of() {
	local net=201
	has_networks || { echo 127.0.0.1; return; }
	if [[ $2 == cluster ]]; then net=202; fi
	echo "10.$net.$(network_number).$(($(place_of "$1") + 10))"
}

# make_network DIR: makes the network of a node, unless that is there.
make_network() {
	local id place space
	id=$(network_number) place=$(place_of "$1") space=$(namespace_of "$1")
	! ip netns list | grep -q "^$space\b" || return 0
	ip netns add "$space"
	ip -n "$space" link set lo up
	ip link add "shoal$id-$place" type veth peer name clients netns "$space"
	ip link set "shoal$id-$place" master "shoal$id" up
	ip -n "shoal-$id" link add "node-$place" type veth peer name cluster netns "$space"
	ip -n "shoal-$id" link set "node-$place" master mesh up
	ip -n "$space" address add "$(address_of "$1" clients)/24" dev clients
	ip -n "$space" address add "$(address_of "$1" cluster)/24" dev cluster
	ip -n "$space" link set clients up
	ip -n "$space" link set cluster up
}

# plug DIR SWITCH: has the line to the other nodes end at a switch, mesh or away, without the node being told.
plug() {
	ip -n "shoal-$(network_number)" link set "node-$(place_of "$1")" master "$2"
	if [[ $2 == away ]]; then touch "$1/apart"; else rm -f "$1/apart"; fi
}

# is_apart DIR: reports whether a node is cut off.
is_apart() { [[ -f $1/apart ]]; }

# remove_networks: removes all networks of the cluster. Namespaces take their time to end, so the interfaces on
# this machine, whose names are wanted again, are removed beforehand.
remove_networks() {
	local id name
	id=$(network_number)
	ip -o link show | while IFS=': @' read -r _ name _; do
		[[ ! $name =~ ^shoal$id(-[0-9]+)?$ ]] || ip link delete "$name"
	done
	ip netns list | while read -r name _; do
		[[ ! $name =~ ^shoal-$id(-[0-9]+)?$ ]] || ip netns delete "$name"
	done
}
