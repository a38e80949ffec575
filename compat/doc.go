// Package compat holds the tests that shoal answers clients exactly as nats-server does. They run
// the real nats-server beside shoal, so that nothing they compare with is made up.
//
//   - TestScripts plays the conversations in testdata/scripts, whole and cut at all and at random
//     places; package script tells how they are written. "go test -run TestScripts -update" writes
//     down what nats-server answers, to be reviewed as a change.
//   - TestRouteScripts does so with testdata/routes, in which the test plays other servers of the
//     cluster as well.
//   - TestAuthScripts does so with testdata/auth, about users, permissions and accounts: both servers are
//     started with the same configuration file.
//   - TestScriptsOverWebSocket plays testdata/scripts inside WebSocket messages.
//   - TestRandomConversations, TestRandomRoutes and TestRandomPermissions do the same with made up conversations;
//     -conversations says how many, and -seed repeats one.
//   - TestMesh… runs meshes of both kinds of servers; -kinds picks the mesh, as in -kinds=nns for two
//     nats-servers and a shoal. TestUpgradePage and TestSeedServersPage follow a page of the
//     documentation of nats-server, command by command.
//   - TestClients, TestMany… and TestServer… run programs written with nats.go, TestNode… with the
//     client libraries for Node.js, also over WebSocket, and TestBrowser… with those in Chromium.
//   - TestChaos… break clusters on networks made for it, as scripts/chaos does; they need root.
//   - TestReconnectStorm, TestSlowConsumers and TestGuessers put shoal under load.
//   - TestSecrets… plant secrets everywhere and look for them in whatever comes out.
//
// The environment variables SHOAL_BIN and NATS_SERVER_BIN name ready binaries, which saves
// building them. COMPAT_SELF=1 puts nats-server in the place of shoal, to test the tests.
package compat
