// The trust bundle: which node signs with which keys, signed by the hub, whose key comes by another way.

import { checkEvidence } from './evidence.js';
import { decode } from './messages.js';
import { keyIdOf } from './sm.js';

const milliseconds = (time) => time.seconds * 1000 + time.nanos / 1_000_000;

/** A bundle that the hub signed. */
export class TrustBundle {
  /**
   * @param {object} evidence What GetTrustBundle of govcode.routing.v1.CodeRoutingService returns.
   * @param {Uint8Array} hubPoint The hub's public point, as its operators publish it.
   * @throws {EvidenceError} The hub did not sign it.
   */
  constructor(evidence, hubPoint) {
    const payloadType = 'govcode.routing.v1.TrustBundle';
    const pinned = (_, keyId) => (keyId === keyIdOf(hubPoint) ? hubPoint : undefined);
    this.content = decode(payloadType, checkEvidence(evidence, { purpose: 'TRUST_BUNDLE', payloadType }, pinned));
  }

  /** It checks a node's evidence and reads what it carries. */
  read(evidence, purpose, payloadType) {
    return decode(payloadType, checkEvidence(evidence, { purpose, payloadType }, this.#keyAt(evidence.signed_time)));
  }

  #keyAt(time) {
    return (nodeId, keyId) => {
      // Who has a key that was revoked can write any time: what the evidence says of its time does not count.
      if (this.content.revoked_keys.some((key) => key.node_id === nodeId && key.key_id === keyId)) return undefined;
      const node = this.content.nodes.find(({ node_id }) => node_id === nodeId);
      const key = node?.keys.find(({ key_id, purpose }) => key_id === keyId && purpose === 'NODE_KEY_PURPOSE_SIGN');
      if (!key || keyIdOf(key.public_key) !== keyId) return undefined;
      const signed = milliseconds(time);
      const ended = key.end_time && signed >= milliseconds(key.end_time);
      return signed < milliseconds(key.start_time) || ended ? undefined : key.public_key;
    };
  }
}
