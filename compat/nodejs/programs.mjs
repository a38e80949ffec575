// Programs that use a client library for JavaScript against a server and note what they observe, less what
// may differ from run to run. They run under Node.js, see run.mjs, and in browsers, see browser.mjs.

/** How long to wait for what normally takes a moment, in milliseconds. */
const patience = 60_000;

let nats, note, connect;

/** The next count messages of a subscription. */
async function take(subscription, count) {
  const messages = [];
  for await (const message of subscription) {
    messages.push(message);
    if (messages.length === count) {
      break;
    }
  }
  return messages;
}

async function publishAndSubscribe() {
  const publisher = await connect();
  const subscriber = await connect();
  const subscription = subscriber.subscribe("greet.*");
  await subscriber.flush();
  for (let i = 0; i < 500; i++) {
    publisher.publish(`greet.${i}`, `hello ${i} ✓`, { reply: i % 2 ? "back" : undefined });
  }
  await publisher.flush();
  for (const message of await take(subscription, 500)) {
    note(message.subject, message.reply || "-", message.string());
  }
  await publisher.close();
  await subscriber.close();
}

async function serverInformation() {
  const connection = await connect({ name: "info" });
  const { version, proto, headers, max_payload, server_id, client_id, client_ip, cluster, jetstream } = connection.info;
  note(version, proto, headers, max_payload, server_id.length, client_id > 0, client_ip, cluster, jetstream);
  note(typeof (await connection.rtt()));
  await connection.close();
}

async function queueGroup() {
  const members = await Promise.all([1, 2, 3].map(() => connect()));
  const seen = new Map();
  let total = 0;
  await new Promise(async (done) => {
    for (const member of members) {
      member.subscribe("work.*", {
        queue: "workers",
        callback: (error, message) => {
          seen.set(message.subject, (seen.get(message.subject) ?? 0) + 1);
          if (++total === 300) {
            done();
          }
        },
      });
      await member.flush();
    }
    const publisher = await connect();
    for (let i = 0; i < 300; i++) {
      publisher.publish(`work.${i}`);
    }
    await publisher.drain();
  });
  await Promise.all(members.map((member) => member.drain()));
  note(total, seen.size, [...seen.values()].every((count) => count === 1));
}

async function request() {
  const service = await connect();
  service.subscribe("double", { callback: (error, message) => message.respond(message.string().repeat(2)) });
  await service.flush();
  const client = await connect();
  for (let i = 0; i < 50; i++) {
    note((await client.request("double", `${i}`, { timeout: patience })).string());
  }
  note((await client.request("double", "old", { timeout: patience, noMux: true, reply: "x.y" })).string());
  await service.close();
  await client.close();
}

async function requestMany() {
  const services = await Promise.all([0, 1, 2].map(() => connect()));
  for (const [i, service] of services.entries()) {
    service.subscribe("who", { callback: (error, message) => message.respond(`service ${i}`) });
    await service.flush();
  }
  const client = await connect();
  const replies = [];
  const options = { strategy: "count", maxMessages: 3, maxWait: patience };
  for await (const reply of await client.requestMany("who", "?", options)) {
    replies.push(reply.string());
  }
  note(replies.sort().join(", "));
  await Promise.all([...services, client].map((connection) => connection.close()));
}

async function noResponders() {
  const client = await connect();
  try {
    await client.request("nobody.home", "?", { timeout: patience });
    note("an answer");
  } catch (error) {
    note(error.name, error.code, error.message);
  }
  await client.close();
}

async function headers() {
  const publisher = await connect();
  const subscriber = await connect();
  const subscription = subscriber.subscribe("letters");
  await subscriber.flush();
  const fields = nats.headers();
  fields.append("Color", "red");
  fields.append("Color", "blue");
  fields.set("Word", "çødé");
  publisher.publish("letters", "body", { headers: fields });
  publisher.publish("letters", "", { headers: fields, reply: "back" });
  for (const message of await take(subscription, 2)) {
    note(message.headers.values("Color"), message.headers.get("Word"), message.reply, message.string());
  }
  await publisher.close();
  await subscriber.close();
}

async function unsubscribeAfter() {
  const connection = await connect();
  const subscription = connection.subscribe("three", { max: 3 });
  for (let i = 0; i < 6; i++) {
    connection.publish("three", `${i}`);
  }
  for await (const message of subscription) {
    note(message.string());
  }
  await connection.flush();
  note("got", subscription.getReceived(), "closed", subscription.isClosed());
  await connection.close();
}

async function drain() {
  const subscriber = await connect();
  let count = 0;
  subscriber.subscribe("many", { callback: () => count++ });
  await subscriber.flush();
  const publisher = await connect();
  for (let i = 0; i < 2000; i++) {
    publisher.publish("many", "x");
  }
  await publisher.drain();
  await subscriber.drain();
  note(count, subscriber.isClosed(), await subscriber.closed());
}

async function large() {
  const connection = await connect();
  const subscription = connection.subscribe("large");
  connection.publish("large", new Uint8Array(connection.info.max_payload).fill(120));
  const [message] = await take(subscription, 1);
  note(message.data.length, message.data.every((byte) => byte === 120));
  await connection.close();
}

async function reconnect() {
  const subscriber = await connect({ maxReconnectAttempts: -1, reconnectTimeWait: 20, reconnectJitter: 0 });
  const subscription = subscriber.subscribe("again.*", { max: 2 });
  subscriber.publish("again.1");
  await subscriber.flush();
  const statuses = subscriber.status();
  note("subscribed");
  for await (const status of statuses) {
    if (status.type === "reconnect") {
      break;
    }
  }
  await subscriber.flush();
  const publisher = await connect();
  publisher.publish("again.2", "hello");
  for await (const message of subscription) {
    note(message.subject, message.string());
  }
  await publisher.close();
  await subscriber.close();
  note("done");
}

/** All programs but the one that expects the server to end and come back. */
const programs = [
  publishAndSubscribe,
  serverInformation,
  queueGroup,
  request,
  requestMany,
  noResponders,
  headers,
  unsubscribeAfter,
  drain,
  large,
];

/**
 * Runs the programs with a library against the server at url. What they observe goes to observe, line by
 * line. The mode "reconnect" runs the one that prints "subscribed", expects the server to end and come back,
 * and goes on.
 */
export async function run(library, url, observe, mode) {
  nats = library;
  note = (...words) => observe(words.join(" "));
  const dial = url.startsWith("ws") ? nats.wsconnect : nats.connect;
  connect = (options = {}) => dial({ servers: url, timeout: patience, ...options });
  for (const program of mode === "reconnect" ? [reconnect] : programs) {
    note(`# ${program.name}`);
    await program();
  }
}
