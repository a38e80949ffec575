package command

import (
	"slices"
	"strings"
	"testing"
)

func TestTakeSecrets(t *testing.T) {
	for _, tt := range []struct{ args, left string }{
		{"shoal", "shoal"},
		{"shoal -p 4222", "shoal -p 4222"},
		{"shoal --user bob --pass s3cret -D", "shoal --user xxx --pass xxxxxx -D"},
		{"shoal -user=bob -pass=s3=ret", "shoal -user=xxx -pass=xxxxxx"},
		{"shoal --auth", "shoal --auth"},
		{"shoal --auth=", "shoal --auth="},
		{"shoal pub --password p --token=t user pass", "shoal pub --password x --token=x user pass"},
		{"shoal pub -s nats://u:p@h:1,h2,t@h3 a", "shoal pub -s nats://xxx@h:1,h2,x@h3 a"},
		{"shoal pub --server=nats://h:1 a", "shoal pub --server=nats://h:1 a"},
		{"shoal -cluster nats://u:p,q@h:1 -p 1", "shoal -cluster nats://xxxxx@h:1 -p 1"},
		{"shoal --cluster=u:p@h:1", "shoal --cluster=xxx@h:1"},
		{"shoal --cluster_listen nats://u:p@:-1", "shoal --cluster_listen nats://xxx@:-1"},
		{"shoal -routes=nats://u:p@a:1,b:2,nats://u:q@c", "shoal -routes=nats://xxx@a:1,b:2,nats://xxx@c"},
		{"shoal --routes nats://u:p@a --routes nats://u:q@b", "shoal --routes nats://xxx@a --routes nats://xxx@b"},
		{"shoal --join nats://u:p@a,b", "shoal --join nats://xxx@a,b"},
		{"shoal --gossip_key pXvpA6Ohd4oIQ3qJLmpJqA==", "shoal --gossip_key xxxxxxxxxxxxxxxxxxxxxxxx"},
		{"shoal --gossip_key /etc/shoal/key", "shoal --gossip_key /etc/shoal/key"},
		{"shoal --cluster nats://:6222 -D", "shoal --cluster nats://:6222 -D"},
	} {
		// Strings of their own, since they get overwritten.
		args := strings.Fields(string([]byte(tt.args)))
		taken := takeSecrets(args)
		if !slices.Equal(taken, strings.Fields(tt.args)) {
			t.Errorf("%s was taken as %v", tt.args, taken)
		}
		if !slices.Equal(args, strings.Fields(tt.left)) {
			t.Errorf("%s left %v, want %s", tt.args, args, tt.left)
		}
	}
}
