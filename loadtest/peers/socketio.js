// Socket.IO as a peer to compare with: rooms without an adapter of their own, WebSocket alone, and an HTTP endpoint that
// publishes. One process, as Socket.IO runs without an adapter between several.
//
// As plain as its documentation shows it; only what costs without being asked for is switched off (compression is so by default).

import { createServer } from "node:http";
import { Server } from "socket.io";

/** Reads the whole body of a request. */
async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

function answer(response, status, text) {
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}

const open = createServer();
const io = new Server(open, { transports: ["websocket"], serveClient: false });

io.on("connection", (socket) => {
  socket.on("subscribe", (channel, done) => {
    socket.join(channel);
    done();
  });
});

const internal = createServer(async (request, response) => {
  if (request.method !== "POST" || request.url !== "/publish") return answer(response, 404, "{}");
  const { channel, data } = JSON.parse(await bodyOf(request));
  io.to(channel).emit("message", { channel, data });
  answer(response, 200, "{}");
});

/** Listens on any free port of this machine. */
const listening = (server) => new Promise((done) => server.listen(0, "127.0.0.1", 4096, () => done(server.address().port)));

const [openPort, internalPort] = [await listening(open), await listening(internal)];
console.log(`ready public=http://127.0.0.1:${openPort} internal=http://127.0.0.1:${internalPort}`);
