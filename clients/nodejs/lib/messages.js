// The contract at run time: services and messages read from the protos, nothing generated and nothing else installed.

import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import protoLoader from '@grpc/proto-loader';

const HERE = dirname(fileURLToPath(import.meta.url));

/** Folder of the contract; a release's archive of protos will do as well. */
export const PROTOS = process.env.GOVCODE_PROTOS || join(HERE, '..', '..', '..', 'protos');

/** How messages become objects. */
const FORM = {
  keepCase: true, // names as in the protos, so that their comments can be found
  enums: String, // a value that this program does not know stays a number and is never taken for a known one
  longs: Number,
  defaults: true,
  oneofs: true,
};

const files = readdirSync(PROTOS, { recursive: true }).filter((name) => name.endsWith('.proto'));

/** All services of the contract, for `grpc.loadPackageDefinition`. */
export const definition = protoLoader.loadSync(files, { ...FORM, includeDirs: [PROTOS] });

// google.rpc is no part of the contract; rpc_status.proto repeats what its errors are made of.
const rpc = protoLoader.loadSync(join(HERE, 'rpc_status.proto'), FORM);

function messageOf(name) {
  const found = definition[name] ?? rpc[name];
  if (found === undefined) {
    throw new Error(`the contract has no ${name}`);
  }
  return found;
}

/** It writes a message, for example a statement that a device signs. */
export function encode(name, fields) {
  return messageOf(name).serialize(fields);
}

/** It reads a message. Check the evidence that carries it first. */
export function decode(name, bytes) {
  return messageOf(name).deserialize(Buffer.from(bytes));
}

/** It gives the names of an enumeration's values, in the order of the contract, without the zero value. */
export function namesOf(enumeration) {
  return messageOf(enumeration)
    .type.value.filter((value) => value.number !== 0)
    .map((value) => value.name);
}

/** It writes a moment as google.protobuf.Timestamp, exact to the millisecond. */
export function timestamp(date) {
  const milliseconds = date.getTime();
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanos: (milliseconds - seconds * 1000) * 1_000_000 };
}
