//! The fee receipt, 《学历学位认证费用收讫证明》 (R2.11).

use std::sync::Arc;

use chrono::{DateTime, Datelike, Utc};
use domain::calendar;
use domain::money::Fen;
use serde::Serialize;

use crate::certificate::{AUTHORITY_ZH, BOLD, REGULAR, day_zh, draft};
use crate::credential;
use crate::keys::Keys;
use crate::pades::{RESERVED, Says};
use crate::press::{Press, PressError, Sheet, qr_svg};

const TEMPLATE: &str = include_str!("../../../assets/documents/receipt.typ");

/// Everything that a receipt says.
#[derive(Debug, Clone)]
pub struct ReceiptFacts {
    /// Who paid for whom: the applicant.
    pub payer: String,
    /// How much.
    pub amount: Fen,
    /// The same in Chinese capitals.
    pub capitals: String,
    /// Of which application.
    pub number: String,
    /// The order at the gateway.
    pub order: String,
    /// UnionPay's serial.
    pub serial: String,
    /// Where anybody can verify it.
    pub verify: String,
    /// When the money went back, if it did.
    pub refunded_at: Option<DateTime<Utc>>,
    /// When the money came.
    pub paid_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct Data {
    title: &'static str,
    title_en: &'static str,
    authority: &'static str,
    order: String,
    year: i32,
    month: u32,
    day: u32,
    date_zh: String,
    rows: Vec<(&'static str, &'static str, String)>,
    url: String,
    verify_zh: &'static str,
    verify_en: &'static str,
    qr_alt: &'static str,
    credential_words: &'static str,
}

/// Prints receipts.
pub struct Cashbook {
    press: Press,
    keys: Arc<Keys>,
}

impl Cashbook {
    /// With the embedded template and fonts.
    ///
    /// # Errors
    /// `Setup` when they can't be used.
    pub fn new(keys: Arc<Keys>) -> Result<Self, PressError> {
        Ok(Self { press: Press::new("receipt.typ", TEMPLATE, &[REGULAR, BOLD], &[])?, keys })
    }

    /// Makes the receipt, signed, without a time-stamp: it is made anew each time it is asked for. The same facts and keys
    /// make the same file.
    ///
    /// # Errors
    /// [`PressError`].
    pub fn receipt(&self, facts: &ReceiptFacts) -> Result<Vec<u8>, PressError> {
        let date = calendar::today(facts.paid_at);
        let refunded = facts.refunded_at.map(|at| day_zh(calendar::today(at)));
        let data = Data {
            title: "学历学位认证费用收讫证明",
            title_en: "Fee receipt",
            authority: AUTHORITY_ZH,
            order: facts.order.clone(),
            year: date.year(),
            month: date.month(),
            day: date.day(),
            date_zh: day_zh(date),
            url: facts.verify.clone(),
            verify_zh: "扫描二维码核验本证明：",
            verify_en: "Scan the code to see whether this receipt is ours:",
            qr_alt: "核验本证明的二维码，内容为旁边的网址",
            credential_words: "本文件所附的可验证凭证 The verifiable credential of this document",
            rows: [
                ("付款人", "Payer", facts.payer.clone()),
                ("事由", "For", "学历学位认证费".into()),
                ("金额", "Amount", format!("¥{}（{}）", facts.amount, facts.capitals)),
                ("申请编号", "Application", facts.number.clone()),
                ("订单号", "Order", facts.order.clone()),
                ("银联流水号", "UnionPay serial", facts.serial.clone()),
                ("收款日期", "Received on", day_zh(date)),
            ]
            .into_iter()
            .chain(refunded.map(|day| ("退费", "Refunded on", format!("已退费，{day}"))))
            .collect(),
        };
        let jwt = self.keys.sign(&credential::receipt(&self.keys, facts))?;
        let sheet = Sheet { ident: &facts.order, qr: qr_svg(&facts.verify)?, credential: jwt };
        let printed = self.press.print(&sheet, &data)?.pdf;
        let at = self.keys.signing_time(facts.refunded_at.unwrap_or(facts.paid_at));
        draft(&self.keys, printed, Says { name: AUTHORITY_ZH, reason: &facts.order, at }, RESERVED)?.finish(None)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use chrono::TimeZone;

    use super::*;

    pub(crate) fn receipt() -> Vec<u8> {
        let facts = ReceiptFacts {
            payer: "样本·阿卜杜热依木·买买提".into(),
            amount: domain::money::FEE,
            capitals: "叁佰陆拾元整".into(),
            number: "RZ20260000001".into(),
            order: "RZ01a20fc345ad74408ee2f6fe2e9b43".into(),
            serial: "952611250653055355183".into(),
            verify: "https://renzheng.example/verify/receipt/RZ01/00".into(),
            refunded_at: None,
            paid_at: Utc.with_ymd_and_hms(2026, 11, 24, 4, 0, 0).unwrap(),
        };
        Cashbook::new(crate::keys::demo()).unwrap().receipt(&facts).unwrap()
    }

    #[test]
    fn r2_11_a_receipt_proves_itself_and_is_the_same_each_time() {
        let pdf = receipt();
        let examined = crate::examine(&pdf, crate::keys::demo().trust());
        assert!(examined.holds(), "{:?}", examined.checks);
        assert_eq!(examined.number(), Some("RZ01a20fc345ad74408ee2f6fe2e9b43"));
        assert!(pdf == receipt());
        if let Ok(folder) = std::env::var("DOCUMENTS_OUT") {
            std::fs::write(format!("{folder}/receipt.pdf"), &pdf).unwrap();
        }
    }
}
