use super::*;

fn parse(text: &str) -> Result<DatabaseUrl, String> {
    text.parse().map_err(|error: UrlError| error.to_string())
}

#[test]
fn the_path_is_the_one_that_the_driver_opens() {
    for (text, path, is_created) in [
        ("sqlite:///dir/q%20x.db", "/dir/q x.db", true),
        ("sqlite:///dir/q x.db?mode=rwc", "/dir/q x.db", true),
        ("sqlite:///dir/a%3Fb%23c.db?mode=rw", "/dir/a?b#c.db", false),
        ("sqlite:///dir/100%.db?cache=private", "/dir/100%.db", true),
        ("sqlite:platform.db", "platform.db", true),
        ("sqlite://platform.db?mode=rwc", "platform.db", true),
    ] {
        let url = parse(text).unwrap();
        let opened: SqliteConnectOptions = text.parse().unwrap();
        assert_eq!(url.sqlite_path(), Some(Path::new(path)), "{text}");
        assert_eq!(url.sqlite_path(), Some(opened.get_filename()), "{text}");
        assert!(
            matches!(url.target, Target::Sqlite { is_created: it, .. } if it == is_created),
            "{text}"
        );
    }
}

#[test]
fn parameters_that_are_not_known_are_refused_with_the_nearest_one() {
    for (text, part) in [
        ("postgres://db/kici?ssl_mode=require", "`ssl_mode` is not known; did you mean `sslmode`?"),
        ("postgres://db/kici?SSLMODE=require", "`SSLMODE` is not known; did you mean `sslmode`?"),
        ("postgresql://db/kici?sslrootcrt=/x", "did you mean `sslrootcert`?"),
        ("postgres://db/kici?connect_timeout=3", "`connect_timeout` is not known; known are `sslm"),
        ("postgres://db/kici?options[x=1", "`options[x` is not known"),
        ("postgres://db/kici?sslmode=verify_full", "did you mean `verify-full`?"),
        ("postgres://db/kici?sslmode=on", "`sslmode=on` is not known; known are `disable`"),
        ("postgres://db/kici?sslmode=verify-full&ssl-mode=disable", "`sslmode` is given twice"),
        ("postgres://db/kici?port=many", "is no address: invalid digit"),
        ("sqlite:///x.db?mod=rwc", "`mod` is not known; did you mean `mode`?"),
        ("sqlite:///x.db?mode=rwx", "unknown value \"rwx\" for `mode`"),
        ("sqlite:///x.db?mode=ro", "`mode=ro` can't be used: the platform writes"),
        ("sqlite:///x.db?immutable=1", "`immutable` can't be used"),
        ("sqlite:///x.db?cache=shared", "`cache=shared` can't be used"),
        ("sqlite::memory:", "a database in memory"),
        ("sqlite://?mode=memory", "a database in memory"),
        ("sqlite:%3Amemory%3A", "a database in memory"),
        ("sqlite://?mode=rwc", "has no path"),
        ("sqlite:file:x.db", "`file:x.db` is no path"),
        ("sqlite:///x%00.db", "is no path"),
        ("mysql://db/kici", "neither SQLite nor PostgreSQL"),
        ("postgres:db", "neither SQLite nor PostgreSQL"),
        ("", "neither SQLite nor PostgreSQL"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
    for text in [
        "postgres://u:p%40ss@db/kici?sslmode=verify-full&sslrootcert=/ca.pem&application_name=a",
        "postgres:///kici?host=/run/postgresql&options[search_path]=a&options[x]=b&options=-c%20y=z",
        "postgres://db:6432/kici?statement-cache-capacity=0",
    ] {
        parse(text).unwrap();
    }
}

#[test]
fn no_part_of_a_password_is_in_a_message() {
    for text in [
        "postgres://kici:12/hush@db/kici",
        "postgres://kici:hush/hush@db/kici",
        "postgres://kici:12?hush@db/kici",
        "postgres://kici:12#hush@db/kici",
        "postgres://kici:hush#hush@db/kici",
        "postgres://kici:hush%ff@db/kici",
        "postgres://kici:hush@db:port/kici",
        "postgres://kici:hush@db/kici#hush",
        "postgres://kici:hush@db/kici?sslmod=x",
        "kici:hush@db",
    ] {
        let error = parse(text).unwrap_err();
        assert!(!error.contains("hush"), "{text}: {error}");
    }
    let url = parse("postgres://kici:hush@db/kici").unwrap();
    assert!(!format!("{url:?} {} {:?}", url.place(), url.tls_warning()).contains("hush"));
}

#[test]
fn hosts_elsewhere_without_verified_tls_are_warned_about() {
    for (text, part) in [
        ("postgres://db.example.org/kici?sslmode=disable", Some("`db.example.org:5432`")),
        ("postgres://db/kici?sslmode=allow", Some("is in plain text:")),
        ("postgres://db/kici?sslmode=prefer", Some("in plain text if the server has no TLS")),
        ("postgres://10.0.0.1:6432/kici?sslmode=require", Some("`10.0.0.1:6432`")),
        ("postgres://[2001:db8::1]/kici?sslmode=require", Some("any server is accepted")),
        ("postgres://db/kici?sslmode=verify-ca", Some("certificate of that authority")),
        ("postgres:///kici?hostaddr=10.0.0.1&sslmode=require", Some("`10.0.0.1:5432`")),
        ("postgres://db/kici?sslmode=verify-full", None),
        ("postgres://localhost/kici?sslmode=disable", None),
        ("postgres://127.0.0.2/kici?sslmode=disable", None),
        ("postgres://[::1]/kici?sslmode=disable", None),
        ("postgres://%2Frun%2Fpostgresql/kici?sslmode=disable", None),
        ("postgres:///kici?host=/run/postgresql&sslmode=disable", None),
        ("sqlite:///x.db", None),
    ] {
        let warning = parse(text).unwrap().tls_warning();
        match part {
            None => assert_eq!(warning, None, "{text}"),
            Some(part) => assert!(warning.as_ref().unwrap().contains(part), "{text}: {warning:?}"),
        }
    }
}

#[test]
fn the_address_of_a_file_leads_to_that_file() {
    for path in ["/dir/q x.db", "/dir/100%20.db", "/a?b#c/ü.db", "/dir/a&b=c.db"] {
        let url = DatabaseUrl::of_file(Path::new(path)).unwrap();
        assert_eq!(url.sqlite_path(), Some(Path::new(path)));
    }
}
