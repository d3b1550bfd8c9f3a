//! The text of `/metrics`: its formats, that each series is there from the start, and that the
//! documentation and the alert rules name what is served.

use std::collections::{BTreeMap, BTreeSet};

use kici_mail::{Config, Encryption};
use kici_platform::Options;
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::json;

use crate::provider::{Key, Provider};
use crate::support::json as body;
use crate::visitor::exchange;

fn with_metrics(database: &Database) -> Options {
    let metrics_listen = Some("127.0.0.1:0".parse().unwrap());
    Options { metrics_listen, ..TestPlatform::options(database) }
}

/// The media type and the text that are answered to `accept`.
async fn scrape(platform: &TestPlatform, accept: &str) -> (String, String) {
    let url = platform.metrics_url().unwrap();
    let answer = platform.http().get(url).header("accept", accept).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let media = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (media, answer.text().await.unwrap())
}

/// Families and series of a text in the format of Prometheus, version 0.0.4.
#[derive(Debug, Default)]
struct Exposition {
    /// Each family's type.
    families: BTreeMap<String, String>,
    series: BTreeMap<String, f64>,
}

impl Exposition {
    /// Reads `text` and checks the rules of the format and those that `promtool check metrics` has.
    fn parse(text: &str) -> Self {
        let mut read = Self::default();
        let (mut helped, mut current) = (String::new(), String::new());
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                assert!(!help.is_empty(), "{line}");
                helped = name.to_owned();
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(name, helped, "a type without a help before it");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                current = name.to_owned();
                let before = read.families.insert(current.clone(), kind.to_owned());
                assert_eq!(before, None, "{name} is there twice");
            } else {
                assert!(!line.starts_with('#'), "{line}");
                let (series, value) = line.rsplit_once(' ').unwrap();
                let name = series.split('{').next().unwrap();
                let kind = &read.families[&current];
                assert_eq!(base(name, kind), current, "{line}");
                let before = read.series.insert(series.to_owned(), value.parse().unwrap());
                assert_eq!(before, None, "{series} is there twice");
            }
        }
        read.check_histograms();
        read
    }

    /// Each histogram counts cumulatively, up to an infinite bucket that has everything.
    fn check_histograms(&self) {
        for (name, _) in self.families.iter().filter(|(_, kind)| *kind == "histogram") {
            let prefix = format!("{name}_count");
            for (series, count) in self.series.iter().filter(|(s, _)| s.starts_with(&prefix)) {
                let labels = series[prefix.len()..].trim_matches(['{', '}']);
                let bucket = |le: &str| {
                    let comma = if labels.is_empty() { "" } else { "," };
                    self.series[&format!("{name}_bucket{{{labels}{comma}le=\"{le}\"}}")]
                };
                assert_eq!(bucket("+Inf"), *count, "{series}");
                assert!(bucket("0.001") <= bucket("8"), "{series}");
            }
        }
    }

    fn value(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("`{series}` is not served"))
    }
}

/// The family of a sample.
fn base<'a>(name: &'a str, kind: &str) -> &'a str {
    let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[] };
    suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

on_both_databases! {
    async fn every_known_series_is_served_from_the_start(database: Database) {
        let platform = TestPlatform::start_with(with_metrics(&database)).await.unwrap();
        let (media, text) = scrape(&platform, "*/*").await;
        assert_eq!(media, "text/plain; version=0.0.4; charset=utf-8");
        let read = Exposition::parse(&text);
        for series in [
            "kici_http_requests_total{operation=\"orgs_get\",status=\"200\"}",
            "kici_http_requests_total{operation=\"orgs_get\",status=\"500\"}",
            "kici_http_requests_total{operation=\"webhooks_github\",status=\"503\"}",
            "kici_http_requests_total{operation=\"\",status=\"404\"}",
            "kici_http_request_seconds_count{operation=\"api_keys_create\"}",
            "kici_webhook_deliveries_total{outcome=\"relayed\"}",
            "kici_webhook_deliveries_total{outcome=\"unavailable\"}",
            "kici_webhook_bytes_total",
            "kici_links",
            "kici_links_closed_total{code=\"0\"}",
            "kici_links_closed_total{code=\"1006\"}",
            "kici_links_closed_total{code=\"4003\"}",
            "kici_links_refused_total{code=\"4001\"}",
            "kici_links_refused_total{code=\"4020\"}",
            "kici_link_frames_total{result=\"malformed\"}",
            "kici_mails_total{outcome=\"failed\"}",
            "kici_identity_provider_requests_total{endpoint=\"token\",outcome=\"failed\"}",
            "kici_identity_provider_requests_total{endpoint=\"keys\",outcome=\"busy\"}",
            "kici_identity_provider_request_seconds_count{endpoint=\"discovery\"}",
        ] {
            assert_eq!(read.value(series), 0.0, "{series}");
        }
        // Every operation of the document is there.
        for operation in kici_api::operations() {
            let wanted = format!("operation=\"{}\",status=\"2", operation.id);
            assert!(read.series.keys().any(|series| series.contains(&wanted)), "{}", operation.id);
        }
        let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
        let is_build = |(series, value): (&String, &f64)| {
            series.starts_with("kici_build_info{") && series.contains(&version) && *value == 1.0
        };
        assert!(read.series.iter().any(is_build), "{text}");
    }

    async fn the_pools_of_the_database_are_counted(database: Database) {
        let platform = TestPlatform::start_with(with_metrics(&database)).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        body(org.request(&platform, Method::GET, "").send().await.unwrap()).await;
        let read = Exposition::parse(&scrape(&platform, "*/*").await.1);
        let is_sqlite = database.url().starts_with("sqlite:");
        let pools: &[(&str, f64)] =
            if is_sqlite { &[("read", 14.0), ("write", 1.0)] } else { &[("shared", 14.0)] };
        assert_eq!(read.value("kici_database_connections_max{pool=\"search\"}"), 2.0);
        for (pool, max) in pools {
            let value = |name: &str| read.value(&format!("kici_database_{name}{{pool=\"{pool}\"}}"));
            assert_eq!(value("connections_max"), *max);
            assert!((1.0..=*max).contains(&value("connections")), "{pool}");
            let open = value("connections_idle") + value("connections_in_use");
            assert_eq!(open, value("connections"), "{pool}");
            assert!(value("acquires_total") >= 1.0, "{pool}");
            assert!(value("acquire_seconds_total") > 0.0, "{pool}");
            assert_eq!(value("acquire_failures_total"), 0.0, "{pool}");
        }
        let series = read.series.keys().filter(|s| s.starts_with("kici_database_acquires_total"));
        assert_eq!(series.count(), pools.len() + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openmetrics_is_served_to_who_asks_for_it() {
    let database = Database::sqlite().await.unwrap();
    let platform = TestPlatform::start_with(with_metrics(&database)).await.unwrap();
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
    let (media, text) = scrape(&platform, accept).await;
    assert_eq!(media, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    assert!(text.contains("# TYPE kici_http_requests counter\n"), "{text}");
    let (_, plain) = scrape(&platform, "text/plain").await;
    let samples = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter(|line| line.starts_with("kici_webhook"));
        lines.map(ToOwned::to_owned).collect()
    };
    assert_eq!(samples(&text), samples(&plain));
    assert!(!samples(&plain).is_empty());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_process_is_measured() {
    let database = Database::sqlite().await.unwrap();
    let platform = TestPlatform::start_with(with_metrics(&database)).await.unwrap();
    let read = Exposition::parse(&scrape(&platform, "*/*").await.1);
    let value = |name: &str| read.value(&format!("process_{name}"));
    let now = platform.app().clock().now().millis() as f64 / 1000.0;
    // The clock of `/proc` counts from when the machine started, and may have been set since.
    assert!((now - value("start_time_seconds")).abs() < 24.0 * 3600.0);
    assert!(value("cpu_seconds_total") >= 0.0);
    assert!(value("resident_memory_bytes") > 1024.0 * 1024.0);
    assert!(value("virtual_memory_bytes") >= value("resident_memory_bytes"));
    assert!(value("open_fds") >= 3.0);
    let held: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    let later = Exposition::parse(&scrape(&platform, "*/*").await.1);
    assert!(later.value("process_open_fds") >= value("open_fds") + 25.0);
    assert!(value("max_fds") >= later.value("process_open_fds"));
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_the_identity_provider_are_counted() {
    let database = Database::sqlite().await.unwrap();
    let provider = Provider::start().await;
    let options = Options { oidc: Some(provider.config()), ..with_metrics(&database) };
    let platform = TestPlatform::start_with(options).await.unwrap();
    provider.publish(&[Key::ed25519().jwk("one")]);
    let key = Key::ed25519();
    let now = platform.app().clock().now().millis() / 1000;
    let claims = json!({
        "iss": provider.url, "sub": "ada", "aud": ["platform"], "azp": "kici-cli",
        "iat": now, "exp": now + 300, "email": "ada@example.org", "email_verified": true,
    });
    // Signed by a key that is not published: the provider is asked for its keys all the same.
    let refused = exchange(&platform, &key.token(&key.header("one"), &claims)).await;
    assert_eq!(refused.status(), 401);
    let count = |read: &Exposition, endpoint: &str, outcome: &str| {
        read.value(&format!(
            "kici_identity_provider_requests_total{{endpoint=\"{endpoint}\",outcome=\"{outcome}\"}}"
        ))
    };
    let read = Exposition::parse(&scrape(&platform, "*/*").await.1);
    for endpoint in ["discovery", "keys"] {
        assert_eq!(count(&read, endpoint, "answered"), 1.0, "{endpoint}");
        assert_eq!(count(&read, endpoint, "failed"), 0.0, "{endpoint}");
        let seconds =
            format!("kici_identity_provider_request_seconds_count{{endpoint=\"{endpoint}\"}}");
        assert_eq!(read.value(&seconds), 1.0, "{endpoint}");
    }
    // A provider that can't be reached.
    let mut away = provider.config();
    away.issuer = "http://127.0.0.1:1".to_owned();
    let options = Options { oidc: Some(away), ..with_metrics(&database) };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let asked = exchange(&platform, &key.token(&key.header("one"), &claims)).await;
    assert_eq!(asked.status(), 503);
    let read = Exposition::parse(&scrape(&platform, "*/*").await.1);
    assert_eq!(count(&read, "discovery", "failed"), 1.0);
    assert_eq!(count(&read, "keys", "failed"), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_are_counted_by_what_became_of_them() {
    let database = Database::sqlite().await.unwrap();
    // Nothing listens there.
    let mail = Config {
        host: "127.0.0.1".to_owned(),
        port: Some(1),
        encryption: Encryption::None,
        login: None,
        from: "ci@example.org".parse().unwrap(),
    };
    let options = Options { mail: Some(mail), ..with_metrics(&database) };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let invite = org.request(&platform, Method::POST, "/invites");
    let invite = invite.json(&json!({"email": "ada@example.org"})).send().await.unwrap();
    assert_eq!(body(invite).await["mailed"], false);
    let read = Exposition::parse(&scrape(&platform, "*/*").await.1);
    assert_eq!(read.value("kici_mails_total{outcome=\"failed\"}"), 1.0);
    assert_eq!(read.value("kici_mails_total{outcome=\"sent\"}"), 0.0);
}

fn documentation(name: &str) -> String {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let is_metric = |word: &&str| word.starts_with("kici_") || word.starts_with("process_");
    words.filter(is_metric).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_and_the_alert_rules_name_what_is_served() {
    let database = Database::sqlite().await.unwrap();
    let platform = TestPlatform::start_with(with_metrics(&database)).await.unwrap();
    let read = Exposition::parse(&scrape(&platform, "*/*").await.1);
    let page = documentation("metrics.md");
    for family in read.families.keys() {
        assert!(page.contains(&format!("`{family}`")), "metrics.md does not explain `{family}`");
    }
    let is_served = |name: &str| {
        read.families.contains_key(name) || read.families.contains_key(base(name, "histogram"))
    };
    // The first cell of each row names metrics; elsewhere tokens and keys begin alike.
    let cells = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.split('|').nth(1));
    for name in cells.flat_map(names) {
        assert!(is_served(name), "`{name}` in metrics.md is not served");
    }
    let rules = documentation("prometheus/alerts.yml");
    let used: BTreeSet<_> =
        rules.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(names).collect();
    assert!(used.len() > 5, "{used:?}");
    for name in used {
        assert!(is_served(name), "`{name}` in alerts.yml is not served");
    }
}
