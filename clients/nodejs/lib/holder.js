// A citizen-facing back end (公众端后端) at its node: it carries the holder's acts, and cannot make them.

import { newSerial } from './channel.js';
import { HolderDevice } from './device.js';
import { NodeError } from './errors.js';

/**
 * It asks the identity provider about a person. The provider's device kit turns the challenge into a blob; this is the
 * kit of the `local` provider of tests and sandboxes. Real ones read a face or a card and seal what they found.
 */
export function deviceKitBlob(identificationId, person) {
  const found = { identification_id: identificationId, id_number: person.id_number, secret: person.secret };
  return Buffer.from(JSON.stringify(person.uscc ? { ...found, uscc: person.uscc } : found));
}

/** One holder with a device and a session. */
export class Holder {
  constructor(node, person, device, session) {
    this.node = node;
    this.person = person;
    this.device = device;
    this.session = session;
  }

  /**
   * It opens the person's account on a device; an account that exists is moved to this device.
   *
   * @param {import('./channel.js').Node} node The node, as `app.holder`.
   * @param {{id_number: string, secret: string, uscc?: string}} person
   * @param {{termsVersion: string, device?: HolderDevice}} agreed
   */
  static async open(node, person, { termsVersion, device = new HolderDevice() }) {
    try {
      const identification = await identify(node, person);
      const biz_serial = newSerial('OPEN');
      const proof = device.prove('govcode.code.v1.OpenAccountStatement', {
        identification_id: identification.identification_id,
        biz_serial,
        device_public_key: device.publicKey,
        terms_version: termsVersion,
      });
      const { session } = await node.codes.OpenAccount({ biz_serial, identification, proof });
      return new Holder(node, person, device, session);
    } catch (error) {
      if (!(error instanceof NodeError) || error.reason !== 'ALREADY_OPEN') throw error;
      return Holder.#bind(node, person, device);
    }
  }

  static async #bind(node, person, device) {
    const identification = await identify(node, person);
    const biz_serial = newSerial('BIND');
    const proof = device.prove('govcode.code.v1.BindDeviceStatement', {
      identification_id: identification.identification_id,
      biz_serial,
      device_public_key: device.publicKey,
    });
    const { session } = await node.codes.BindDevice({ biz_serial, identification, proof });
    return new Holder(node, person, device, session);
  }

  /** It presents a code (亮码); its text is what a QR code on the screen carries. */
  async present(wish = {}) {
    const { code } = await this.node.codes.PresentCode({
      biz_serial: newSerial('PRESENT'),
      session_token: this.session.session_token,
      terminal_type: 'TERMINAL_TYPE_APP',
      ...wish,
    });
    return code;
  }

  /** It lets the device kit finish an identity check that was begun for this holder. */
  finish(identificationId) {
    return finished(identificationId, this.person);
  }
}

/** It begins an identity check and lets the device kit finish its part. */
export async function identify(node, person) {
  const { identification_id } = await node.codes.BeginIdentification({
    subject_kind: person.uscc ? 'SUBJECT_KIND_LEGAL_ENTITY' : 'SUBJECT_KIND_PERSON',
  });
  return finished(identification_id, person);
}

function finished(identification_id, person) {
  return { identification_id, provider_blob: deviceKitBlob(identification_id, person) };
}
