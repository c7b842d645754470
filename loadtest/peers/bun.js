// Bun's own pub/sub (`ws.subscribe`, `server.publish`) behind the small part of the protocol that the load tester needs: what
// a bare server on Bun costs, as the control of shows. Knows no tokens, no logs, no limits, no heartbeat of its own.
//
// As fast as idiomatic Bun gets: one process, native topics, no compression, nothing kept for a connection, the data of a
// message is cut out of the request as text where its shape allows that, and a frame is put together once for all.
//
// Bun drops a message silently for a subscriber that has more than `backpressureLimit` bytes waiting (1 MiB by default). Here
// the limit is larger than what any show lets be under way, and whoever reaches it is closed: the load tester counts both a
// closed connection and a hole in the offsets, so nothing is lost unseen.

const BACKPRESSURE_LIMIT = 256 * 1024 * 1024;
const TIME = 1_763_600_000_000;
const EPOCH = "1000000000000";
const ID = "01K00000000000000000000000";

const decoder = new TextDecoder();
/** Per channel: what stands before and between the parts that change, and the last offset. */
const channels = new Map();

function channelOf(name) {
  let channel = channels.get(name);
  if (channel === undefined) {
    channel = {
      name,
      offset: 0,
      message: `{"type":"message","channel":"${name}","id":"${ID}","epoch":"${EPOCH}","offset":`,
      answer: `{"channel":"${name}","id":"${ID}","epoch":"${EPOCH}","offset":`,
    };
    channels.set(name, channel);
  }
  return channel;
}

const CONNECTED =
  `{"type":"connected","session":"${ID}","node":"bun","user":"bun","heartbeat_ms":25000,` +
  `"expires_at":${TIME},"subscriptions":[]}`;

const open = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    if (server.upgrade(request)) return;
    return new Response("an upgrade is wanted", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    backpressureLimit: BACKPRESSURE_LIMIT,
    closeOnBackpressureLimit: true,
    // Nobody is closed for being silent: subscribers here never say anything.
    idleTimeout: 0,
    sendPings: false,
    message(socket, text) {
      const frame = JSON.parse(typeof text === "string" ? text : decoder.decode(text));
      if (frame.type === "subscribe") {
        const { name, offset } = channelOf(frame.channel);
        // No message comes between these two: there is one thread.
        socket.send(
          `{"type":"subscribed","id":${frame.id},"channel":"${name}","outcome":"fresh",` +
            `"epoch":"${EPOCH}","offset":${offset}}`,
        );
        socket.subscribe(name);
      } else if (frame.type === "connect") {
        socket.send(CONNECTED);
      }
    },
  },
});

/** Sends a message to everybody on the channel; what the internal API of a hub would answer. */
function publish(name, data) {
  const channel = channelOf(name);
  const offset = ++channel.offset;
  open.publish(name, `${channel.message}${offset},"time":${TIME},"data":${data}}`);
  return `${channel.answer}${offset},"time":${TIME}}`;
}

const CHANNEL = '{"channel":"';
const DATA = '","data":';

/** `{"channel":"…","data":…}` is not parsed; anything else is. */
function single(text) {
  if (text.startsWith(CHANNEL) && !text.includes('"key":')) {
    const end = text.indexOf('"', CHANNEL.length);
    if (text.startsWith(DATA, end)) return publish(text.slice(CHANNEL.length, end), text.slice(end + DATA.length, -1));
  }
  const { channel, data } = JSON.parse(text);
  return publish(channel, JSON.stringify(data));
}

function batch(text) {
  const { publishes } = JSON.parse(text);
  let results = '{"results":[';
  for (let index = 0; index < publishes.length; index++) {
    const { channel, data } = publishes[index];
    results += (index === 0 ? "" : ",") + publish(channel, JSON.stringify(data));
  }
  return `${results}]}`;
}

const JSON_ANSWER = { headers: { "content-type": "application/json" } };

const internal = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  routes: {
    "/v1/publish": { POST: async (request) => new Response(single(await request.text()), JSON_ANSWER) },
    "/v1/batch": { POST: async (request) => new Response(batch(await request.text()), JSON_ANSWER) },
  },
  fetch: () => new Response(null, { status: 404 }),
});

console.log(`ready public=http://127.0.0.1:${open.port} internal=http://127.0.0.1:${internal.port}`);
