//! Ids as Stripe makes them: a prefix that names the resource, then letters and digits.
//! The number of the object is in its id, so that an id is found without an index.

use super::template::letters;
use crate::mix::mix;

/// Prefix and length of what follows, by the value of `object`.
const FORMS: [(&str, &str, usize); 109] = [
    ("account", "acct_1", 15),
    ("apple_pay_domain", "apwc_1", 23),
    ("application", "ca_", 32),
    ("application_fee", "fee_1", 23),
    ("balance_transaction", "txn_1", 23),
    ("bank_account", "ba_1", 23),
    ("billing.alert", "alrt_1", 23),
    ("billing.credit_grant", "credgr_test_", 16),
    ("billing.meter", "mtr_test_", 16),
    ("billing.meter_event_summary", "mtrusg_test_", 16),
    ("billing_portal.configuration", "bpc_1", 23),
    ("capability", "cap_1", 23),
    ("card", "card_1", 23),
    ("charge", "ch_3", 23),
    ("checkout.session", "cs_test_a1", 56),
    ("climate.order", "climorder_1", 23),
    ("climate.product", "climsku_", 12),
    ("climate.supplier", "climsup_", 12),
    ("country_spec", "", 12),
    ("coupon", "", 8),
    ("credit_note", "cn_1", 23),
    ("credit_note_line_item", "cnli_1", 23),
    ("customer", "cus_", 14),
    ("customer_balance_transaction", "cbtxn_1", 23),
    ("customer_cash_balance_transaction", "ccsbtxn_1", 23),
    ("discount", "di_1", 23),
    ("dispute", "du_1", 23),
    ("entitlements.active_entitlement", "ent_test_", 16),
    ("entitlements.feature", "feat_test_", 16),
    ("event", "evt_1", 23),
    ("fee_refund", "fr_", 14),
    ("file", "file_1", 23),
    ("file_link", "link_1", 23),
    ("financial_connections.account", "fca_1", 23),
    ("financial_connections.account_owner", "fcaown_1", 23),
    ("financial_connections.transaction", "fctxn_1", 23),
    ("forwarding.request", "fwdreq_1", 23),
    ("identity.verification_report", "vr_1", 23),
    ("identity.verification_session", "vs_1", 23),
    ("invoice", "in_1", 23),
    ("invoice_payment", "inpay_1", 23),
    ("invoice_rendering_template", "inrtem_1", 23),
    ("invoiceitem", "ii_1", 23),
    ("issuing.authorization", "iauth_1", 23),
    ("issuing.card", "ic_1", 23),
    ("issuing.cardholder", "ich_1", 23),
    ("issuing.dispute", "idp_1", 23),
    ("issuing.personalization_design", "ipd_1", 23),
    ("issuing.physical_bundle", "ics_", 16),
    ("issuing.token", "intok_1", 23),
    ("issuing.transaction", "ipi_1", 23),
    ("item", "li_1", 23),
    ("line_item", "il_1", 23),
    ("mandate", "mandate_1", 23),
    ("payment_intent", "pi_3", 23),
    ("payment_intent_amount_details_line_item", "uli_1", 23),
    ("payment_link", "plink_1", 23),
    ("payment_method", "pm_1", 23),
    ("payment_method_configuration", "pmc_1", 23),
    ("payment_method_domain", "pmd_1", 23),
    ("payout", "po_1", 23),
    ("person", "person_1", 23),
    ("plan", "plan_", 14),
    ("price", "price_1", 23),
    ("product", "prod_", 14),
    ("product_feature", "prodft_1", 23),
    ("promotion_code", "promo_1", 23),
    ("quote", "qt_1", 23),
    ("radar.early_fraud_warning", "issfr_1", 23),
    ("radar.value_list", "rsl_1", 23),
    ("radar.value_list_item", "rsli_1", 23),
    ("refund", "re_3", 23),
    ("reporting.report_run", "frr_1", 23),
    ("reporting.report_type", "report.", 12),
    ("review", "prv_1", 23),
    ("scheduled_query_run", "sqr_1", 23),
    ("setup_attempt", "setatt_1", 23),
    ("setup_intent", "seti_1", 23),
    ("shipping_rate", "shr_1", 23),
    ("source", "src_1", 23),
    ("subscription", "sub_1", 23),
    ("subscription_item", "si_", 14),
    ("subscription_schedule", "sub_sched_1", 23),
    ("tax.registration", "taxreg_", 16),
    ("tax_code", "txcd_", 8),
    ("tax_id", "txi_1", 23),
    ("tax_rate", "txr_1", 23),
    ("terminal.configuration", "tmc_", 14),
    ("terminal.location", "tml_", 14),
    ("terminal.reader", "tmr_", 14),
    ("test_helpers.test_clock", "clock_1", 23),
    ("topup", "tu_1", 23),
    ("transfer", "tr_1", 23),
    ("transfer_reversal", "trr_1", 23),
    ("treasury.credit_reversal", "credrev_1", 23),
    ("treasury.debit_reversal", "debrev_1", 23),
    ("treasury.financial_account", "fa_1", 23),
    ("treasury.inbound_transfer", "ibt_1", 23),
    ("treasury.outbound_payment", "obp_1", 23),
    ("treasury.outbound_transfer", "obt_1", 23),
    ("treasury.received_credit", "rc_1", 23),
    ("treasury.received_debit", "rd_1", 23),
    ("treasury.transaction", "trxn_1", 23),
    ("treasury.transaction_entry", "trxne_1", 23),
    ("v2.core.account", "acct_1", 15),
    ("v2.core.account_person", "person_test_", 23),
    ("v2.core.event", "evt_test_", 40),
    ("v2.core.event_destination", "ed_test_", 40),
    ("webhook_endpoint", "we_1", 23),
];

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The characters that hold the number: 62⁶ is more than 2³².
const NUMBER_LENGTH: usize = 6;

/// How the ids of one resource are made.
#[derive(Debug, Clone)]
pub(crate) struct IdForm {
    prefix: &'static str,
    length: usize,
    seed: u64,
}

impl IdForm {
    /// The form for objects whose `object` is `object`, in the world of `seed`.
    pub(crate) fn of(object: &str, seed: u64) -> Self {
        let known = FORMS.iter().find(|(name, ..)| *name == object);
        let (prefix, length) =
            known.map_or(("obj_1", 23), |(_, prefix, length)| (*prefix, *length));
        Self { prefix, length, seed: mix(&[seed, text_number(object)]) }
    }

    /// Writes the id of the object with that number.
    pub(crate) fn write(&self, number: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix.as_bytes());
        let mut rest = u64::from(number ^ self.mask());
        for _ in 0..NUMBER_LENGTH {
            out.push(letter(rest % 62));
            rest /= 62;
        }
        let tail = self.length.saturating_sub(NUMBER_LENGTH);
        letters(mix(&[self.seed, u64::from(number)]), tail, out);
    }

    /// Writes an id that stands for nothing we hold.
    pub(crate) fn write_new(&self, random: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix.as_bytes());
        letters(random, self.length, out);
    }

    /// The number of the object with that id, if it is one of ours. Whether an object of that
    /// number exists is for the caller to say.
    pub(crate) fn read(&self, id: &str) -> Option<u32> {
        let digits = id.strip_prefix(self.prefix)?.as_bytes().get(..NUMBER_LENGTH)?;
        let mut value: u64 = 0;
        for digit in digits.iter().rev() {
            let place = ALPHABET.iter().position(|letter| letter == digit)?;
            value = value * 62 + u64::try_from(place).ok()?;
        }
        let number = u32::try_from(value).ok()? ^ self.mask();
        let mut made = Vec::new();
        self.write(number, &mut made);
        (made == id.as_bytes()).then_some(number)
    }

    fn mask(&self) -> u32 {
        u32::try_from(self.seed >> 32).unwrap_or(0)
    }
}

/// The letter or digit for a value below 62.
pub(crate) fn letter(value: u64) -> u8 {
    usize::try_from(value).ok().and_then(|at| ALPHABET.get(at)).copied().unwrap_or(b'0')
}

/// A number for a text, so that a text can take part in a seed.
pub(crate) fn text_number(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(form: &IdForm, number: u32) -> String {
        let mut out = Vec::new();
        form.write(number, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_id_looks_as_stripes_does() {
        let customer = id(&IdForm::of("customer", 7), 0);
        assert!(customer.starts_with("cus_"), "{customer}");
        assert_eq!(customer.len(), 18);
        assert_eq!(id(&IdForm::of("invoice", 7), 3).len(), "in_1MtHbELkdIwHu7ixl4OzzPMv".len());
    }

    #[test]
    fn the_forms_are_sorted_so_that_one_is_found_when_read() {
        assert!(FORMS.is_sorted_by_key(|(object, ..)| *object));
    }

    proptest! {
        #[test]
        fn an_id_tells_its_number(number: u32, seed: u64) {
            let form = IdForm::of("charge", seed);
            prop_assert_eq!(form.read(&id(&form, number)), Some(number));
        }

        #[test]
        fn a_foreign_id_tells_nothing(seed: u64, text in "(cus_)?[0-9A-Za-z]{0,20}") {
            prop_assert_eq!(IdForm::of("customer", seed).read(&text), None);
        }
    }
}
