// Runs programs.mjs in a browser. The packages of npm are made for Node.js, which loads modules with
// require(): this does it as well, as far as they need it.

import { run } from "./programs.mjs";

/** What a module is called, and where it is. */
const packages = {
  "@nats-io/nats-core": "/node_modules/@nats-io/nats-core/lib/mod.js",
  "@nats-io/nkeys": "/node_modules/@nats-io/nkeys/lib/mod.js",
  "@nats-io/nuid": "/node_modules/@nats-io/nuid/lib/mod.js",
  "tweetnacl": "/node_modules/tweetnacl/nacl-fast.js",
};
const modules = new Map();

function load(path) {
  if (!modules.has(path)) {
    const request = new XMLHttpRequest();
    request.open("GET", path, false);
    request.send();
    if (request.status !== 200) {
      throw new Error(`${path}: status ${request.status}`);
    }
    const module = { exports: {} };
    modules.set(path, module);
    const require = (name) => load(packages[name] ?? new URL(name.replace(/(\.js)?$/, ".js"), location.origin + path).pathname);
    new Function("require", "module", "exports", request.responseText)(require, module, module.exports);
  }
  return modules.get(path).exports;
}

window.nats = load(packages["@nats-io/nats-core"]);

/** Returns what the programs observe of the server at url. */
window.run = async (url) => {
  const notes = [];
  await run(window.nats, url, (line) => notes.push(line));
  return notes;
};
