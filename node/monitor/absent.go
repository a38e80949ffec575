package monitor

import "net/http"

// What this node does not do has documents all the same, for tools that ask for them anyway.

// Leafz is the answer of /leafz: there are no leaf nodes.
type Leafz struct {
	header
	NumLeafs int        `json:"leafnodes"`
	Leafs    []struct{} `json:"leafs"`
}

// Leafz says that there are no leaf nodes.
func (m *Monitor) Leafz() Leafz { return Leafz{header: m.header(), Leafs: []struct{}{}} }

// Gatewayz is the answer of /gatewayz: there are no gateways.
type Gatewayz struct {
	header
	Outbound struct{} `json:"outbound_gateways"`
	Inbound  struct{} `json:"inbound_gateways"`
}

// Gatewayz says that there are no gateways.
func (m *Monitor) Gatewayz() Gatewayz { return Gatewayz{header: m.header()} }

// Jsz is the answer of /jsz: JetStream is not there.
type Jsz struct {
	Memory          int `json:"memory"`
	Storage         int `json:"storage"`
	ReservedMemory  int `json:"reserved_memory"`
	ReservedStorage int `json:"reserved_storage"`
	Accounts        int `json:"accounts"`
	HAAssets        int `json:"ha_assets"`
	API             struct {
		Level  int `json:"level"`
		Total  int `json:"total"`
		Errors int `json:"errors"`
	} `json:"api"`
	header
	Disabled bool `json:"disabled"`
	Config   struct {
		MaxMemory  int `json:"max_memory"`
		MaxStorage int `json:"max_storage"`
	} `json:"config"`
	Streams   int `json:"streams"`
	Consumers int `json:"consumers"`
	Messages  int `json:"messages"`
	Bytes     int `json:"bytes"`
	Total     int `json:"total"`
}

// Jsz says that JetStream is not there.
func (m *Monitor) Jsz() Jsz { return Jsz{header: m.header(), Disabled: true} }

func (h *Handler) raftz(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "this server has no Raft groups", http.StatusNotFound)
}
