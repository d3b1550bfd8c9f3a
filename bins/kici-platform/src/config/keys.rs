//! Every key there is: its default and what it means. The reference page is made from this.

/// A key of the configuration.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) section: &'static str,
    pub(crate) name: &'static str,
    pub(crate) default: Option<&'static str>,
    pub(crate) is_secret: bool,
    pub(crate) help: &'static str,
}

const fn key(
    section: &'static str,
    name: &'static str,
    default: Option<&'static str>,
    help: &'static str,
) -> Key {
    Key { section, name, default, is_secret: false, help }
}

/// All of them, by section.
pub(crate) const KEYS: &[Key] = &[
    key("server", "listen", Some("127.0.0.1:8080"), "Where to listen, as `ADDR:PORT`."),
    key(
        "server",
        "public_url",
        None,
        "Where browsers and webhook providers reach the server, such as `https://ci.example.org`: a host without a path. Left out, orchestrators are told no address for webhooks, and invitations carry no link.",
    ),
    key(
        "server",
        "trusted_proxies",
        Some(""),
        "Proxies whose `X-Forwarded-For` is believed: a list of addresses and networks; separated by commas in the environment.",
    ),
    key(
        "server",
        "cors_origins",
        Some(""),
        "Origins whose pages may call the API from a browser, with tokens and never with cookies: a list such as `https://dashboard.example.org`; separated by commas in the environment. Left out, no page of another origin may.",
    ),
    key(
        "server",
        "master_key_file",
        None,
        "The files with the master keys, one key each, which seal the secrets in the database: a list; separated by commas in the environment. The first one seals, all of them open. Left out, it is `master.key` beside the SQLite file, or on PostgreSQL beside the configuration file, and the first start makes it.",
    ),
    Key {
        section: "server",
        name: "master_key",
        default: None,
        is_secret: true,
        help: "The master keys themselves, separated by commas, instead of files. Only in the environment.",
    },
    Key {
        section: "database",
        name: "url",
        default: None,
        is_secret: true,
        help: "`sqlite:///PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`; for PostgreSQL on another machine with `?sslmode=verify-full`. Required.",
    },
    key(
        "database",
        "connections",
        Some("16"),
        "The most connections to the database; up to two of them are for searches alone.",
    ),
    key(
        "oidc",
        "issuer",
        None,
        "The identity provider by which people sign in, such as `https://id.example.org/realms/ci`, as its tokens name it. Left out, nobody can sign in.",
    ),
    key("oidc", "client_id", None, "The name of this server there. Required with `oidc.issuer`."),
    Key {
        section: "oidc",
        name: "client_secret",
        default: None,
        is_secret: true,
        help: "The secret of this server there, where it has one.",
    },
    key(
        "oidc",
        "audiences",
        None,
        "For whom an access token must have been made (`aud`), or to whom it was given (`azp`): a list, of which one is enough; separated by commas in the environment. Left out, it is `oidc.client_id`.",
    ),
    key(
        "oidc",
        "introspection",
        Some("false"),
        "Whether the provider is asked about access tokens that are no JWT: `true` or `false`. It needs `oidc.client_secret`.",
    ),
    key(
        "oidc",
        "link_claims",
        Some(""),
        "Which claims tell the accounts that people have at other providers: a list of `PROVIDER=CLAIM` or, with a claim of the account's id, `PROVIDER=CLAIM:ID_CLAIM`, such as `github=github_login:github_id`; separated by commas in the environment. No claim may be one that people write themselves.",
    ),
    key(
        "mail",
        "host",
        None,
        "The SMTP server that takes our mails, by the name that its certificate has. Left out, no mail is sent: an invitation is answered with its link, to be passed on.",
    ),
    key(
        "mail",
        "port",
        None,
        "Its port. Left out, it is the usual one: 587, 465 with `tls`, 25 with `none`.",
    ),
    key(
        "mail",
        "encryption",
        Some("starttls"),
        "How the connection is kept private: `starttls`, `tls` from the first byte on, or `none` for a server on this machine. Certificates are checked against those that this machine trusts (`SSL_CERT_FILE` names others).",
    ),
    key("mail", "username", None, "By what name this server logs in there, where it has to."),
    Key {
        section: "mail",
        name: "password",
        default: None,
        is_secret: true,
        help: "Its password there.",
    },
    key(
        "mail",
        "from",
        None,
        "Whom mails are from, such as `KiCI <ci@example.org>`. Required with `mail.host`.",
    ),
    key(
        "metrics",
        "listen",
        None,
        "Where `/metrics` is served for Prometheus, and `/ready` and `/health` on connections set aside for them, as `ADDR:PORT`; whoever reaches it may read it. Left out, there is no `/metrics`.",
    ),
    key(
        "limits",
        "reads_per_minute",
        Some("3000"),
        "How often one credential may read; a person with all of theirs twice, an organization ten times as often. 0 is without a limit.",
    ),
    key(
        "limits",
        "writes_per_minute",
        Some("600"),
        "How often one credential may change something; a person and an organization as above. 0 is without a limit.",
    ),
    key("limits", "burst", Some("300"), "How many requests of either kind may come at once."),
    key(
        "limits",
        "failed_tokens_per_minute",
        Some("30"),
        "How many requests and links from one address may have a credential that does not work, before only credentials that have worked within 10 minutes are served from there; 0 is without a limit.",
    ),
    key(
        "limits",
        "deliveries_per_minute",
        Some("12000"),
        "How many deliveries may come to one webhook source; a quarter is kept for client networks (/24, /64) from which one was accepted within 24 hours, and each other network gets at most a quarter. 0 is without a limit.",
    ),
    key(
        "limits",
        "deliveries_from_address_per_minute",
        Some("6000"),
        "How many deliveries may come from one address to one organization, and to organizations and sources that are not there; 0 is without a limit. Behind a proxy that is not in `server.trusted_proxies` everybody has the proxy's address.",
    ),
    key(
        "log",
        "level",
        Some("info"),
        "What is logged: `error`, `warn`, `info`, `debug` or `trace`, also by module as in `info,kici_link=debug`.",
    ),
    key("log", "format", Some("text"), "How lines look: `text` or `json`."),
];

/// The key `section.name`, or a sentence with the nearest one.
pub(crate) fn find(section: &str, name: &str) -> Result<&'static Key, String> {
    let wanted = format!("{section}.{name}");
    KEYS.iter().find(|key| key.section == section && key.name == name).ok_or_else(|| {
        let dotted = |key: &Key| format!("{}.{}", key.section, key.name);
        format!("`{wanted}` is not known{}", nearest(&wanted, dotted))
    })
}

/// The key that an environment variable sets; `None` for one that is none of ours.
pub(crate) fn find_variable(variable: &str) -> Option<Result<&'static Key, String>> {
    let sections = [
        "KICI_SERVER_",
        "KICI_DATABASE_",
        "KICI_OIDC_",
        "KICI_MAIL_",
        "KICI_METRICS_",
        "KICI_LIMITS_",
        "KICI_LOG_",
    ];
    // Others have variables that begin with `KICI_` too; but one that is so near to ours is meant to be it.
    let is_near = |key: &Key| strsim::damerau_levenshtein(variable, &key.variable()) <= 2;
    let is_ours = sections.iter().any(|section| variable.starts_with(section));
    if !(is_ours || variable.starts_with("KICI_") && KEYS.iter().any(is_near)) {
        return None;
    }
    let found = KEYS.iter().find(|key| key.variable() == variable);
    Some(found.ok_or_else(|| {
        format!("`{variable}` in the environment is not known{}", nearest(variable, Key::variable))
    }))
}

impl Key {
    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("KICI_{}_{}", self.section, self.name).to_uppercase()
    }
}

fn nearest(wanted: &str, name: impl Fn(&Key) -> String) -> String {
    KEYS.iter()
        .map(name)
        .map(|name| (strsim::jaro_winkler(wanted, &name), name))
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}
