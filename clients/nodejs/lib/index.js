// What a back end uses of this sample.

export { CHANNEL_ARGUMENTS, Node, newSerial } from './channel.js';
export { decide, withdraw } from './decision.js';
export { HolderDevice, holderBytes } from './device.js';
export { NodeError } from './errors.js';
export { EvidenceError, checkEvidence } from './evidence.js';
export { Holder, deviceKitBlob, identify } from './holder.js';
export { DeliveryError, DeliveryReader, fetchLicence, openEnvelope } from './licence.js';
export { decode, encode, namesOf, timestamp } from './messages.js';
export { Sandbox } from './sandbox.js';
export { Sm2Key, sm3, verify } from './sm.js';
export { TrustBundle } from './trust.js';
