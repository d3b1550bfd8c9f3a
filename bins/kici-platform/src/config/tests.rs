use std::io::Write;

use super::*;

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let file = std::env::temp_dir().join(format!(
        "kici-config-{}-{}.toml",
        std::process::id(),
        text.len()
    ));
    std::fs::File::create(&file).unwrap().write_all(text.as_bytes()).unwrap();
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let loaded = Config::load(Some(&file), environment);
    std::fs::remove_file(&file).unwrap();
    loaded.map_err(|error| error.to_string())
}

#[test]
fn the_environment_goes_before_the_file_and_defaults_come_last() {
    let text = "[database]\nurl = \"postgres://kici:hush@db/kici\"\nconnections = 4\n[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"192.0.2.1\"]\n";
    let config =
        load(text, &[("KICI_DATABASE_CONNECTIONS", "9"), ("KICI_TEST_PG_URL", "x")]).unwrap();
    assert_eq!(config.database.connections, 9);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.trusted_proxies.len(), 2);
    let printed = config.to_toml();
    assert!(printed.contains("url = \"***\""), "{printed}");
    assert!(!format!("{config:?}{printed}").contains("hush"));
}

#[test]
fn every_mistake_is_told_at_once_with_what_would_work() {
    let text = "[server]\nlisten = \"here\"\npublic_ulr = \"x\"\n[database]\nurl = \"mysql://x\"\n[log]\nformat = \"xml\"\n";
    let error = load(text, &[("KICI_SERVER_LISEN", "x"), ("KICI_SERVR_LISTEN", "x")]).unwrap_err();
    for (wrong, part) in [
        ("[log]\nlevel = \"loud\"\n", "log.level: `loud` is no level"),
        ("listen = \"127.0.0.1:1\"\n", "`listen` stands in no section: write it below `[server]`"),
        (
            "[server]\ntrusted_proxies = [\"10.0.0.0/33\", \"foo\"]\n",
            "`10.0.0.0/33`, `foo`: an address",
        ),
        (
            "[database]\nconnections = \"many\"\n",
            "database.connections: `many`: a whole number from 1",
        ),
        ("[limits]\nburst = 0\n", "limits.burst: `0`: a whole number from 1 to 4294967295"),
        ("[database]\nurl = \"sqlite::memory:\"\n", "database.url: a database in memory"),
    ] {
        let error = load(wrong, &[]).unwrap_err();
        assert!(error.contains(part), "{part}\n{error}");
    }
    for part in [
        "`KICI_SERVR_LISTEN` in the environment is not known; did you mean `KICI_SERVER_LISTEN`?",
        "server.listen: `here`",
        "`server.public_ulr` is not known; did you mean `server.public_url`?",
        "`KICI_SERVER_LISEN` in the environment is not known; did you mean `KICI_SERVER_LISTEN`?",
        "database.url: neither SQLite nor PostgreSQL; write `sqlite:///",
        "log.format: `xml`; `text` and `json` work",
    ] {
        assert!(error.contains(part), "{part}\n{error}");
    }
}

#[test]
fn a_file_that_is_no_toml_or_not_there_is_named() {
    assert!(load("[server", &[]).unwrap_err().contains("database.url: is missing"));
    let missing = Config::load(Some(Path::new("/nowhere/kici.toml")), std::iter::empty());
    assert!(missing.unwrap_err().to_string().contains("/nowhere/kici.toml"));
}

fn server(more: &str) -> Result<Config, String> {
    load(&format!("[database]\nurl = \"postgres://db/kici\"\n[server]\n{more}\n"), &[])
}

#[test]
fn a_public_url_is_an_origin_and_written_as_browsers_write_it() {
    for (text, origin) in [
        ("https://ci.example.org", "https://ci.example.org"),
        ("https://ci.example.org/", "https://ci.example.org"),
        ("https://CI.Example.org:443//", "https://ci.example.org"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ] {
        let config = server(&format!("public_url = \"{text}\"")).unwrap();
        assert_eq!(config.server.public_url.as_deref(), Some(origin), "{text}");
    }
    for (text, part) in [
        (
            "https://ci.example.org/kici",
            "server.public_url: `https://ci.example.org/kici` has a path",
        ),
        ("https://ci.example.org//kici/", "has a path"),
        ("https://ci.example.org?x", "is more than a host; write `https://ci.example.org`"),
        ("https://ci.example.org/#x", "is more than a host"),
        ("https://ada:hush@ci.example.org", "has a user name or password"),
        ("ftp://ci.example.org", "an address like"),
        ("ci.example.org", "an address like"),
        ("https://", "an address like"),
        ("https://ci example.org", "an address like"),
    ] {
        let error = server(&format!("public_url = \"{text}\"")).unwrap_err();
        assert!(error.contains(part) && !error.contains("hush"), "{text}: {error}");
    }
}

#[test]
fn networks_of_ipv4_that_are_written_as_ipv6_are_those_of_ipv4() {
    for (text, network) in [
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
        ("::ffff:c000:201/128", "192.0.2.1/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::/0", "::/0"),
    ] {
        let config = server(&format!("trusted_proxies = [\"{text}\"]")).unwrap();
        assert_eq!(config.server.trusted_proxies, [network.parse().unwrap()], "{text}");
    }
}

#[test]
fn origins_of_pages_are_exact() {
    let config =
        server("cors_origins = [\"https://dash.example.org\", \"http://localhost:3000\"]").unwrap();
    assert_eq!(config.server.cors_origins.len(), 2);
    assert!(server("").unwrap().server.cors_origins.is_empty());
    let error = server("cors_origins = [\"*\", \"https://dash.example.org/\"]").unwrap_err();
    for part in
        ["server.cors_origins: `*` is every page", "; `https://dash.example.org/` is not as"]
    {
        assert!(error.contains(part), "{part}\n{error}");
    }
}

#[test]
fn two_listeners_have_two_addresses() {
    for (server_listen, metrics_listen, collide) in [
        ("127.0.0.1:8080", "127.0.0.1:8080", true),
        ("0.0.0.0:8080", "127.0.0.1:8080", true),
        ("127.0.0.1:8080", "[::]:8080", true),
        ("[::ffff:127.0.0.1]:8080", "127.0.0.1:8080", true),
        ("[::]:8080", "[::1]:8080", true),
        ("0.0.0.0:8080", "[::1]:8080", false),
        ("127.0.0.1:8080", "127.0.0.2:8080", false),
        ("127.0.0.1:8080", "127.0.0.1:9464", false),
        ("127.0.0.1:0", "127.0.0.1:0", false),
    ] {
        let text =
            format!("listen = \"{server_listen}\"\n[metrics]\nlisten = \"{metrics_listen}\"");
        let loaded = server(&text);
        assert_eq!(loaded.is_err(), collide, "{text}");
        if let Err(error) = loaded {
            let part = format!("metrics.listen: `{metrics_listen}` is taken by `server.listen`");
            assert!(error.contains(&part), "{error}");
        }
    }
}

#[test]
fn an_address_of_a_database_is_parsed_and_its_password_is_shown_nowhere() {
    let text = "[database]\nurl = \"postgres://kici:hush@db/kici?ssl_mode=require\"\n";
    let error = load(text, &[]).unwrap_err();
    assert!(
        error.contains(
            "database.url: the parameter `ssl_mode` is not known; did you mean `sslmode`?"
        )
    );
    assert!(!error.contains("hush"), "{error}");
    let config = load(&text.replace("ssl_mode", "sslmode"), &[]).unwrap();
    let warnings = config.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("`db:5432`"), "{warnings:?}");
    assert!(!format!("{config:?}{warnings:?}").contains("hush"));
}

const SIGN_IN: &str = "[database]\nurl = \"postgres://db/kici\"\n[server]\npublic_url = \"https://ci.example.org\"\n[oidc]\nissuer = \"https://id.example.org/realms/ci\"\nclient_id = \"kici-platform\"\n";

#[test]
fn a_provider_is_read_and_its_secret_is_shown_nowhere() {
    let config = load(SIGN_IN, &[("KICI_OIDC_CLIENT_SECRET", "hush")]).unwrap();
    assert!(!format!("{config:?}{}", config.to_toml()).contains("hush"));
    let oidc = config.oidc.unwrap();
    assert_eq!(oidc.audiences, ["kici-platform"]);
    assert!(!oidc.introspection && oidc.client_secret.is_some());
    let more = format!(
        "{SIGN_IN}client_secret = \"hush\"\naudiences = [\"a\", \"b\"]\nintrospection = true\n"
    );
    let oidc = load(&more, &[]).unwrap().oidc.unwrap();
    assert_eq!(oidc.audiences, ["a", "b"]);
    assert!(oidc.introspection && oidc.link_claims.is_empty());
    let links = format!("{SIGN_IN}link_claims = [\"github=login:id\", \"gitlab=gl\"]\n");
    let oidc = load(&links, &[]).unwrap().oidc.unwrap();
    let links: Vec<_> = oidc.link_claims.iter().map(ToString::to_string).collect();
    assert_eq!(links, ["github=login:id", "gitlab=gl"]);
    let oidc = load(SIGN_IN, &[("KICI_OIDC_LINK_CLAIMS", "github=login, gitlab=gl")]).unwrap().oidc;
    assert_eq!(oidc.unwrap().link_claims.len(), 2);
    let without = "[database]\nurl = \"postgres://db/kici\"\n";
    assert!(load(without, &[]).unwrap().oidc.is_none());
}

#[test]
fn what_would_let_nobody_in_or_everybody_is_told() {
    for (from, to, part) in [
        (
            "https://id.example.org/realms/ci",
            "http://id.example.org",
            "oidc.issuer: `http://id.example.org`: must begin with `https://`",
        ),
        (
            "https://id.example.org/realms/ci",
            "id.example.org",
            "oidc.issuer: `id.example.org`: an address",
        ),
        (
            "https://id.example.org/realms/ci",
            "http://127.0.0.1:8080/dev/oidc",
            "oidc.issuer: this is the issuer of `dev`",
        ),
        (
            "https://id.example.org/realms/ci",
            "http://localhost:8080/dev/oidc/",
            "oidc.issuer: this is the issuer of `dev`",
        ),
        ("client_id = \"kici-platform\"", "introspection = true", "oidc.client_id: is missing"),
        ("client_id = \"kici-platform\"", "introspection = true", "oidc.client_secret: is missing"),
        (
            "client_id = \"kici-platform\"",
            "introspection = \"perhaps\"",
            "oidc.introspection: `perhaps`",
        ),
        ("issuer = \"https://id.example.org/realms/ci\"\n", "", "oidc.issuer: is missing"),
        (
            "client_id = \"kici-platform\"",
            "client_id = \"a\"\nlink_claims = [\"github\"]",
            "oidc.link_claims: `github`: write `PROVIDER=CLAIM` or",
        ),
        (
            "client_id = \"kici-platform\"",
            "client_id = \"a\"\nlink_claims = [\"GitHub=login\"]",
            "oidc.link_claims: `GitHub=login`: a provider's name has 1 to 32",
        ),
        (
            "client_id = \"kici-platform\"",
            "client_id = \"a\"\nlink_claims = [\"github=login\", \"github=nickname\"]",
            "oidc.link_claims: `github` stands there twice",
        ),
        (
            "issuer = \"https://id.example.org/realms/ci\"\nclient_id = \"kici-platform\"",
            "link_claims = [\"github=login\"]",
            "oidc.issuer: is missing",
        ),
        ("public_url = \"https://ci.example.org\"\n", "", "server.public_url: is missing"),
        (
            "https://ci.example.org",
            "http://ci.example.org",
            "server.public_url: `http://ci.example.org`: must begin with `https://`",
        ),
    ] {
        let text = SIGN_IN.replace(from, to);
        assert_ne!(text, SIGN_IN, "{from}");
        let error = load(&text, &[]).unwrap_err();
        assert!(error.contains(part), "{part}\n{error}");
    }
}
