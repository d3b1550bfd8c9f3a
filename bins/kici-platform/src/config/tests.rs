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
        "database.url: no database of ours",
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
