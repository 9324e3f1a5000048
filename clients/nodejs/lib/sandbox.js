// The credentials file that `govcode sandbox` writes. Production has the same things from elsewhere: addresses from the
// region's operators, certificate and key from its authority, both reloaded before they run out.

import { readFileSync } from 'node:fs';

import { Node } from './channel.js';

export class Sandbox {
  constructor(path = process.env.GOVCODE_SANDBOX || 'sandbox/sandbox.json') {
    this.facts = JSON.parse(readFileSync(path, 'utf8'));
  }

  /** The sandbox's node, as one of the applications of the file. Example: `app('holder_app')`. */
  app(name, where = this.facts) {
    const { certificate_pem: certificate, private_key_pem: privateKey, device_id: deviceId } = where[name];
    const { target, server_name: serverName } = where;
    return new Node({ target, serverName, roots: this.facts.roots_pem }, { certificate, privateKey, deviceId });
  }

  /** The node of another region, as its counter. */
  peerCounter() {
    return this.app('counter_app', this.facts.peer);
  }

  /** Number of one of the sandbox's scenes. */
  scene(name) {
    return this.facts.scenes[name];
  }

  /** A matter (事项) of the counter with what may be asked for it: `matter_code` and `items`. */
  matter() {
    return Object.values(this.facts.matters)[0];
  }

  subject(name) {
    return this.facts.subjects.find((subject) => subject.name === name || subject.key === name);
  }
}
