// The credentials file that `govcode sandbox` writes. Production has the same things from elsewhere: addresses from the
// region's operators, certificate and key from its authority, both reloaded before they run out.

import { readFileSync } from 'node:fs';

import { Node } from './channel.js';
import { TrustBundle } from './trust.js';

export class Sandbox {
  constructor(path = process.env.GOVCODE_SANDBOX || 'sandbox/sandbox.json') {
    this.facts = JSON.parse(readFileSync(path, 'utf8'));
  }

  /** The sandbox's node, as one of the applications of the file. Example: `app('holder_app')`. */
  app(name, at = 'home') {
    const where = at === 'home' ? this.facts : this.facts[at];
    // The peer has applications of its own region; all other callers are those of the home region.
    const { certificate_pem, private_key_pem } = where[name] ?? this.facts.callers[name];
    return new Node(
      { target: where.target, serverName: where.server_name, roots: this.facts.roots_pem },
      { certificate: certificate_pem, privateKey: private_key_pem },
    );
  }

  /** The node of another region, as its counter. */
  peerCounter() {
    return this.app('counter_app', 'peer');
  }

  /** Number of one of the sandbox's scenes. */
  scene(name) {
    return this.facts.scenes[name];
  }

  /** A matter (事项) of the counter with what may be asked for it: `matter_code` and `items`. */
  matter(name) {
    return this.facts.matters[name];
  }

  /** The trust bundle of a node's application, checked by the key that the hub publishes. */
  async trust(app) {
    const { bundle } = await app.service('govcode.routing.v1.CodeRoutingService').GetTrustBundle({});
    return new TrustBundle(bundle, Buffer.from(this.facts.hub.public_key_hex, 'hex'));
  }

  subject(name) {
    return this.facts.subjects.find((subject) => subject.name === name || subject.key === name);
  }
}
