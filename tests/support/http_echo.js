// Node's `http` as a second reader of requests. Prints the port it listens on; then, for each connection that has
// ended, one line of JSON: the client's port, the requests that were whole (method, target, headers, body as
// hexadecimal digits), and the code of the error that ended the reading, if one did. Ends with its standard input.
'use strict';
const http = require('http');

const hexadecimal = (text) => Buffer.from(text, 'latin1').toString('hex');

function pairs(rawHeaders) {
  const headers = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    headers.push([hexadecimal(rawHeaders[i]), hexadecimal(rawHeaders[i + 1])]);
  }
  return headers;
}

function record(request, reply) {
  const body = [];
  // What is whole is told in the order of the heads, whenever it becomes whole.
  const seen = { whole: false };
  request.socket.requests.push(seen);
  request.on('data', (part) => body.push(part));
  request.on('end', () => {
    Object.assign(seen, {
      whole: request.complete,
      method: hexadecimal(request.method),
      target: hexadecimal(request.url),
      headers: pairs(request.rawHeaders),
      body: Buffer.concat(body).toString('hex'),
    });
    reply.end('seen');
  });
  request.on('error', () => {});
}

const server = http.createServer({ maxHeaderSize: 32 * 1024, insecureHTTPParser: false }, record);
server.on('checkContinue', record);
server.on('checkExpectation', record);
server.on('connection', (socket) => {
  socket.requests = [];
  socket.port = socket.remotePort;
  socket.on('close', () => {
    const { port, requests, failure } = socket;
    console.log(JSON.stringify({ port, requests: requests.filter((request) => request.whole), failure }));
  });
});
server.on('clientError', (error, socket) => {
  socket.failure = socket.failure || error.code;
  socket.end();
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
