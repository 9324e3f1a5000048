// What the holder's phone does: it keeps one SM2 key and signs the holder's own acts.

import { Sm2Key } from './sm.js';
import { encode, timestamp } from './messages.js';

const TAG = Buffer.from('govcode-holder-v1');

/** It gives the exact bytes that a device signs: tag, length and name of the statement's message, statement. */
export function holderBytes(statementType, statement) {
  const name = Buffer.from(statementType);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  return Buffer.concat([TAG, length, name, statement]);
}

/** A holder's device. In production this is the phone, with the key in its secure area; a back end cannot make proofs. */
export class HolderDevice {
  #key;

  constructor(key = Sm2Key.generate()) {
    this.#key = key;
  }

  get publicKey() {
    return this.#key.point;
  }

  /**
   * It signs a `…Statement`; the node takes the facts of the act from these very bytes.
   *
   * @param {string} statementType Full name of the message. Example: `govcode.code.v1.OpenAccountStatement`.
   * @param {object} facts Its fields, but for signed_time, which is now: nodes refuse what is five minutes off.
   * @returns {object} A govcode.common.v1.HolderProof.
   */
  prove(statementType, facts) {
    const statement = encode(statementType, { ...facts, signed_time: timestamp(new Date()) });
    return {
      statement,
      device_key_id: this.#key.keyId,
      sm2_signature: this.#key.sign(holderBytes(statementType, statement)),
    };
  }
}
