// 6.3 授权调用电子证照: a counter asks for licences, the holder decides item by item, the counter fetches what was granted.

import { NodeError, Sm2Key, decide, fetchLicence, newSerial, withdraw } from '../lib/index.js';

/** A licence with a document, which another region holds: granted, fetched, withdrawn. */
export async function authorise(sandbox, holder, say) {
  const counter = sandbox.app('counter_app');
  const key = new Sm2Key(sandbox.facts.counter_app.encryption_private_key_hex);
  const matter = sandbox.matter('residence');

  const authorization = await ask(sandbox, counter, holder, matter);
  say(`asked for: ${authorization.items.map((item) => item.license_type).join(', ')}`);

  const show = ({ notice_text }) => say(`the holder reads: ${notice_text.split('\n')[0]}`);
  const granted = await decide(holder, authorization.authorization_id, { grantOnly: [1], show });
  const { authorization: decided } = await counter.authorizations.WaitAuthorization(
    { authorization_id: granted.authorization_id, wait: { seconds: 20 } },
    { deadline: 25_000 },
  );
  if (decided.state !== 'AUTHORIZATION_STATE_GRANTED') throw new Error(`it is ${decided.state}`);
  say(`granted: item ${decided.items.map((item) => item.item_no).join(', ')}, ${decided.max_uses} uses`);

  const use = { authorization_id: decided.authorization_id, item_no: 1, matter_code: matter.matter_code };
  const licence = await fetchLicence(counter, { ...use, biz_serial: newSerial('FETCH') }, key);
  const names = licence.content.fields.map((field) => field.name).join(', ');
  const trust = await sandbox.trust(counter);
  trust.read(licence.delivery, 'LICENSE_DELIVERY', 'govcode.authorization.v1.LicenseDelivery');
  say(`fetched: ${names}, document ${licence.document.length} bytes, ${licence.header.remaining_uses} uses left`);

  const refused = { ...use, item_no: 2, biz_serial: newSerial('FETCH') };
  await expectRefusal('ITEM_NOT_GRANTED', () => fetchLicence(counter, refused, key));
  say('an item that was not granted is refused');

  await withdraw(holder, decided.authorization_id);
  await expectRefusal('GRANT_WITHDRAWN', () => fetchLicence(counter, { ...use, biz_serial: newSerial('FETCH') }, key));
  say('withdrawn: no further use begins');

  const { uses } = await holder.node.authorizations.ListLicenseUses({
    session_token: holder.session.session_token,
    authorization_id: decided.authorization_id,
  });
  say(`the holder sees ${uses.length} use: ${uses[0].relying_party_name}, ${uses[0].state}`);

  const sensitive = await ask(sandbox, counter, holder, sandbox.matter('sensitive'));
  const confirmed = await decide(holder, sensitive.authorization_id, { grantOnly: [1], show });
  say(`a sensitive item, after a stronger identity check: ${confirmed.state}`);
}

/** The counter scans the holder's code and asks within ten minutes, within what is registered for the matter. */
async function ask(sandbox, counter, holder, matter) {
  const code = await holder.present({ one_time: true });
  const { answer } = await counter.codes.ScanCode({
    biz_serial: newSerial('SCAN'),
    code_text: code.code_text,
    scene_no: sandbox.scene('counter'),
  });
  const { authorization } = await counter.authorizations.RequestAuthorization({
    biz_serial: newSerial('ASK'),
    scan_id: answer.scan_id,
    matter_code: matter.matter_code,
    purpose: '核验申请人身份与资格',
    handling_means: '核验后不留存',
    items: matter.items,
    retention: { seconds: 0 },
    max_uses: 2,
    period: { seconds: 3600 },
  });
  return authorization;
}

async function expectRefusal(reason, act) {
  try {
    await act();
  } catch (error) {
    if (error instanceof NodeError && error.reason === reason) return;
    throw error;
  }
  throw new Error(`it was not refused with ${reason}`);
}
