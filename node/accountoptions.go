package node

import "time"

// Names of the accounts that every node has.
const (
	GlobalAccount = "$G"
	SystemAccount = "$SYS"
)

// AccountOptions describe an account: a space of subjects of its own, which shares with other
// accounts what is exported and imported.
type AccountOptions struct {
	// Name is the name of the account. One called [GlobalAccount] adds to what that has.
	Name     string
	Exports  []Export
	Imports  []Import
	Mappings []Mapping
	Limits   AccountLimits
	// TraceDest is the subject by which servers tell in the account what becomes of its messages that are
	// traced by others, as their header traceparent says. Empty is none.
	TraceDest string
	// TraceSampling is how many of these servers tell of, 1 to 100 percent; 0 is all.
	TraceSampling int
}

// AccountLimits bound an account on this node. 0 is no limit.
type AccountLimits struct {
	// MaxConnections is the number of clients, MaxSubscriptions that of the subscriptions of each.
	MaxConnections, MaxSubscriptions int
	// MaxPayload is the size of a message in bytes.
	MaxPayload int
}

// Export offers a subject to other accounts.
type Export struct {
	// Subject may have wildcards.
	Subject string
	// Service says that requests are taken, rather than that messages are given.
	Service bool
	// Accounts are the accounts that may import it; nil are all.
	Accounts []string
	// Response is what answers to a service are like.
	Response ResponseType
	// ResponseThreshold is how long a service may take for an answer, or between two parts of one;
	// 0 is the default of two minutes.
	ResponseThreshold time.Duration
	// TokenPosition is the place, from 1, of a wildcard of Subject that has to be the name of the
	// importing account; 0 is none.
	TokenPosition int
	// AllowTrace lets those who have their requests traced see what becomes of them in this account. It is
	// for services.
	AllowTrace bool
}

// ResponseType is what answers to a service are like.
type ResponseType string

// The types of responses.
const (
	ResponseSingleton ResponseType = "Singleton" // one message, the default
	ResponseStream    ResponseType = "Stream"    // several
	ResponseChunked   ResponseType = "Chunked"   // one in several parts
)

// Import takes in what another account exports.
type Import struct {
	// Account is the account that exports, Subject what of its export is imported.
	Account, Subject string
	// Service says that it is a service.
	Service bool
	// To is the subject under which the importing account knows it; empty is Subject. It may use
	// the wildcards of Subject as $1, $2 and so on, for a service as well as for a stream.
	To string
	// AllowTrace lets those of the other account who have their messages traced see who gets them in this
	// one. It is for streams.
	AllowTrace bool
}

// Mapping changes the subject of what clients of the account publish.
type Mapping struct {
	// Subject may have wildcards.
	Subject string
	// Destinations share the messages by their weights. What is missing to 100 stays as it is.
	Destinations []MappedTo
}

// MappedTo is a destination of a mapping.
type MappedTo struct {
	// Subject may use the wildcards of the mapping, and the functions of [subjects.NewTransform].
	Subject string
	// Weight is a percentage.
	Weight int
	// Cluster limits the destination to nodes of the cluster of that name; empty is all.
	Cluster string
}
