// The holder's decision over what a relying party asks for (授权), item by item, and its withdrawal.

import { newSerial } from './channel.js';
import { sm3 } from './sm.js';

/**
 * It shows the consent page (告知页) as it stands and sends the decision. What the device signs names the page by version
 * and hash, so that nobody can claim later that another text was agreed to.
 *
 * @param {import('./holder.js').Holder} holder
 * @param {string} authorizationId
 * @param {object} wish
 * @param {number[]} wish.grantOnly Numbers of the items to grant; all others are refused. A sensitive one counts as
 *   confirmed by itself (单独同意): ask the holder for it by itself on the screen.
 * @param {(page: object) => void} [wish.show] Shows the page to the holder.
 * @returns {Promise<object>} The decided authorization.
 */
export async function decide(holder, authorizationId, { grantOnly, show = () => {} }) {
  const { authorizations } = holder.node;
  const session_token = holder.session.session_token;
  const { authorization, page } = await authorizations.GetAuthorization({ authorization_id: authorizationId, session_token });
  if (!sm3(Buffer.from(page.notice_text)).equals(page.notice_hash)) throw new Error('the page is not the one to be signed');
  show(page);

  const { places } = await authorizations.LocateLicenses({ session_token, authorization_id: authorizationId });
  const items = authorization.items.map(({ item_no, sensitive }) => {
    const granted = grantOnly.includes(item_no);
    return {
      item_no,
      granted,
      sensitive_confirmed: granted && sensitive,
      license_node_id: granted ? places.find((place) => place.item_no === item_no)?.license_node_id : '',
    };
  });
  const { digest, identification } = await stepUpWhereNeeded(holder, authorization, grantOnly);
  const biz_serial = newSerial('DECIDE');
  const proof = holder.device.prove('govcode.authorization.v1.DecideAuthorizationStatement', {
    session_id: holder.session.session_id,
    biz_serial,
    authorization_id: authorizationId,
    notice_version: page.notice_version,
    notice_hash: page.notice_hash,
    items,
    step_up_digest: digest,
  });
  const decided = await authorizations.DecideAuthorization({ biz_serial, session_token, proof, identification });
  return decided.authorization;
}

/** It takes a grant back; no use begins after the answer. */
export async function withdraw(holder, authorizationId) {
  const biz_serial = newSerial('WITHDRAW');
  const { session_id, session_token } = holder.session;
  const statement = { session_id, biz_serial, authorization_id: authorizationId };
  const proof = holder.device.prove('govcode.authorization.v1.WithdrawAuthorizationStatement', statement);
  const { authorization } = await holder.node.authorizations.WithdrawAuthorization({ biz_serial, session_token, proof });
  return authorization;
}

// Sensitive items (敏感个人信息) need a stronger identity check, bound to this very decision.
async function stepUpWhereNeeded(holder, authorization, itemNos) {
  if (!authorization.items.some((item) => item.sensitive && itemNos.includes(item.item_no))) return {};
  const begun = await holder.node.authorizations.BeginStepUp({
    session_token: holder.session.session_token,
    authorization_id: authorization.authorization_id,
    item_nos: itemNos,
  });
  return { digest: begun.step_up_digest, identification: holder.finish(begun.identification_id) };
}
