//! Numbers (R6.5): what came in, what was decided and how, how long it took, how old open cases are. Counted by the
//! database from timelines and queues, without opening anything sealed.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamp};
use domain::case::Stage;

use crate::connection::{AnyConnection, Store};
use crate::error::StoreError;
use crate::schema::application;
use crate::time::stored;

/// What happened on one day in Beijing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayRow {
    /// The day.
    pub day: NaiveDate,
    /// What: a kind of the timeline.
    pub kind: String,
    /// How often.
    pub count: i64,
}

/// Results of one country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultRow {
    /// Alpha-2 code.
    pub country: String,
    /// Code of the outcome.
    pub outcome: String,
    /// How many.
    pub count: i64,
}

/// Days from acceptance to the result: so many cases took so many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Durations(pub Vec<(i64, i64)>);

impl Durations {
    /// How many cases.
    pub fn count(&self) -> i64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// The days within which `share` (per cent) of the cases were decided.
    pub fn within(&self, share: i64) -> Option<i64> {
        let wanted = (self.count() * share + 99) / 100;
        let mut seen = 0;
        self.0.iter().find_map(|(days, count)| {
            seen += count;
            (seen >= wanted && wanted > 0).then_some(*days)
        })
    }
}

/// How often two evaluations of one case came to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreementRow {
    /// An officer's id, or a country's alpha-2 code.
    pub of: String,
    /// Cases that were evaluated twice.
    pub pairs: i64,
    /// Those in which both agreed.
    pub agreed: i64,
}

fn agreements(counts: impl Iterator<Item = (String, String, i64)>) -> Vec<AgreementRow> {
    let mut rows: std::collections::BTreeMap<String, AgreementRow> = std::collections::BTreeMap::new();
    for (of, kind, count) in counts {
        let row = rows.entry(of.clone()).or_insert(AgreementRow { of, pairs: 0, agreed: 0 });
        row.pairs += count;
        row.agreed += if kind == "evaluations-agree" { count } else { 0 };
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.pairs));
    rows
}

/// Ages of open cases in days: up to, from one bound to the next, and beyond the last.
pub const AGES: [i64; 4] = [7, 14, 30, 60];

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Text)]
    a: String,
    #[diesel(sql_type = Text)]
    b: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// A statement with two instants, in the words of either database.
fn ask(
    connection: &mut AnyConnection,
    sqlite: &str,
    postgres: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<Counted>, StoreError> {
    let (from, to) = (stored(from), stored(to));
    Ok(match connection {
        AnyConnection::Postgres(known) => {
            diesel::sql_query(postgres).bind::<Timestamp, _>(from).bind::<Timestamp, _>(to).load(known)?
        }
        AnyConnection::Sqlite(known) => {
            diesel::sql_query(sqlite).bind::<Timestamp, _>(from).bind::<Timestamp, _>(to).load(known)?
        }
    })
}

impl Store {
    /// What was submitted, accepted and decided on each day.
    ///
    /// # Errors
    /// When the database fails.
    pub fn by_day(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DayRow>, StoreError> {
        let select = |day: &str, one: &str, two: &str| {
            format!(
                "SELECT {day} AS a, kind AS b, COUNT(*) AS count FROM timeline \
                 WHERE kind IN ('submitted', 'accepted', 'decided') AND at >= {one} AND at < {two} GROUP BY 1, 2 ORDER BY 1, 2"
            )
        };
        let rows = self.read(|connection| {
            let sqlite = select("date(at, '+8 hours')", "?", "?");
            let postgres = select("to_char(at + interval '8 hours', 'YYYY-MM-DD')", "$1", "$2");
            ask(connection, &sqlite, &postgres, from, to)
        })?;
        rows.into_iter()
            .map(|row| {
                let day = row.a.parse().map_err(|_| StoreError::Value("timeline.at"))?;
                Ok(DayRow { day, kind: row.b, count: row.count })
            })
            .collect()
    }

    /// Results by country.
    ///
    /// # Errors
    /// When the database fails.
    pub fn by_country(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<ResultRow>, StoreError> {
        let select = |one: &str, two: &str| {
            format!(
                "SELECT COALESCE(application.country, '') AS a, timeline.detail AS b, COUNT(*) AS count FROM timeline \
                 JOIN application ON application.id = timeline.application_id \
                 WHERE timeline.kind = 'decided' AND timeline.at >= {one} AND timeline.at < {two} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 500"
            )
        };
        let rows = self.read(|connection| ask(connection, &select("?", "?"), &select("$1", "$2"), from, to))?;
        Ok(rows.into_iter().map(|row| ResultRow { country: row.a, outcome: row.b, count: row.count }).collect())
    }

    /// Days from acceptance to the result, of what was decided in this time; of one kind and country, or of all.
    ///
    /// # Errors
    /// When the database fails.
    pub fn durations(
        &self,
        of: Option<(&str, &str)>,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Durations, StoreError> {
        // Codes of ours, never words of a browser: letters, digits and hyphens alone.
        let clean = |code: &str| {
            code.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect::<String>()
        };
        let which = of.map_or_else(String::new, |(kind, country)| {
            format!("AND application.kind = '{}' AND application.country = '{}'", clean(kind), clean(country))
        });
        let select = |days: &str, one: &str, two: &str| {
            format!(
                "SELECT CAST({days} AS TEXT) AS a, '' AS b, COUNT(*) AS count FROM timeline AS d \
                 JOIN application ON application.id = d.application_id \
                 JOIN timeline AS s ON s.application_id = d.application_id AND s.kind = 'accepted' \
                 WHERE d.kind = 'decided' AND d.at >= {one} AND d.at < {two} {which} GROUP BY {days} ORDER BY {days}"
            )
        };
        let rows = self.read(|connection| {
            let sqlite = select("CAST(julianday(d.at) - julianday(s.at) AS INTEGER)", "?", "?");
            let postgres = select("CAST(FLOOR(EXTRACT(EPOCH FROM (d.at - s.at)) / 86400) AS BIGINT)", "$1", "$2");
            ask(connection, &sqlite, &postgres, from, to)
        })?;
        let days = rows.into_iter().filter_map(|row| Some((row.a.parse().ok()?, row.count)));
        Ok(Durations(days.collect()))
    }

    /// How far evaluators agreed, where a case was evaluated twice: by officer, then by country.
    ///
    /// # Errors
    /// When the database fails.
    pub fn agreement(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<(Vec<AgreementRow>, Vec<AgreementRow>), StoreError> {
        let select = |what: &str, one: &str, two: &str| {
            format!(
                "SELECT {what} AS a, timeline.kind AS b, COUNT(*) AS count FROM timeline \
                 JOIN application ON application.id = timeline.application_id \
                 WHERE timeline.kind IN ('evaluations-agree', 'evaluations-differ') \
                 AND timeline.at >= {one} AND timeline.at < {two} GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 2000"
            )
        };
        let [pairs, countries] = ["timeline.detail || ' ' || timeline.by_whom", "COALESCE(application.country, '')"]
            .map(|what| {
                self.read(|connection| ask(connection, &select(what, "?", "?"), &select(what, "$1", "$2"), from, to))
            });
        // The one wrote the first, the other the second: the pair counts for both.
        let officers = pairs?.into_iter().flat_map(|row| {
            let ids: Vec<String> = row.a.split(' ').map(|id| id.trim_start_matches("staff:").to_owned()).collect();
            ids.into_iter().map(move |id| (id, row.b.clone(), row.count)).collect::<Vec<_>>()
        });
        let countries = countries?.into_iter().map(|row| (row.a, row.b, row.count));
        Ok((agreements(officers), agreements(countries)))
    }

    /// How many open cases of each stage are how old, by the bounds of [`AGES`].
    ///
    /// # Errors
    /// When the database fails.
    pub fn ages(&self, stages: &[Stage], now: DateTime<Utc>) -> Result<Vec<(Stage, Vec<i64>)>, StoreError> {
        let bounds: Vec<_> = AGES.iter().map(|days| stored(now - TimeDelta::days(*days))).collect();
        self.read(|connection| {
            let mut all = Vec::new();
            for stage in stages {
                let mut counts = Vec::new();
                let mut younger: Option<chrono::NaiveDateTime> = None;
                for bound in bounds.iter().copied().map(Some).chain([None]) {
                    let of = application::table.filter(application::stage.eq(stage.code()));
                    let count: i64 = match (bound, younger) {
                        (Some(bound), None) => {
                            of.filter(application::since_at.ge(bound)).count().get_result(connection)?
                        }
                        (Some(bound), Some(younger)) => of
                            .filter(application::since_at.ge(bound))
                            .filter(application::since_at.lt(younger))
                            .count()
                            .get_result(connection)?,
                        (None, Some(younger)) => {
                            of.filter(application::since_at.lt(younger)).count().get_result(connection)?
                        }
                        (None, None) => of.count().get_result(connection)?,
                    };
                    counts.push(count);
                    younger = bound;
                }
                all.push((*stage, counts));
            }
            Ok(all)
        })
    }
}
