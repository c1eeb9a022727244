//! `/metrics` for Prometheus: the same state that the console shows, as numbers (names in `docs/METRICS.md`).
//!
//! Requests are counted as they come; everything else is read when somebody asks, so it costs nothing meanwhile.

use actix_web::HttpResponse;
use prometheus::core::Collector;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, Opts, TextEncoder};
use supervision::State;

use crate::error::Failure;
use crate::public::health;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::site::Site;

/// What begins the name of each of our metrics.
const PREFIX: &str = "renzheng";
/// Seconds up to which answers are told apart.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// What is counted of requests.
pub struct Meters {
    /// None if the libraries refused the names: then nothing is counted, and the log says so.
    counted: Option<Counted>,
}

struct Counted {
    requests: IntCounterVec,
    seconds: HistogramVec,
}

impl Default for Meters {
    fn default() -> Self {
        let counted = Counted::new().inspect_err(|error| tracing::error!(%error, "requests can't be counted")).ok();
        Self { counted }
    }
}

impl Counted {
    fn new() -> Result<Self, prometheus::Error> {
        let requests = Opts::new("http_requests_total", "Requests answered").namespace(PREFIX);
        let seconds = HistogramOpts::new("http_request_seconds", "Seconds until the head of an answer was ready");
        let seconds = seconds.namespace(PREFIX).buckets(SECONDS.to_vec());
        Ok(Self {
            requests: IntCounterVec::new(requests, &["method", "route", "status"])?,
            seconds: HistogramVec::new(seconds, &["route"])?,
        })
    }
}

impl Meters {
    /// Counts a request. Whoever asks may call a method what they like; it is counted by the names that there are.
    pub fn answered(&self, method: &str, route: &str, status: u16, seconds: f64) {
        let known = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"];
        let method = known.into_iter().find(|known| *known == method).unwrap_or("other");
        if let Some(counted) = &self.counted {
            counted.requests.with_label_values(&[method, route, &status.to_string()]).inc();
            counted.seconds.with_label_values(&[route]).observe(seconds);
        }
    }

    fn families(&self) -> Vec<MetricFamily> {
        let counted = self.counted.iter();
        counted.flat_map(|counted| counted.requests.collect().into_iter().chain(counted.seconds.collect())).collect()
    }
}

/// What is read when somebody asks.
#[derive(Default)]
struct Now {
    families: Vec<MetricFamily>,
}

impl Now {
    /// One number; a name that ends in `_total` only ever grows.
    fn one(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, help, vec![metric(name, Vec::new(), value)]);
    }

    /// One number for each value of a label.
    fn many<'a>(&mut self, name: &str, help: &str, label: &str, values: impl IntoIterator<Item = (&'a str, f64)>) {
        let metrics = values.into_iter().map(|(word, value)| {
            let mut pair = LabelPair::default();
            pair.set_name(label.to_owned());
            pair.set_value(word.to_owned());
            metric(name, vec![pair], value)
        });
        self.family(name, help, metrics.collect());
    }

    fn family(&mut self, name: &str, help: &str, metrics: Vec<Metric>) {
        let mut family = MetricFamily::default();
        family.set_name(format!("{PREFIX}_{name}"));
        family.set_help(help.to_owned());
        family.set_field_type(if grows(name) { MetricType::COUNTER } else { MetricType::GAUGE });
        family.set_metric(metrics);
        // The encoder refuses a family without numbers.
        if !family.get_metric().is_empty() {
            self.families.push(family);
        }
    }
}

fn grows(name: &str) -> bool {
    name.ends_with("_total")
}

fn metric(name: &str, labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut metric = Metric::from_label(labels);
    if grows(name) {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    }
    metric
}

/// Counts are shown as floating numbers; what an f64 can't hold of them nobody reads off a graph.
#[expect(clippy::cast_precision_loss)]
const fn float(count: u64) -> f64 {
    count as f64
}

fn signed(count: i64) -> f64 {
    float(u64::try_from(count).unwrap_or(0))
}

/// Who may read: this machine, or whoever knows the word; never somebody whom a proxy lets through without it.
fn let_in(ctx: &Ctx) -> bool {
    let site = ctx.site();
    let given = ctx.header("Authorization").and_then(|value| value.strip_prefix("Bearer "));
    match (&site.metrics_token, given) {
        (Some(word), Some(given)) => {
            let keys = site.tree.world.store.keys();
            keys.sign("metrics", word) == keys.sign("metrics", given)
        }
        _ => ctx.is_local() && ctx.header("X-Forwarded-For").is_none(),
    }
}

/// `GET /metrics`
pub async fn show(ctx: Ctx) -> Answer {
    if !let_in(&ctx) {
        return Err(Failure::Rejected(domain::Rejection::NotFound));
    }
    let site = ctx.site();
    let mut families = site.meters.families();
    families.extend(now(&ctx, site).await?.families);
    // A counter that counted nothing yet has no numbers.
    families.retain(|family| !family.get_metric().is_empty());
    families.sort_by(|a, b| a.name().cmp(b.name()));
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text).map_err(|error| ctx.fault(error))?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}

async fn now(ctx: &Ctx, site: &Site) -> Result<Now, Failure> {
    let (tree, at) = (&site.tree, ctx.now());
    let (looks, parked, money) =
        ctx.db(move |store| Ok((store.queue_looks(at)?, store.rows_parked()?, store.attempts_parked()?))).await?;
    let ready = health::unready(ctx).await.is_none();
    let mut now = Now::default();
    now.one("ready", "1 when the service takes requests, else 0", f64::from(u8::from(ready)));
    let children = tree.reconcilers.children();
    let of = |value: &dyn Fn(&supervision::Vitals) -> f64| -> Vec<(String, f64)> {
        children.iter().map(|child| (child.name().to_owned(), value(child))).collect()
    };
    let mut per_child = |name: &str, help: &str, value: &dyn Fn(&supervision::Vitals) -> f64| {
        let values = of(value);
        now.many(name, help, "child", values.iter().map(|(child, value)| (child.as_str(), *value)));
    };
    per_child("child_up", "1 when the child runs, else 0", &|child| f64::from(u8::from(child.healthy())));
    per_child("child_held", "1 when an operator paused or drained the child, else 0", &|child| {
        f64::from(u8::from(child.hold().is_some()))
    });
    per_child("child_mailbox_letters", "Letters taken and not answered yet", &|child| f64::from(child.depth()));
    per_child("child_mailbox_bound", "Letters that the mailbox holds at the most", &|child| f64::from(child.bound()));
    per_child("child_handled_total", "Letters opened since the start", &|child| float(child.handled()));
    per_child("child_restarts_total", "Incarnations after the first", &|child| f64::from(child.restarts()));
    let totals = tree.sessions.totals();
    let states = State::ALL.into_iter().zip(totals.states).map(|(state, count)| (state.name(), float(count)));
    now.many("sessions", "Resident session actors by state", "state", states);
    now.one("session_crashes_total", "Panics of session actors since the start", float(totals.crashes));
    let events: Vec<_> = tree.system.journal().counts().collect();
    let events = events.iter().map(|(kind, count)| (kind.name(), float(*count)));
    now.many("supervision_events_total", "Events of supervision since the start", "event", events);
    now.one(
        "dead_letters_total",
        "Letters dropped unopened since the start",
        float(tree.system.dead_letters().count()),
    );
    let rows = looks.iter().map(|look| (look.queue.code(), signed(look.waiting)));
    now.many("queue_rows", "Rows that wait; more than ten thousand are told as 10001", "queue", rows);
    let ages = looks.iter().map(|look| {
        let age = look.oldest.map_or(0, |due| (at - due).num_seconds().max(0));
        (look.queue.code(), signed(age))
    });
    now.many("queue_oldest_seconds", "Since when the oldest due row is due; 0 when none is", "queue", ages);
    now.one("rows_parked", "Rows set aside for an operator", signed(parked));
    now.one("payments_parked", "Payments that contradict the gateway", signed(money));
    let expires = tree.world.outside.union_pay.certificate_expires().timestamp();
    now.one("union_pay_certificate_expires_timestamp_seconds", "When our trading certificate ends", signed(expires));
    let expires = tree.world.document_keys().certificate_expires().timestamp();
    now.one("document_certificate_expires_timestamp_seconds", "When the certificate that signs ends", signed(expires));
    let commits = tree.world.commits.load(std::sync::atomic::Ordering::Relaxed);
    now.one("commits_total", "Commits of session actors since the start", float(commits));
    let world = &tree.world;
    let pools = [("rows", &world.rows), ("heavy", &world.heavy), ("hashing", &world.hashing)];
    let waiting = pools.map(|(name, pool)| (name, float(u64::try_from(pool.waiting()).unwrap_or(u64::MAX))));
    now.many("pool_waiting", "Blocking work that waits for a turn", "pool", waiting);
    Ok(now)
}
