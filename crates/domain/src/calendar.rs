//! Working days of the PRC (calendar.md): from the annual notices, and provisional beyond them.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, Utc, Weekday};
use serde::{Deserialize, Serialize};

/// Beijing time, without daylight saving since 1991.
pub fn beijing(now: DateTime<Utc>) -> DateTime<FixedOffset> {
    FixedOffset::east_opt(8 * 3_600).map_or_else(|| now.fixed_offset(), |offset| now.with_timezone(&offset))
}

/// The date in Beijing.
pub fn today(now: DateTime<Utc>) -> NaiveDate {
    beijing(now).date_naive()
}

/// The first instant of a day in Beijing.
pub fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc() - chrono::TimeDelta::hours(8)
}

/// A date that was computed, and whether it lies beyond the years whose notice is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The date.
    pub date: NaiveDate,
    /// True when it may move once the notice for its year is out.
    pub provisional: bool,
}

/// Why a calendar file is refused.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// Not JSON of the known shape.
    #[error("the calendar file can't be read: {0}")]
    Shape(#[from] serde_json::Error),
    /// A date is off and a make-up workday at once, or a make-up day is no weekend day.
    #[error("the calendar file contradicts itself on {0}")]
    Contradiction(NaiveDate),
    /// Fewer than eleven statutory days in a year.
    #[error("the calendar file has too few days off in {0}")]
    TooFew(i32),
}

/// Which days are worked.
#[derive(Debug, Clone)]
pub struct Calendar {
    off: BTreeSet<NaiveDate>,
    makeup: BTreeSet<NaiveDate>,
    covered: BTreeSet<i32>,
}

#[derive(Deserialize)]
struct File {
    years: std::collections::BTreeMap<String, Year>,
}

#[derive(Deserialize)]
struct Year {
    days_off: Vec<Entry>,
    makeup_workdays: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    date: NaiveDate,
}

impl Calendar {
    /// Reads and checks a calendar file.
    ///
    /// # Errors
    /// [`CalendarError`].
    pub fn parse(json: &str) -> Result<Self, CalendarError> {
        let file: File = serde_json::from_str(json)?;
        let mut calendar = Self { off: BTreeSet::new(), makeup: BTreeSet::new(), covered: BTreeSet::new() };
        for (name, year) in file.years {
            let off: Vec<_> = year.days_off.into_iter().map(|entry| entry.date).collect();
            let makeup = year.makeup_workdays.into_iter().map(|entry| entry.date);
            let number = name.parse().unwrap_or_default();
            if off.len() < 11 {
                return Err(CalendarError::TooFew(number));
            }
            calendar.off.extend(off);
            calendar.makeup.extend(makeup);
            calendar.covered.insert(number);
        }
        let wrong = |date: &&NaiveDate| calendar.off.contains(*date) || !weekend(**date);
        if let Some(date) = calendar.makeup.iter().find(wrong) {
            return Err(CalendarError::Contradiction(*date));
        }
        Ok(calendar)
    }

    /// The copy that the program carries, for 2025 and 2026.
    pub fn embedded() -> Self {
        Self::parse(include_str!("../data/working-days.cn.json")).unwrap_or(Self {
            off: BTreeSet::new(),
            makeup: BTreeSet::new(),
            covered: BTreeSet::new(),
        })
    }

    /// The last year whose notice is known.
    pub fn covered_until(&self) -> Option<i32> {
        self.covered.last().copied()
    }

    /// Whether people work on this day; beyond the known years, weekends and fixed statutory days decide.
    pub fn is_working(&self, date: NaiveDate) -> bool {
        if self.covered.contains(&date.year()) {
            return self.makeup.contains(&date) || (!weekend(date) && !self.off.contains(&date));
        }
        let fixed = matches!((date.month(), date.day()), (1, 1) | (5, 1 | 2) | (10, 1..=3));
        !weekend(date) && !fixed
    }

    /// How many working days lie after `from`, up to and with `to`.
    pub fn count(&self, from: NaiveDate, to: NaiveDate) -> u32 {
        let days = from.iter_days().skip(1).take_while(|day| *day <= to);
        u32::try_from(days.filter(|day| self.is_working(*day)).count()).unwrap_or(u32::MAX)
    }

    /// The `count`-th working day after `start`.
    pub fn add(&self, start: NaiveDate, count: u32) -> Due {
        let mut date = start;
        let mut left = count;
        while left > 0 {
            let Some(next) = date.checked_add_days(Days::new(1)) else { break };
            date = next;
            left -= u32::from(self.is_working(date));
        }
        Due { date, provisional: !self.covered.contains(&date.year()) }
    }
}

fn weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}
