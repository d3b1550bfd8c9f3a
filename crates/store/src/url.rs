//! Addresses of databases. The parsers are those of the drivers, so that what is checked, created and
//! warned about is what is opened.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use ::url::{Url, form_urlencoded};
use sea_orm::sqlx::postgres::{PgConnectOptions, PgSslMode};
use sea_orm::sqlx::{self, sqlite::SqliteConnectOptions};

/// The parameters of SQLite addresses that the driver knows.
const SQLITE: &[&str] = &["mode", "cache", "immutable", "vfs"];

/// The parameters of PostgreSQL addresses that the driver knows. Others it leaves aside, so that a
/// misspelled `sslmode` would connect in plain text.
const POSTGRES: &[&str] = &[
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "statement-cache-capacity",
];

/// Other spellings that the driver takes for the same.
const ALIASES: &[(&str, &str)] = &[
    ("ssl-mode", "sslmode"),
    ("ssl-root-cert", "sslrootcert"),
    ("ssl-ca", "sslrootcert"),
    ("ssl-cert", "sslcert"),
    ("ssl-key", "sslkey"),
];

const SSL_MODES: &[&str] = &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// How similar a known word must be to be proposed for an unknown one, from 0 to 1.
const SIMILARITY_MIN: f64 = 0.8;

/// The address of a database: `sqlite:///PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`.
#[derive(Clone)]
pub struct DatabaseUrl {
    text: String,
    pub(crate) target: Target,
}

/// What an address leads to.
#[derive(Clone)]
pub(crate) enum Target {
    Sqlite {
        path: PathBuf,
        /// Whether a missing file is created.
        is_created: bool,
    },
    Postgres {
        options: Box<PgConnectOptions>,
        /// Files with certificates and keys, by parameter.
        files: Vec<(&'static str, PathBuf)>,
    },
}

/// Hides the password.
impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DatabaseUrl").field(&self.place()).finish()
    }
}

/// Why a text is no address of a database. No variant holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another database, or none.
    #[error(
        "neither SQLite nor PostgreSQL; write `sqlite:///var/lib/kici/platform.db` or \
         `postgres://user:password@host/database`"
    )]
    Scheme,
    /// The address can't be taken apart.
    #[error("{0}")]
    Invalid(String),
    /// A part of a user name or password is taken for something else.
    #[error(
        "`@` stands after the host: in a user name or password write `@` as `%40`, `/` as `%2F`, `#` \
         as `%23`, `?` as `%3F`, `:` as `%3A` and `%` as `%25`"
    )]
    Unencoded,
    /// A parameter that the driver doesn't know.
    #[error("the parameter `{0}` is not known{1}")]
    UnknownParameter(String, String),
    /// A parameter is given more than once, perhaps under another name.
    #[error("the parameter `{0}` is given twice")]
    Repeated(&'static str),
    /// SQLite in memory.
    #[error(
        "a database in memory is another one for each connection; write \
         `sqlite:///var/lib/kici/platform.db`"
    )]
    InMemory,
    /// SQLite parameters under which the platform can't work.
    #[error("`{0}` can't be used: {1}")]
    Unusable(&'static str, &'static str),
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let target = if text.starts_with("sqlite:") {
            sqlite(text)?
        } else if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            postgres(text)?
        } else {
            return Err(UrlError::Scheme);
        };
        Ok(Self { text: text.to_owned(), target })
    }
}

impl DatabaseUrl {
    /// The address of a SQLite file, whatever characters its path has.
    ///
    /// # Errors
    /// Returns [`UrlError::Invalid`] if the path is not UTF-8.
    pub fn of_file(path: &Path) -> Result<Self, UrlError> {
        let path = path.to_str().ok_or_else(|| {
            UrlError::Invalid(format!("`{}` is not UTF-8, as SQLite needs it", path.display()))
        })?;
        let path = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        format!("sqlite://{path}").parse()
    }

    /// The whole address, with the password.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The file, for SQLite.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.target {
            Target::Sqlite { path, .. } => Some(path),
            Target::Postgres { .. } => None,
        }
    }

    /// Where the database is, for messages: the file or the host and port, without any secret.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.target {
            Target::Sqlite { path, .. } => path.display().to_string(),
            Target::Postgres { options, .. } => place(options),
        }
    }

    /// A sentence for the operator if the connection to another machine is not authenticated by TLS.
    #[must_use]
    pub fn tls_warning(&self) -> Option<String> {
        let Target::Postgres { options, .. } = &self.target else { return None };
        let risk = match options.get_ssl_mode() {
            PgSslMode::VerifyFull => return None,
            PgSslMode::VerifyCa => "any server with a certificate of that authority is accepted",
            PgSslMode::Require => "any server is accepted, whatever its certificate",
            PgSslMode::Prefer => "the connection is in plain text if the server has no TLS",
            PgSslMode::Disable | PgSslMode::Allow => "the connection is in plain text",
        };
        is_remote(options).then(|| {
            format!(
                "the database at `{}` is on another machine, and {risk}: add `sslmode=verify-full` to \
                 `database.url` (and `sslrootcert=FILE` for an authority of your own)",
                self.place()
            )
        })
    }
}

fn place(options: &PgConnectOptions) -> String {
    match (options.get_socket(), options.get_host()) {
        (Some(folder), _) => folder.display().to_string(),
        (None, host) if host.starts_with('/') => host.to_owned(),
        (None, host) => format!("{host}:{}", options.get_port()),
    }
}

/// Neither a Unix socket nor a loopback address.
fn is_remote(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback());
    options.get_socket().is_none() && !host.starts_with('/') && !is_loopback
}

fn sqlite(text: &str) -> Result<Target, UrlError> {
    let query = text.split_once('?').map(|(_, query)| query);
    let given = parameters(query.unwrap_or_default(), SQLITE)?;
    let value = |name| given.iter().find(|(key, _)| *key == name).map(|(_, value)| &**value);
    let options: SqliteConnectOptions = text.parse().map_err(invalid)?;
    let path = options.get_filename().to_owned();
    let name = path.to_str().unwrap_or_default();
    let is_in_memory = text.split('?').next().is_some_and(|text| text.ends_with(":memory:"));
    if is_in_memory || name == ":memory:" || value("mode") == Some("memory") {
        return Err(UrlError::InMemory);
    }
    let form = "write `sqlite:///var/lib/kici/platform.db`";
    if name.is_empty() {
        return Err(UrlError::Invalid(format!("has no path; {form}")));
    }
    // SQLite would take such a name apart once more.
    if name.starts_with("file:") || name.contains('\0') {
        return Err(UrlError::Invalid(format!("`{}` is no path; {form}", name.escape_debug())));
    }
    if Url::parse(text).is_err() {
        return Err(UrlError::Invalid(format!("is no address with an absolute path; {form}")));
    }
    let writes = "the platform writes to its database";
    match (value("mode"), value("immutable"), value("cache")) {
        (Some("ro"), _, _) => return Err(UrlError::Unusable("mode=ro", writes)),
        (_, Some("true" | "1"), _) => return Err(UrlError::Unusable("immutable", writes)),
        (_, _, Some("shared")) => {
            return Err(UrlError::Unusable("cache=shared", "readers would wait for the writer"));
        }
        _ => {}
    }
    Ok(Target::Sqlite { path, is_created: value("mode") != Some("rw") })
}

fn postgres(text: &str) -> Result<Target, UrlError> {
    let (_, rest) = text.split_once("://").unwrap_or_default();
    // A `/` or `#` in a password ends the host: what follows would show up in messages.
    if rest.find(['/', '?', '#']).and_then(|end| rest.get(end..)).is_some_and(|r| r.contains('@')) {
        return Err(UrlError::Unencoded);
    }
    if rest.contains('#') {
        return Err(UrlError::Invalid("has a `#`; in a password write it as `%23`".to_owned()));
    }
    let query = rest.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let given = parameters(query, POSTGRES)?;
    // The driver takes a value of the environment that it doesn't know for none.
    let ambient = std::env::var("PGSSLMODE").ok().map(|mode| ("PGSSLMODE", mode));
    let modes = given.iter().filter(|(key, _)| *key == "sslmode").cloned().chain(ambient);
    for (name, mode) in modes {
        if mode.parse::<PgSslMode>().is_err() {
            let nearest = nearest(SSL_MODES, &mode);
            return Err(UrlError::Invalid(format!("`{name}={mode}` is not known{nearest}")));
        }
    }
    let options: PgConnectOptions = text.parse().map_err(invalid)?;
    let is_file = |key: &str| ["sslrootcert", "sslcert", "sslkey"].contains(&key);
    let files = given.into_iter().filter(|(key, value)| is_file(key) && !value.contains("-----"));
    let files = files.map(|(key, value)| (key, value.into())).collect();
    Ok(Target::Postgres { options: Box::new(options), files })
}

/// The parameters of an address, each under its usual name.
fn parameters(query: &str, all: &[&'static str]) -> Result<Vec<(&'static str, String)>, UrlError> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let is_setting = key.starts_with("options[") && key.ends_with(']');
        let usual = if is_setting { "options" } else { usual(&key) };
        let Some(name) = all.iter().copied().find(|name| *name == usual) else {
            let nearest = nearest(all, &key);
            return Err(UrlError::UnknownParameter(key.into_owned(), nearest));
        };
        if name != "options" && found.iter().any(|(known, _)| *known == name) {
            return Err(UrlError::Repeated(name));
        }
        found.push((name, value.into_owned()));
    }
    Ok(found)
}

fn usual(key: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, name)| name)
}

/// What a word was probably meant to be, else all that there are.
fn nearest(all: &[&str], wanted: &str) -> String {
    let wanted = wanted.to_ascii_lowercase();
    let near = all.iter().map(|name| (strsim::jaro_winkler(&wanted, name), name));
    match near.max_by(|(one, _), (other, _)| one.total_cmp(other)) {
        Some((similarity, name)) if similarity >= SIMILARITY_MIN => {
            format!("; did you mean `{name}`?")
        }
        _ => {
            let all: Vec<_> = all.iter().map(|name| format!("`{name}`")).collect();
            format!("; known are {}", all.join(", "))
        }
    }
}

/// The driver's own words, which hold no part of the address but the value of a parameter.
fn invalid(error: sqlx::Error) -> UrlError {
    match error {
        sqlx::Error::Configuration(error) => UrlError::Invalid(format!("is no address: {error}")),
        error => UrlError::Invalid(format!("is no address: {error}")),
    }
}

#[cfg(test)]
mod tests;
