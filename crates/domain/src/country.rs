//! Countries and regions (data.md §1): codes, names in both languages, Chinese sort order.

use std::sync::LazyLock;

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166-1 alpha-2.
    pub alpha2: &'static str,
    /// ISO 3166-1 alpha-3.
    pub alpha3: &'static str,
    /// ISO 3166-1 numeric, three digits.
    pub numeric: &'static str,
    /// English name.
    pub en: &'static str,
    /// Chinese name.
    pub zh: &'static str,
}

static TABLE: LazyLock<Vec<Country>> = LazyLock::new(|| {
    let rows = include_str!("../data/countries.txt").lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|line| {
        let mut cells = line.split('|');
        let mut cell = || cells.next();
        Some(Country { alpha2: cell()?, alpha3: cell()?, numeric: cell()?, en: cell()?, zh: cell()? })
    })
    .collect()
});

/// All countries and regions in pinyin order.
pub fn all() -> &'static [Country] {
    &TABLE
}

/// The country or region with this alpha-2 code.
pub fn find(alpha2: &str) -> Option<&'static Country> {
    TABLE.iter().find(|country| country.alpha2 == alpha2)
}

/// Regions whose credentials are 港澳台 ones (R2.5).
pub const HKMT: [&str; 3] = ["HK", "MO", "TW"];

/// Whether this nationality is written in Chinese characters (R1.3).
pub fn is_chinese(alpha2: &str) -> bool {
    alpha2 == "CN" || HKMT.contains(&alpha2)
}
