// Evidence is checked without any node: the bytes as they came, a public key from the trust bundle, nothing else.

import { sm3, verify } from './sm.js';

const EVIDENCE_TAG = Buffer.from('govcode-evidence-v1');
const MERKLE_TAG = Buffer.from('govcode-merkle-v1');
const MAX_LEAVES = 65_536;
const MAX_SECONDS = 253_402_300_799; // the end of the year 9999

/** A piece of evidence proves nothing. */
export class EvidenceError extends Error {
  name = 'EvidenceError';
}

/**
 * It checks a govcode.common.v1.Evidence and returns its payload: verify first, parse then.
 *
 * @param {object} evidence As it came.
 * @param {object} expected
 * @param {string} expected.purpose For example `SCAN_ANSWER`; a signature for one purpose is worthless for another.
 * @param {string} expected.payloadType Full name of the message that is about to be parsed.
 * @param {(nodeId: string, keyId: string) => Uint8Array | undefined} publicKeyOf Finds the node's key in the bundle.
 * @returns {Buffer} The payload.
 * @throws {EvidenceError} Anything is amiss.
 */
export function checkEvidence(evidence, { purpose, payloadType }, publicKeyOf) {
  if (evidence.payload_type !== payloadType) {
    throw new EvidenceError(`it carries ${evidence.payload_type}, not ${payloadType}`);
  }
  const signed = signedBytes(purpose, evidence);
  const merkle = evidence.merkle;
  const plain = evidence.sm2_signature?.length > 0;
  if (plain === Boolean(merkle)) {
    throw new EvidenceError('it carries no proof, or two');
  }
  const point = publicKeyOf(evidence.node_id, evidence.key_id);
  if (point === undefined) {
    throw new EvidenceError(`no key ${evidence.key_id} of node ${evidence.node_id} is known`);
  }
  const [covered, signature] = plain
    ? [signed, evidence.sm2_signature]
    : [rootBytes(merkleRoot(leafHash(signed), merkle), merkle.root_time), merkle.root_signature];
  if (!verify(point, signature, covered)) {
    throw new EvidenceError('the signature does not hold');
  }
  return Buffer.from(evidence.payload);
}

/** It gives the exact bytes that a proof covers. */
export function signedBytes(purpose, evidence) {
  const parts = [EVIDENCE_TAG];
  for (const text of [purpose, evidence.payload_type, evidence.node_id, evidence.key_id]) {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
  }
  parts.push(timeBytes(evidence.signed_time), evidence.payload);
  return Buffer.concat(parts);
}

/** It gives the leaf of signed bytes; 0x00 keeps leaves and inner nodes apart. */
export function leafHash(signed) {
  return sm3(Buffer.concat([Buffer.of(0), signed]));
}

/** It climbs from a leaf to the root; index and count dictate the exact length of the path. */
export function merkleRoot(leaf, { leaf_index: leafIndex, leaf_count: leafCount, path }) {
  if (!(leafCount >= 1 && leafCount <= MAX_LEAVES && leafIndex >= 0 && leafIndex < leafCount)) {
    throw new EvidenceError(`leaf ${leafIndex} of ${leafCount} is not possible`);
  }
  if (path.some((sibling) => sibling.length !== 32)) {
    throw new EvidenceError('a hash of the path does not have 32 bytes');
  }
  let node = leaf;
  let used = 0;
  for (let index = leafIndex, count = leafCount; count > 1; index >>= 1, count = (count + 1) >> 1) {
    if ((index ^ 1) >= count) continue; // an odd node at the end of a level moves up as it is
    if (used === path.length) throw new EvidenceError('the path is too short');
    const sibling = path[used++];
    node = sm3(Buffer.concat(index & 1 ? [Buffer.of(1), sibling, node] : [Buffer.of(1), node, sibling]));
  }
  if (used !== path.length) throw new EvidenceError('the path is too long');
  return node;
}

function rootBytes(root, time) {
  return Buffer.concat([MERKLE_TAG, root, timeBytes(time)]);
}

// Eight bytes of milliseconds; what is finer would be carried beside the signature without being covered by it.
function timeBytes(time) {
  const { seconds, nanos } = time ?? {};
  if (!(seconds >= 0 && seconds <= MAX_SECONDS && nanos >= 0 && nanos < 1e9 && nanos % 1_000_000 === 0)) {
    throw new EvidenceError('the time is out of bounds or finer than a millisecond');
  }
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(seconds) * 1000n + BigInt(nanos / 1_000_000));
  return bytes;
}
