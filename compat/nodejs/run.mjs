// Runs programs.mjs under Node.js, and prints what they observe.
//
//   node run.mjs LIBRARY URL [reconnect]
//
// LIBRARY is "nats", "@nats-io/transport-node", or "@nats-io/nats-core" with a URL of WebSocket.

import { run } from "./programs.mjs";

const [library, url, mode] = process.argv.slice(2);
await run(await import(library), url, (line) => console.log(line), mode);
