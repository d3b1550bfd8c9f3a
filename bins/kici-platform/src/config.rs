//! The configuration: a TOML file, then the environment. Every error is told at once, and a key
//! that is not known comes with the nearest one that is.

mod keys;
mod mail;
mod master_key;
mod network;
mod oidc;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use kici_api::{Origin, RateLimits};
use kici_store::{DatabaseUrl, UnusableDatabase};

pub(crate) use keys::{KEYS, Key};

use crate::master_key::MasterKeySource;
use crate::telemetry::{self, Format};

/// The configuration in effect.
#[derive(Debug)]
pub struct Config {
    pub(crate) server: ServerConfig,
    pub(crate) database: DatabaseConfig,
    /// How people sign in; `None` where nobody can.
    pub(crate) oidc: Option<kici_oidc::Config>,
    /// Who takes our mails; `None` where none are sent.
    pub(crate) mail: Option<kici_mail::Config>,
    pub(crate) metrics: MetricsConfig,
    pub(crate) limits: RateLimits,
    pub(crate) log: LogConfig,
    /// Where the master keys are; `None` where that is not configured.
    master_keys: Option<MasterKeySource>,
    /// The configuration file.
    file: Option<PathBuf>,
    values: Values,
}

#[derive(Debug)]
pub(crate) struct ServerConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<String>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) cors_origins: Vec<Origin>,
}

#[derive(Debug)]
pub(crate) struct DatabaseConfig {
    pub(crate) url: DatabaseUrl,
    pub(crate) connections: u32,
}

#[derive(Debug)]
pub(crate) struct MetricsConfig {
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug)]
pub(crate) struct LogConfig {
    pub(crate) level: String,
    pub(crate) format: Format,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration can't be used:{}", .errors.iter().map(|e| format!("\n  {e}")).collect::<String>())]
pub struct ConfigError {
    errors: Vec<String>,
    /// `log.format`, as far as it could be read.
    pub(crate) format: Format,
}

/// The text of each key that is set, by section and key.
#[derive(Default)]
struct Values(BTreeMap<(&'static str, &'static str), String>);

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Config {
    /// Reads `file`, where there is one, and lets `environment` go before it.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut errors = Vec::new();
        let mut values = Values::default();
        if let Some(file) = file {
            match std::fs::read_to_string(file) {
                Ok(text) => values.read_file(&text, &mut errors),
                Err(error) => errors.push(format!("{}: {error}", file.display())),
            }
        }
        values.read_environment(environment, &mut errors);
        let format = match values.text("log", "format").as_str() {
            "json" => Format::Json,
            _ => Format::Text,
        };
        let config = Self::parse(values, &mut errors);
        match config {
            Some(config) if errors.is_empty() => {
                Ok(Self { file: file.map(Path::to_owned), ..config })
            }
            _ => Err(ConfigError { errors, format }),
        }
    }

    /// Checks what the configuration says of files, as far as that can be done without writing to them.
    ///
    /// # Errors
    /// Returns [`UnusableDatabase`] for the file or folder of the database.
    pub(crate) fn check_files(&self) -> Result<(), UnusableDatabase> {
        self.database.url.check_files()
    }

    /// Sentences for the operator about what works but is unsafe.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.database.url.warnings()
    }

    fn parse(values: Values, errors: &mut Vec<String>) -> Option<Self> {
        let listen = values.parsed("server", "listen", errors);
        let public_url =
            values.optional("server", "public_url").map(|url| network::public_url(&url));
        let public_url = told(public_url.transpose(), "server.public_url", errors);
        let trusted_proxies = told(
            network::networks(&values.list("server", "trusted_proxies")),
            "server.trusted_proxies",
            errors,
        );
        let cors_origins = told(
            network::origins(&values.list("server", "cors_origins")),
            "server.cors_origins",
            errors,
        );
        let url = told(database(values.optional("database", "url")), "database.url", errors);
        let connections = values.number("database", "connections", 1, errors);
        let oidc = oidc::read(&values, public_url.as_ref().and_then(Option::as_deref), errors);
        let mail = mail::read(&values, errors);
        let master_keys = master_key::read(&values, errors);
        let metrics = values.optional("metrics", "listen").map(|text| text.parse());
        let metrics = metrics.transpose().map_err(|error: std::net::AddrParseError| {
            format!("{error}; `127.0.0.1:9464` would work")
        });
        let metrics = told(metrics, "metrics.listen", errors);
        let both = listen.zip(metrics.flatten());
        if let Some((server, metrics)) = both.filter(|(one, other)| network::collide(*one, *other))
        {
            errors.push(format!(
                "metrics.listen: `{metrics}` is taken by `server.listen`, `{server}`: choose another port"
            ));
        }
        let mut rate = |name| values.number("limits", name, 0, errors).map(NonZeroU32::new);
        let (reads, writes) = (rate("reads_per_minute"), rate("writes_per_minute"));
        let failures = rate("failed_tokens_per_minute");
        let deliveries = rate("deliveries_per_minute");
        let deliveries_from_address = rate("deliveries_from_address_per_minute");
        let burst = values.number("limits", "burst", 1, errors).and_then(NonZeroU32::new);
        let level = values.text("log", "level");
        let level = telemetry::parse(&level).map(|_| level).map_err(|error| error.to_string());
        let level = told(level, "log.level", errors);
        let format = match values.text("log", "format").as_str() {
            "text" => Some(Format::Text),
            "json" => Some(Format::Json),
            other => {
                errors.push(format!("log.format: `{other}`; `text` and `json` work"));
                None
            }
        };
        Some(Self {
            server: ServerConfig {
                listen: listen?,
                public_url: public_url?,
                trusted_proxies: trusted_proxies?,
                cors_origins: cors_origins?,
            },
            database: DatabaseConfig { url: url?, connections: connections? },
            oidc: oidc?,
            mail: mail?,
            metrics: MetricsConfig { listen: metrics? },
            limits: RateLimits {
                reads: reads?,
                writes: writes?,
                burst: burst?,
                failures: failures?,
                deliveries: deliveries?,
                deliveries_from_address: deliveries_from_address?,
            },
            log: LogConfig { level: level?, format: format? },
            master_keys: master_keys?,
            file: None,
            values,
        })
    }

    /// Where the master keys are, or where one is made.
    pub(crate) fn master_keys(&self) -> MasterKeySource {
        let default = || MasterKeySource::beside(self.database.url.expose(), self.file.as_deref());
        self.master_keys.clone().unwrap_or_else(default)
    }

    /// The configuration in effect as TOML, secrets blanked.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        for key in KEYS {
            if key.section != section {
                section = key.section;
                let gap = if text.is_empty() { "" } else { "\n" };
                text += &format!("{gap}[{section}]\n");
            }
            let value = match self.values.optional(key.section, key.name) {
                None => continue,
                Some(_) if key.is_secret => "***".to_owned(),
                Some(value) => value,
            };
            text += &format!("{} = {}\n", key.name, toml::Value::String(value));
        }
        text
    }
}

impl Values {
    fn read_file(&mut self, text: &str, errors: &mut Vec<String>) {
        let sections = match text.parse::<toml::Table>() {
            Ok(sections) => sections,
            Err(error) => return errors.push(error.to_string()),
        };
        for (section, keys) in sections {
            let Some(keys) = keys.as_table() else {
                errors.push(match KEYS.iter().find(|key| key.name == section) {
                    Some(key) => format!(
                        "`{section}` stands in no section: write it below `[{}]`",
                        key.section
                    ),
                    None => format!("`{section}` must be a section: write `[{section}]`"),
                });
                continue;
            };
            for (name, value) in keys {
                match (keys::find(&section, name), plain(value)) {
                    (Err(unknown), _) => errors.push(unknown),
                    (Ok(_), None) => errors.push(format!(
                        "{section}.{name}: a text, a number, `true`, `false` or a list of texts is \
                         expected"
                    )),
                    (Ok(key), Some(_)) if key.name == master_key::VALUE => errors.push(format!(
                        "{section}.{name}: is for the environment alone ({}); in a file name the \
                         key's own file, by `server.master_key_file`",
                        key.variable()
                    )),
                    (Ok(key), Some(text)) => {
                        self.0.insert((key.section, key.name), text);
                    }
                }
            }
        }
    }

    fn read_environment(
        &mut self,
        environment: impl Iterator<Item = (String, String)>,
        errors: &mut Vec<String>,
    ) {
        for (variable, value) in environment {
            match keys::find_variable(&variable) {
                None => {}
                Some(Err(unknown)) => errors.push(unknown),
                Some(Ok(key)) => {
                    self.0.insert((key.section, key.name), value);
                }
            }
        }
    }

    fn optional(&self, section: &str, name: &str) -> Option<String> {
        let key = KEYS.iter().find(|key| key.section == section && key.name == name)?;
        let set = self.0.get(&(key.section, key.name)).cloned();
        set.or_else(|| key.default.map(ToOwned::to_owned))
    }

    /// A list of texts.
    fn list(&self, section: &str, name: &str) -> Vec<String> {
        let text = self.text(section, name);
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(ToOwned::to_owned).collect()
    }

    fn text(&self, section: &str, name: &str) -> String {
        self.optional(section, name).unwrap_or_default()
    }

    /// A whole number that is not below `least`.
    fn number(
        &self,
        section: &str,
        name: &str,
        least: u32,
        errors: &mut Vec<String>,
    ) -> Option<u32> {
        let text = self.text(section, name);
        let number = text.parse().ok().filter(|number| *number >= least);
        let wanted =
            || format!("`{text}`: a whole number from {least} to {} is expected", u32::MAX);
        told(number.ok_or_else(wanted), &format!("{section}.{name}"), errors)
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        section: &str,
        name: &str,
        errors: &mut Vec<String>,
    ) -> Option<T> {
        let text = self.text(section, name);
        let parsed = text.parse().map_err(|error| format!("`{text}`: {error}"));
        told(parsed, &format!("{section}.{name}"), errors)
    }
}

fn told<T>(result: Result<T, String>, key: &str, errors: &mut Vec<String>) -> Option<T> {
    result.map_err(|error| errors.push(format!("{key}: {error}"))).ok()
}

/// A value as the environment would have it.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(word) => Some(word.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}

fn database(url: Option<String>) -> Result<DatabaseUrl, String> {
    let forms = "`sqlite:///var/lib/kici/platform.db` or `postgres://user:password@host/database`";
    match url {
        None => Err(format!("is missing; write {forms}")),
        Some(url) => url.parse::<DatabaseUrl>().map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests;
