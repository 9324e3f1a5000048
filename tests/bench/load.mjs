// The loader: distinct, prepared gRPC calls over HTTP/2, each answer judged by its grpc-status and its content.
//
// One JSON argument:
//   url, path          where to
//   bodies             file of gRPC frames, one a call; each is sent once
//   cycle              whether to begin again at the end of the file instead; for the floor, which does not read them
//   first              the first of them
//   warmup, seconds    the window that is measured begins after the warm-up; both in seconds
//   connections        one object of headers for each connection
//   streams            calls at a time on each connection
//   fieldOne, alone    the bytes (hex) with which field 1 of the answer begins; whether nothing may follow that field
//   length             the length of an answer, instead of fieldOne
//   save               file for the answers that are right, each behind its length; absent: they are dropped
//   ca, cert, key      PEM files, for mutual TLS
//
// It prints one line of JSON. Counts are of the whole run, so that they can be compared with the store; `rate` and the
// times are of right answers inside the window. Where the bodies run out first, the window ends there.

import { readFileSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';

const wanted = JSON.parse(process.argv[2]);
const frames = readFileSync(wanted.bodies);
const offsets = [];
for (let at = 0; at < frames.length; at += 5 + frames.readUInt32BE(at + 1)) offsets.push(at);
offsets.push(frames.length);

const bodies = offsets.length - 1;
const last = wanted.cycle ? Infinity : bodies;
const fieldOne = wanted.fieldOne === undefined ? null : Buffer.from(wanted.fieldOne, 'hex');
const tls = wanted.ca === undefined ? {} : { ca: readFileSync(wanted.ca), cert: readFileSync(wanted.cert), key: readFileSync(wanted.key) };

let next = wanted.first;
let running = 0;
let open = wanted.connections.length * wanted.streams;
let windowStart = Infinity;
let windowEnd = Infinity;
let answerBytes = 0;
const counts = { sent: 0, right: 0, wrong: 0, failed: 0 };
const statuses = {};
const examples = [];
const milliseconds = [];
const saved = [];

/** Whether the message of an answer is what was asked for. */
function isRight(message) {
  if (wanted.length !== undefined) return message.length === wanted.length;
  if (message[0] !== 0x0a) return false;
  let at = 1;
  let size = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = message[at++];
    if (byte === undefined) return false;
    size |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  if (wanted.alone && at + size !== message.length) return false;
  return message.subarray(at, at + fieldOne.length).equals(fieldOne);
}

function judge(status, chunks, began) {
  const now = performance.now();
  if (status !== '0') {
    counts.failed++;
    statuses[status] = (statuses[status] ?? 0) + 1;
    return;
  }
  const frame = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
  const message = frame.subarray(5);
  if (frame.length < 5 || frame.readUInt32BE(1) !== message.length || !isRight(message)) {
    counts.wrong++;
    if (examples.length < 3) examples.push(frame.subarray(0, 64).toString('hex'));
    return;
  }
  counts.right++;
  answerBytes += message.length;
  if (now >= windowStart && now <= windowEnd) milliseconds.push(now - began);
  if (wanted.save !== undefined) {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(message.length);
    saved.push(head, message);
  }
}

function call(session, headers) {
  const began = performance.now();
  if (next >= last) windowEnd = Math.min(windowEnd, began);
  if (began >= windowEnd) {
    if (--open === 0) report();
    return;
  }
  const index = next++ % bodies;
  counts.sent++;
  running++;
  const request = session.request(headers);
  const chunks = [];
  let status = 'none';
  const note = (trailers) => {
    if (trailers['grpc-status'] !== undefined) status = trailers['grpc-status'];
  };
  request.on('response', note);
  request.on('trailers', note);
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('error', () => {});
  request.on('close', () => {
    running--;
    judge(status, chunks, began);
    call(session, headers);
  });
  request.end(frames.subarray(offsets[index], offsets[index + 1]));
}

function report() {
  const seconds = (windowEnd - windowStart) / 1000;
  milliseconds.sort((one, other) => one - other);
  const at = (share) => milliseconds[Math.min(milliseconds.length - 1, Math.floor(share * milliseconds.length))] ?? 0;
  if (wanted.save !== undefined) writeFileSync(wanted.save, Buffer.concat(saved));
  process.stdout.write(
    JSON.stringify({
      ...counts,
      statuses,
      examples,
      next,
      seconds,
      rate: seconds > 0 ? milliseconds.length / seconds : 0,
      p50: at(0.5),
      p99: at(0.99),
      answer_bytes: counts.right ? answerBytes / counts.right : 0,
    }) + '\n',
    () => process.exit(0),
  );
}

const sessions = await Promise.all(
  wanted.connections.map(
    (own) =>
      new Promise((resolve, reject) => {
        const session = http2.connect(wanted.url, tls);
        session.on('error', reject);
        session.on('connect', () =>
          resolve([session, { ':method': 'POST', ':path': wanted.path, 'content-type': 'application/grpc', te: 'trailers', ...own }]),
        );
      }),
  ),
);
windowStart = performance.now() + wanted.warmup * 1000;
windowEnd = windowStart + wanted.seconds * 1000;
for (const [session, headers] of sessions) for (let stream = 0; stream < wanted.streams; stream++) call(session, headers);
setTimeout(
  () => {
    process.stderr.write(`${running} calls were never answered\n`);
    process.exit(1);
  },
  (wanted.warmup + wanted.seconds + 20) * 1000,
);
