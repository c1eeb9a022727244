//! Reconciliation: the gateway's clearing file against our ledger, line by line (unionpay.md §9).

use std::collections::HashMap;

use chrono::{DateTime, Days, FixedOffset, NaiveDate, NaiveTime, TimeDelta, Utc};

use crate::calendar;

/// The hour of Beijing at which a clearing day ends (unionpay.md §5).
pub const CUT_HOUR: u32 = 23;
/// So long after the cut the file is fetched.
pub const FETCH_AFTER: TimeDelta = TimeDelta::hours(2);

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClearingKind {
    /// Money came.
    Payment,
    /// Money went back.
    Refund,
}

/// One line of the file that concerns us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClearingLine {
    /// Payment or refund.
    pub kind: ClearingKind,
    /// `txnAmt` in fen.
    pub amount: i64,
    /// UnionPay's serial.
    pub query_id: String,
    /// Our order.
    pub order: String,
    /// The merchant's fee in fen; what it costs us is negative.
    pub fee: i64,
    /// What is settled in fen: received positive, paid negative.
    pub settled: i64,
    /// The serial of the payment that a refund is of.
    pub original: String,
}

/// What our ledger says of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// The movement's key.
    pub key: String,
    /// Payment or refund.
    pub kind: ClearingKind,
    /// Our order.
    pub order: String,
    /// How much, in fen.
    pub amount: i64,
}

/// In what the file and the ledger differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The gateway moved money of which the ledger knows nothing.
    MissingHere,
    /// The ledger has money of which the gateway knows nothing.
    MissingThere,
    /// The amounts differ.
    Amount,
    /// The file has it twice.
    Twice,
    /// What is settled is not the amount less the fee.
    Fee,
}

impl Difference {
    /// The code in rows and texts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingHere => "missing-here",
            Self::MissingThere => "missing-there",
            Self::Amount => "amount",
            Self::Twice => "twice",
            Self::Fee => "fee",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// In what.
    pub difference: Difference,
    /// Of which order.
    pub order: String,
    /// What the ledger says, in fen.
    pub here: Option<i64>,
    /// What the file says, in fen.
    pub there: Option<i64>,
}

/// What comparing came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Matched {
    /// The movements that the file confirms, by key.
    pub keys: Vec<String>,
    /// The differences.
    pub discrepancies: Vec<Discrepancy>,
}

/// Compares a file with what is booked and not yet confirmed by an earlier file.
pub fn compare(lines: &[ClearingLine], booked: &[Booked]) -> Matched {
    let known: HashMap<(ClearingKind, &str), &Booked> =
        booked.iter().map(|booked| ((booked.kind, booked.order.as_str()), booked)).collect();
    let mut seen: HashMap<(ClearingKind, &str), ()> = HashMap::with_capacity(lines.len());
    let mut matched = Matched::default();
    for line in lines {
        let name = (line.kind, line.order.as_str());
        let found = known.get(&name);
        let differ = |difference| Discrepancy {
            difference,
            order: line.order.clone(),
            here: found.map(|booked| booked.amount),
            there: Some(line.amount),
        };
        if seen.insert(name, ()).is_some() {
            matched.discrepancies.push(differ(Difference::Twice));
            continue;
        }
        let expected = match line.kind {
            ClearingKind::Payment => line.amount + line.fee,
            ClearingKind::Refund => line.fee - line.amount,
        };
        if line.settled != expected {
            matched.discrepancies.push(differ(Difference::Fee));
        }
        match found {
            None => matched.discrepancies.push(differ(Difference::MissingHere)),
            Some(booked) => {
                if booked.amount != line.amount {
                    matched.discrepancies.push(differ(Difference::Amount));
                }
                matched.keys.push(booked.key.clone());
            }
        }
    }
    matched
}

fn cut(day: NaiveDate) -> DateTime<Utc> {
    let east = FixedOffset::east_opt(8 * 3_600);
    let local = day.and_time(NaiveTime::from_hms_opt(CUT_HOUR, 0, 0).unwrap_or_default());
    east.and_then(|east| local.and_local_timezone(east).single())
        .map_or_else(|| local.and_utc(), |at| at.with_timezone(&Utc))
}

/// When the clearing day `day` ends.
pub fn ends(day: NaiveDate) -> DateTime<Utc> {
    cut(day)
}

/// The clearing day in which an instant lies: from 23:00 of the day before to 23:00.
pub fn day_of(at: DateTime<Utc>) -> NaiveDate {
    let date = calendar::today(at);
    if at >= cut(date) { date.checked_add_days(Days::new(1)).unwrap_or(date) } else { date }
}

/// The last clearing day whose file is there at `now`.
pub fn last_ready(now: DateTime<Utc>) -> NaiveDate {
    let of = day_of(now - FETCH_AFTER);
    of.checked_sub_days(Days::new(1)).unwrap_or(of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn a_clearing_day_runs_from_23_to_23() {
        let at = |hour, minute| Utc.with_ymd_and_hms(2026, 11, 24, hour, minute, 0).unwrap();
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        // 22:59 and 23:00 in Beijing.
        assert_eq!(day_of(at(14, 59)), day("2026-11-24"));
        assert_eq!(day_of(at(15, 0)), day("2026-11-25"));
        assert_eq!(last_ready(at(16, 59)), day("2026-11-23"));
        assert_eq!(last_ready(at(17, 0)), day("2026-11-24"));
    }

    #[test]
    fn r6_4_each_difference_is_told_by_its_kind() {
        let line = |order: &str, amount, settled| ClearingLine {
            kind: ClearingKind::Payment,
            amount,
            query_id: String::new(),
            order: order.into(),
            fee: -216,
            settled,
            original: String::new(),
        };
        let booked = |order: &str| Booked {
            key: format!("settle:{order}"),
            kind: ClearingKind::Payment,
            order: order.into(),
            amount: 36_000,
        };
        let lines = [
            line("good", 36_000, 35_784),
            line("good", 36_000, 35_784),
            line("unknown", 36_000, 35_784),
            line("less", 1, -215),
            line("fee", 36_000, 36_000),
        ];
        let matched = compare(&lines, &[booked("good"), booked("less"), booked("fee"), booked("later")]);
        let kinds: Vec<_> = matched.discrepancies.iter().map(|each| (each.order.as_str(), each.difference)).collect();
        assert_eq!(
            kinds,
            [
                ("good", Difference::Twice),
                ("unknown", Difference::MissingHere),
                ("less", Difference::Amount),
                ("fee", Difference::Fee),
            ]
        );
        assert_eq!(matched.keys, ["settle:good", "settle:less", "settle:fee"]);
    }
}
